"""Where a learner's line is, as they count."""

import functools
import linecache

import numpy as np
import pytest

from course_lib.exercises import worker
from course_lib.exercises.worker import source

CELL = """\
import functools
factor = 0

@functools.lru_cache
@functools.lru_cache
def decorated(x):
    # a remark
    return x / factor

class Layer:
    size = 3

    def __init__(self, x):
        self.x = x

    def forward(self):
        return [
            self.x
            / factor
        ]

def helper(x):
    return x / factor

def outer(x):
    def inner(y):
        return y / factor
    return inner(x)

def calls_helper(x):
    pass
    return helper(x)

short = lambda x: x / factor

@np.errstate(all="ignore")
def quiet(x):
    return x // factor

def wrong_type(x): return x + "a"
"""


@pytest.fixture(scope="module")
def cell():
    """What a notebook's cell defines; its source is only in the line cache."""
    name = "/nowhere/ipykernel_1/123.py"
    linecache.cache[name] = len(CELL), None, CELL.splitlines(True), name
    space = {"__name__": "__main__", "np": np}
    exec(compile(CELL, name, "exec"), space)
    return space


def forward(answer, x):
    """How ours uses a class."""
    return answer(x).forward()


RAISING = [
    ("helper", "return x / factor", 2),
    ("outer", "return y / factor", 3),
    ("calls_helper", "return helper(x)", 3),
    ("short", "short = lambda x: x / factor", 1),
    ("quiet", "return x // factor", 2),
    ("wrong_type", 'def wrong_type(x): return x + "a"', 1),
]


@pytest.mark.parametrize(("name", "line", "number"), RAISING)
def test_the_line_that_raised(cell, name, line, number):
    outcome = worker.run(cell[name], [(1,)])
    assert (outcome.kind, outcome.line, outcome.lineno) == ("raised", line, number)


def test_a_line_in_a_class(cell):
    outcome = worker.run(cell["Layer"], [(1,)], use=forward)
    assert (outcome.line, outcome.lineno) == ("self.x", 9)


def test_below_decorators(cell):
    assert worker.run(cell["decorated"], [(1,)]).lineno == 3


def test_a_line_outside_of_the_answer_has_no_number(cell):
    answer = functools.partial(map, cell["helper"])
    outcome = worker.run(answer, [([1],)], use=lambda answer, x: list(answer(x)))
    assert (outcome.line, outcome.lineno) == ("return x / factor", 0)


def test_our_own_lines_are_never_shown():
    outcome = worker.run(np.linalg.inv, [("a",)])
    assert (outcome.kind, outcome.line, outcome.lineno) == ("raised", "", 0)
    outcome = worker.run(lambda: 1, [(1,)])
    assert outcome.error.startswith("TypeError: ")
    assert (outcome.line, outcome.lineno) == ("", 0)


def test_without_source_the_number_is_still_known():
    space = {}
    exec(compile("\n\ndef answer(x):\n    return 1 / 0\n", "gone.py", "exec"), space)
    outcome = worker.run(space["answer"], [(1,)])
    assert (outcome.line, outcome.lineno) == ("", 2)


def test_what_has_no_code_has_no_place():
    for answer in (3, np.exp, len):
        nothing = {"file": "", "first": 0, "last": 0, "name": ""}
        assert source.source_of(answer) == nothing
