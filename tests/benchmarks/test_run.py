"""The benchmark's table and JSON, from a source that takes no time."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
QUICK = """
from measure import Row, compare

def rows():
    yield Row("sleep", "1 s", 0.002, 0.001, "nap", 1.5, 2.5, "met")
    yield Row("count", "3", peer_name="count", **compare(list, list, pairs=3))
"""


def test_one_table_and_the_same_figures_as_json(tmp_path):
    for name in ("run.py", "measure.py"):
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "bench_quick.py").write_text(QUICK)
    path = tmp_path / "build" / "figures.json"

    command = [sys.executable, tmp_path / "run.py", "--json", path]
    run = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "[1/1] bench_quick: sleep, 1 s" in run.stderr
    line = next(line for line in run.stdout.splitlines() if line.startswith("sleep"))
    assert " ".join(line.split()) == "sleep 1 s 2 ms 1 ms nap 2.00 1.50..2.50 met"
    figures = json.loads(path.read_text())
    assert {"cpu", "cores", "threads", "numpy", "torch"} <= figures["machine"].keys()
    first, second = figures["rows"]
    assert first == {
        **{"what": "sleep", "size": "1 s", "ours": 0.002, "peer": 0.001, "ratio": 2},
        **{"peer_name": "nap", "low": 1.5, "high": 2.5, "verdict": "met"},
    }
    assert second["low"] <= second["high"]
