"""What is begun, what can be tried, and what is answered to the rest."""

import functools
import types

import numpy as np
import pytest

from course_lib.exercises.answers import (
    MISSING,
    found,
    is_started,
    name_of,
    objection,
    task,
)
from course_lib.exercises.exercise import exercise

ABOUT = {"difficulty": 1, "minutes": 2, "section": "3 · Shares"}


def only_dots(table): ...  # your line


def only_pass(table):
    pass


def only_docstring(table):
    """Divide each row by its sum."""


def docstring_and_dots(table):
    """Divide each row by its sum."""
    ...


def docstring_dots_and_pass(table):
    """Divide each row by its sum."""
    ...
    pass


def returns_dots(table):
    return ...


def returns_none(table):
    return None


def returns_nothing(table):
    """Divide each row by its sum."""
    return


def returns_it(table):
    return table


def sets_a_name(table):
    total = 0  # noqa: F841


def prints(table):
    print(table)


async def waits(table): ...


def with_inner_stub(table):
    def inner(): ...

    return inner


def defined(source):
    """A function without source, as in a console."""
    namespace = {}
    exec(source, namespace)
    return namespace["f"]


@pytest.mark.parametrize(
    "answer",
    [
        *(..., only_dots, only_pass, only_docstring, docstring_and_dots),
        *(docstring_dots_and_pass, returns_dots, lambda table: ...),
        defined("def f(table): ..."),
        defined("def f(table):\n    'Divide.'\n    pass"),
    ],
)
def test_not_started(rows, answer):
    assert not is_started(rows, answer)


@pytest.mark.parametrize(
    "answer",
    [
        *(MISSING, None, 3, "text", [], int, print, np.zeros(3)),
        *(returns_none, returns_nothing, returns_it, sets_a_name, prints),
        *(waits, with_inner_stub, lambda table: table, lambda table: None),
        defined("def f(table): return table"),
        defined("def f(table): return 0"),
    ],
)
def test_started(rows, answer):
    assert is_started(rows, answer)


class Stub:
    """A box."""

    def __init__(self, size): ...

    def add(self, n):
        """Add."""


class Begun(Stub):
    def add(self, n):
        return n


class Empty:
    pass


@pytest.fixture
def box(registry):
    @exercise("98.3", "Box", **ABOUT)
    class Box:
        """A box."""

        def __init__(self, size):
            self.size = size

    Box.use(lambda answer, size: answer(size).size)
    Box.inputs(lambda rng: 3)
    return Box


def test_a_class_is_started_when_one_of_its_functions_is(box):
    assert [is_started(box, c) for c in (Stub, Empty, Begun)] == [False, False, True]


# --- what can't be tried --------------------------------------------------------------


def takes_two(table, axis): ...


def takes_a_default(table, axis=-1): ...


def takes_any(*tables): ...


def takes_none(): ...


def needs_a_keyword(table, *, axis): ...


def keyword_with_default(table, *, axis=-1, **more): ...


class Callable:
    def __call__(self, table): ...


@pytest.mark.parametrize(
    "answer",
    [
        *(only_dots, takes_a_default, takes_any, keyword_with_default),
        *(lambda t: t, np.exp, len, functools.partial(takes_two, axis=1), Callable()),
        Callable().__call__,
    ],
)
def test_what_can_be_called_with_the_inputs_is_tried(rows, answer):
    assert objection(rows, answer) == ""


@pytest.mark.parametrize(
    ("answer", "what_came"),
    [
        (takes_two, "`takes_two(table, axis)`"),
        (takes_none, "`takes_none()`"),
        (needs_a_keyword, "`needs_a_keyword(table, *, axis)`"),
        (lambda a, b: a, "`<lambda>(a, b)`"),
        (Empty, "the class `Empty`"),
        (int, "the class `int`"),
        (None, "None"),
        ("divide_row", "the text 'divide_row'"),
        (3, "of type int"),
        ([only_dots], "of type list"),
        (np.zeros(3), "of type ndarray"),
        (Empty(), "of type Empty"),
        (np, "of type module"),
    ],
)
def test_the_wanted_head_is_shown_beside_what_came(rows, answer, what_came):
    said = objection(rows, answer)
    assert said == (
        f"Define `divide_rows(table)` in the cell above; what came is {what_came}."
    )


def test_nothing_at_all(rows):
    assert objection(rows, MISSING) == (
        "Define `divide_rows(table)` in the cell above and hand it over: "
        '`check("98.1", divide_rows)`.'
    )


@pytest.mark.parametrize("answer", [Begun(2), 3, only_dots, None])
def test_a_class_is_wanted(box, answer):
    assert objection(box, Begun) == ""
    assert objection(box, answer).startswith("Define the class `Box(size)` in the cell")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("number", "a number"), ("array", "an array"), ("choice", "one of the choices")],
)
def test_a_value_is_wanted(registry, kind, words):
    made = exercise("98.4", "Value", kind=kind, **ABOUT)(lambda: 1)
    assert f"Hand over {words}" in objection(made, MISSING)
    assert "the function `only_dots(table)`. Call it." in objection(made, only_dots)
    assert [objection(made, v) for v in (1, None, "a", [1])] == [""] * 4


def test_all_that_a_head_can_hold_is_shown():
    def f(a, b, /, c, d=1, *rest, e, g=2, **more):
        inner = a
        return inner

    assert found(f) == "`f(a, b, c, d, *rest, e, g, **more)`"


def test_a_task_is_shown_with_its_defaults(registry):
    def clip(scores, low=0, *, high=1): ...

    assert task(exercise("98.7", "Clip", **ABOUT)(clip)) == (
        "`clip(scores, low=0, *, high=1)`"
    )


# --- answers that lie about themselves ------------------------------------------------


def liars():
    """A class, an object and a function that end Python when they are asked."""

    class LyingMeta(type):
        @property
        def __name__(cls):
            raise SystemExit("asked a metaclass")

        def __instancecheck__(cls, thing):
            raise SystemExit("asked a metaclass")

    class Lying(metaclass=LyingMeta):
        @property
        def __class__(self):
            raise SystemExit("asked for its class")

        def __getattr__(self, name):
            raise SystemExit(f"asked for {name}")

        def __eq__(self, other):
            raise SystemExit("compared")

        __hash__ = None

    def liar(table):
        return table

    liar.__signature__ = liar.__wrapped__ = Lying()
    liar.__name__ = "something_else"
    return Lying, Lying(), liar


@pytest.mark.parametrize("which", [0, 1, 2])
def test_no_code_of_the_answer_runs(rows, box, which):
    answer = liars()[which]
    for about in (rows, box):
        assert is_started(about, answer) in (True, False)
        objection(about, answer)
    found(answer)
    name_of(answer)


def test_the_name_is_the_one_in_the_head():
    assert name_of(liars()[2]) == "liar"
    assert name_of(types.MethodType(returns_it, 3)) == name_of(3) == ""
