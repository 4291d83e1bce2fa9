"""Bring notebooks into the one form in which they are committed, and run them.

    python tests/notebooks/clean.py              clean all lessons
    python tests/notebooks/clean.py --run 11     run lesson 11 afresh, then clean it
    python tests/notebooks/clean.py --check      say what is not clean; exit code 1

A lesson is committed as it ran: with outputs, and counts from 1 in order. All that
would differ from one run or one editor to the next is taken out, so that a diff shows
what has changed in the lesson.
"""

import argparse
import copy
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from tqdm import tqdm

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},  # its version would change with each Python
}
WIDGET = "application/vnd.jupyter.widget-view+json"  # names a widget that is gone
LARGEST = 2**20  # bytes; beyond 1 MB, readers on the web see no notebook
SECONDS = 600  # for one cell


# --- what is cleaned: each function mends one thing -----------------------------------


def set_format(notebook, number):
    """Raise the format to 4.5 and drop what it does not know."""
    notebook.nbformat_minor = 5
    for cell in notebook.cells:
        allowed = {"id", "cell_type", "source", "metadata", "attachments"}
        if cell.cell_type == "code":
            allowed |= {"outputs", "execution_count"}
            cell.setdefault("outputs", [])
            cell.setdefault("execution_count", None)
        for key in set(cell) - allowed:
            del cell[key]


def set_ids(notebook, number):
    """Give each cell an id of its own, and leave those alone that have one."""
    taken = {cell.get("id") for cell in notebook.cells}
    seen = set()
    for position, cell in enumerate(notebook.cells):
        if not cell.get("id") or cell.id in seen:
            new = f"{number}-{position:02}"
            while new in taken:
                new += "x"
            cell.id = new
            taken.add(new)
        seen.add(cell.id)


def set_metadata(notebook, number):
    """Keep the names of kernel and language, and drop widget state and the rest."""
    notebook.metadata = nbformat.from_dict(METADATA)


def keep_only_tags(notebook, number):
    """Drop what editors note in a cell: folding, timing, whether to trust it."""
    for cell in notebook.cells:
        tags = sorted(set(cell.metadata.get("tags", [])))
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})


def strip_outputs(notebook, number):
    """Keep of the outputs what every run shows and a reader can see."""
    for cell in code_cells(notebook):
        kept = []
        for output in cell.outputs:
            if output.output_type == "stream":
                add_stream(kept, output)
                continue
            if "data" in output:
                output.data.pop(WIDGET, None)
                output.metadata = nbformat.from_dict({})
            if output.get("data") != {}:
                kept.append(output)
        cell.outputs = kept


def add_stream(kept, output):
    """Leave stderr out, and join to the stream before what chance cut in two."""
    if output.name == "stderr":
        return
    before = kept[-1] if kept else None
    if before is not None and before.get("name") == output.name:
        before.text += output.text
    else:
        kept.append(output)


def set_counts(notebook, number):
    """Count the cells that have run from top to bottom."""
    count = 0
    for cell in code_cells(notebook):
        count += cell.execution_count is not None
        cell.execution_count = count if cell.execution_count is not None else None
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = cell.execution_count


STEPS = {
    set_format: "it is not in notebook format 4.5",
    set_ids: "a cell has no id, or two share one",
    set_metadata: "its metadata holds more than kernel and language",
    keep_only_tags: "a cell's metadata holds more than sorted tags",
    strip_outputs: "an output has warnings, widgets, metadata or a stream in pieces",
    set_counts: "its execution counts are not 1, 2, 3, … from top to bottom",
}


def clean(text, number="cell"):
    """Clean a notebook.

    Parameters
    ----------
    text : str
        The notebook as it stands in its file.
    number : str
        What new cell ids begin with.

    Returns
    -------
    text : str
        The same notebook, cleaned.
    reasons : list of str
        What was mended.
    """
    notebook = read(text)
    reasons = []
    for step, reason in STEPS.items():
        before = copy.deepcopy(notebook)
        step(notebook, number)
        if notebook != before:
            reasons.append(reason)
    new = write(notebook)
    if new != text and not reasons:
        reasons.append("its JSON is laid out otherwise")
    return new, reasons


# --- what only a person or a run can mend ---------------------------------------------


def faults(text):
    """Return what keeps a notebook from being committed even when it is clean."""
    notebook = read(text)
    found, never_run = [], []
    for position, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and cell.execution_count is None:
            never_run.append(str(position))
        errors = [o.ename for o in cell.get("outputs", []) if o.output_type == "error"]
        if errors and "raises-exception" not in cell.metadata.get("tags", []):
            found.append(f"cell {position} shows a {errors[0]}")
    if never_run:
        found.append(f"never run, use --run: cells {', '.join(never_run)}")
    if len(text.encode()) > LARGEST:
        found.append(
            f"it has {len(text.encode()) / 2**20:.1f} MB; at most 1 is allowed"
        )
    try:
        nbformat.validate(notebook)
    except nbformat.ValidationError as error:
        found.append(f"it is no valid notebook: {error.message.splitlines()[0]}")
    return found


# --- files ----------------------------------------------------------------------------


def read(text):
    """Parse a notebook of format 4, whose texts may be lists of lines."""
    version = json.loads(text).get("nbformat")
    if version != 4:
        raise ValueError(f"it is in notebook format {version}; wanted 4")
    return nbformat.v4.reads(text)


def write(notebook):
    """Lay a notebook out as it is committed: keys sorted, Chinese readable."""
    return nbformat.v4.writes(notebook).rstrip("\n") + "\n"


def code_cells(notebook):
    """Return the cells that can be run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run(path):
    """Run a notebook in this Python from a new kernel; return it with its outputs."""
    notebook = read(path.read_text(encoding="utf-8"))
    set_format(notebook, "")
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        store_widget_state=False,  # widgets are dead when a notebook is opened again
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],  # the kernel's, else it greets us
        resources={"metadata": {"path": str(path.parent)}},
    )
    with (
        tqdm(total=len(code_cells(notebook)), desc=path.stem, unit="cell") as bar,
        tempfile.TemporaryDirectory() as nobody,
    ):
        client.on_cell_executed = lambda **_: bar.update()
        # Guesses and answers of whoever runs this must not get into the outputs.
        client.execute(env=os.environ | {"COURSE_PROGRESS": f"{nobody}/progress.json"})
    return write(notebook)


def find(names):
    """Return the notebooks that the names stand for: files, folders, lesson numbers."""
    found = []
    for name in names or [NOTEBOOKS]:
        path = Path(name)
        if path.is_dir():
            found += sorted(path.rglob("*.ipynb"))
        elif str(name).isdigit():
            found += sorted(NOTEBOOKS.rglob(f"{name}_*.ipynb")) or [path]
        else:
            found.append(path)
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


def treat(path, options):
    """Clean, run or check one notebook; return what is wrong with it."""
    try:
        before = path.read_text(encoding="utf-8")
        ran = run(path) if options.run else before
        new, reasons = clean(ran, path.name.split("_")[0])
        wrong = faults(new)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        return [f"it can't be read: {error}"]
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return [f"it does not run, and was left as it is:\n{error}"]
    if options.check:
        return reasons + wrong
    if new != before:
        path.write_text(new, encoding="utf-8", newline="\n")
        print(f"{path}: {'run' if options.run else 'cleaned: ' + '; '.join(reasons)}")
    return wrong


def main(words=None):
    """Treat all notebooks that were named; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", help="files, folders or numbers of lessons")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--run", action="store_true", help="run before cleaning")
    options = parser.parse_args(words)
    if options.check and options.run:
        parser.error("--check changes nothing and --run does: choose one")
    started, code = time.monotonic(), 0
    paths = find(options.paths)
    for path in paths:
        for fault in treat(path, options):
            print(f"{path}: {fault}", file=sys.stderr)
            code = 1
    print(f"{len(paths)} notebooks, {time.monotonic() - started:.1f} s")
    return code


if __name__ == "__main__":
    sys.exit(main())
