"""Each test has its own progress file and may have exercises of its own.

Answers run in this process where only the verdict matters; tests of the worker itself
use `survive`, which checks time, the next check, and that nothing is left.
"""

import io
import os
import sys
import time
import traceback
from contextlib import redirect_stdout

import numpy as np
import psutil
import pytest

from course_lib.exercises import exercise as exercise_module
from course_lib.exercises import hints, lessons, progress_file, verdict, worker
from course_lib.exercises.worker import process

LIMIT = 0.5  # seconds for an answer here; a lesson allows at least 5


@pytest.fixture(autouse=True)
def progress_path(tmp_path, monkeypatch):
    """Where progress is kept during a test; nothing is remembered from another."""
    path = tmp_path / "progress" / "progress.json"
    monkeypatch.setenv("COURSE_PROGRESS", str(path))
    for kept in (progress_file._memory, progress_file._notices, progress_file._told):
        kept.clear()
    hints._asked.clear()
    return path


# --- a course with exercises of the test's own ----------------------------------------


@pytest.fixture
def registry(monkeypatch):
    """An empty course: exercises that a test defines are all there are."""
    made = {}
    replies = sys.modules["course_lib.exercises.replies"]
    for module in (exercise_module, lessons, replies):
        monkeypatch.setattr(module, "REGISTRY", made)
    monkeypatch.setattr(lessons, "_lessons", list)
    return made


@pytest.fixture
def rows(registry):
    """A small exercise: each row divided by its sum."""

    @exercise_module.exercise(
        "98.1", "Rows", difficulty=1, minutes=2, section="3 · Shares"
    )
    def divide_rows(table):
        """Divide each row by its sum."""
        return table / table.sum(axis=-1, keepdims=True)

    @divide_rows.inputs
    def _(rng):
        yield rng.uniform(1, 2, size=(5, 7))
        yield rng.uniform(1, 2, size=(3, 11))

    divide_rows.hint("Which axis is a row?")
    divide_rows.hint("`keepdims=True`")

    @divide_rows.style("loop")
    def _(table):
        return np.array([row / row.sum() for row in table])

    @divide_rows.style("transposed")
    def _(table):
        return (table.T / table.sum(axis=1)).T

    @divide_rows.misconception("You divided by the sums of the columns.")
    def by_columns(table):
        return table / table.sum(axis=0)

    @divide_rows.misconception("Keep the axis, with keepdims=True.")
    def without_axis(table):
        return table / table.sum(axis=-1)

    @divide_rows.misconception("You may not write into the table.")
    def in_place(table):
        table /= table.sum(axis=-1, keepdims=True)
        return table

    return divide_rows


@pytest.fixture
def in_process(monkeypatch):
    """Answers run in this process: no limits, but quick, and as the worker replies."""
    monkeypatch.setattr(worker, "run", run_here)


def run_here(answer, calls, *, use=None, banned=(), seconds=5.0, needs_torch=False):
    """Do what `worker.run` does, with nothing between."""
    values, printed = [], io.StringIO()
    for place, args in enumerate(calls):
        try:
            with redirect_stdout(printed), np.errstate(all="ignore"):
                args = verdict.frozen(args)
                result = use(answer, *args) if use else answer(*args)
        except Exception as error:
            step = traceback.extract_tb(error.__traceback__)[-1]
            code = getattr(answer, "__code__", None)
            number = step.lineno - code.co_firstlineno + 1 if code else 0
            said = f"{type(error).__name__}: {error}"
            tried_to_write = "read-only" in said
            return worker.Outcome(
                *("raised", values, place, said, step.line, number),
                *(printed.getvalue(), tried_to_write, 0.0),
            )
        values.append(verdict.as_returned(result))
    count = len(calls)
    return worker.Outcome(
        "returned", values, count, "", "", 0, printed.getvalue(), False, 0.0
    )


# --- hostile answers ------------------------------------------------------------------


@pytest.fixture
def nothing_left(monkeypatch):
    """Fail if a process other than the one child is there after the test."""
    tokens = {worker.begin().token.hex()}
    start = process.Checker.__init__

    def noted(checker):
        start(checker)
        tokens.add(checker.token.hex())

    monkeypatch.setattr(process.Checker, "__init__", noted)
    here = os.getcwd()
    yield
    child = worker.begin().process.pid
    left = [p for token in tokens for p in process.marked(token)]
    left += psutil.Process().children(recursive=True)
    left = [p for p in left if p.pid != child and p.is_running()]
    assert not [p for p in left if p.status() != psutil.STATUS_ZOMBIE]
    assert os.getcwd() == here


@pytest.fixture
def survive(nothing_left):
    """Return a function that runs an answer, and shows that it did no harm."""
    table = np.arange(6.0).reshape(2, 3)

    def run(answer, arguments=(table,), seconds=LIMIT, **options):
        assert worker.run(answer_of_ours, [(21,)]).values == [42]
        start = time.monotonic()
        outcome = worker.run(answer, [arguments], seconds=seconds, **options)
        assert time.monotonic() - start < seconds + 1
        assert worker.run(answer_of_ours, [(21,)]).values == [42]
        return outcome

    return run


def answer_of_ours(x):
    """What the next learner writes; it prints, and uses NumPy and a module."""
    print("fine")
    assert np.allclose(np.exp(np.zeros(3)), 1)
    return 2 * x
