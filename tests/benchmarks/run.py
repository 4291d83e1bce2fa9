"""Measure what the bench_*.py files beside this one hold, and print one table.

A new benchmark is a new file bench_x.py with a function rows() that yields `Row`s.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib import import_module, metadata
from pathlib import Path

# NumPy's BLAS and PyTorch both obey it, if it is set before they load: two threads, as
# every laptop has.
THREADS = int(
    os.environ.setdefault("OMP_NUM_THREADS", str(min(2, os.cpu_count() or 1)))
)
HERE = Path(__file__).resolve().parent
COLUMNS = "what", "size", "ours", "peer", "named peer", "ratio", "quartiles", "verdict"


def measure():
    """Collect the rows of all benchmarks; tell on stderr how far it has come."""
    names = sorted(path.stem for path in HERE.glob("bench_*.py"))
    rows = []
    for number, name in enumerate(names, start=1):
        for row in import_module(name).rows():
            rows.append(row)
            done = f"[{number}/{len(names)}] {name}: {row.what}, {row.size}"
            print(done, file=sys.stderr, flush=True)
    return rows


def machine():
    """Describe where the figures come from: they mean little without it."""
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "threads": THREADS,
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "torch": metadata.version("torch"),
    }


def cpu_name():
    """Return the name on the chip where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x.split(":")[1].strip() for x in lines if "model name" in x)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(rows):
    """Return the rows as aligned text."""
    cells = [COLUMNS, *map(cells_of, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def cells_of(row):
    """Return the texts of one line of the table."""
    times = f"{row.ours * 1e3:.3g} ms", f"{row.peer * 1e3:.3g} ms"
    spread = f"{row.low:.2f}..{row.high:.2f}"
    ratio = f"{row.ratio:.2f}"
    return row.what, row.size, *times, row.peer_name, ratio, spread, row.verdict


def main():
    """Measure, print the table, and write the same figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    default = HERE.parents[1] / "build" / "bench.json"
    parser.add_argument("--json", type=Path, default=default, help="where to write")
    path = parser.parse_args().json
    rows, where = measure(), machine()
    print(table(rows))
    print(", ".join(f"{name} {value}" for name, value in where.items()))
    figures = [{**asdict(row), "ratio": row.ratio} for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": where, "rows": figures}, indent=2) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
