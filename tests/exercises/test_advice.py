"""Exceptions as Python, NumPy and torch raise them today, and what is said to each."""

import re

import numpy as np
import pytest

from course_lib.exercises.advice import ADVICE, advise, alike

A, B = np.zeros((5, 11)), np.zeros((7, 11))


def locked():
    array = np.zeros(3)
    array.flags.writeable = False
    array[0] = 1


def unbound():
    print(later)  # noqa: F821
    later = 1  # noqa: F841


def endless(n):
    return endless(n + 1)


def imports_what_is_not_there():
    import notthere.inside  # noqa: F401


def imports_a_wrong_name():
    from math import notthere  # noqa: F401


def stops():
    raise SystemExit


def unwritten():
    raise NotImplementedError


CASES = [
    (lambda: A @ B, "the last but one of the right; here they have sizes 11 and 7."),
    (lambda: np.dot(A, B), "here the shapes are (5,11) and (7,11)."),
    (lambda: A + B, "here the shapes are (5,11) and (7,11)."),
    (locked, "writes into an argument"),
    (lambda: 1 if A else 2, "`np.where`"),
    (lambda: np.array([[1, 2], [3]]), "different lengths"),
    (lambda: A.sum(axis=2), "has 2 axes, and axis 2 is none of them"),
    (lambda: A[7], "Positions count from 0"),
    (lambda: [1][1], "Positions count from 0"),
    (lambda: A[0, 0, 0], "no more than 2 axes"),
    (unbound, "`later` is set later in the function"),
    (lambda: nq, "Define `nq`, or import it"),  # noqa: F821
    (lambda: ... + 1, "A `...` is still"),
    (lambda: None + 1, "maybe a function without `return`"),
    (lambda: None.shape, "maybe a function without `return`"),
    (lambda: A[0.5], "`//` a whole number"),
    (lambda: range(1.5), "`//` a whole number"),
    (lambda: np.zeros(1.5), "`//` a whole number"),
    (lambda: endless(1, 2), "called with other arguments"),
    (lambda: endless(), "called with other arguments"),
    (lambda: endless(m=1), "called with other arguments"),
    (lambda: A.softmax(), "`np.softmax(…)`"),
    (imports_what_is_not_there, "`notthere` is not installed"),
    (imports_a_wrong_name, "no more than the lesson imports"),
    (lambda: endless(1), "calls itself and never stops"),
    (lambda: np.zeros((10**9, 10**9)), "An array became too large"),
    (lambda: 1 / 0, "Which divisor can be 0"),
    (lambda: {}["a"], "Print its keys"),
    (unwritten, "still to be written"),
    (stops, "Use `return`"),
]


@pytest.mark.parametrize(("fails", "words"), CASES)
def test_what_learners_meet_has_an_advice(fails, words):
    assert words in advise(error_of(fails)), error_of(fails)


def error_of(fails):
    with pytest.raises(BaseException) as caught:
        fails()
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.mark.slow
def test_torch_says_it_otherwise():
    torch = pytest.importorskip("torch")
    with pytest.raises(RuntimeError) as caught:
        torch.zeros(5, 11) @ torch.zeros(7, 11)
    said = advise(f"RuntimeError: {caught.value}")
    assert "here the shapes are 5x11 and 7x11" in said


@pytest.mark.parametrize(
    "error", ["", "ValueError", "OSError: x", "ValueError: {0} {nothing}", "KeyErro: 1"]
)
def test_nothing_is_said_to_what_is_not_known(error):
    assert advise(error) == ""


def test_a_message_is_no_template():
    assert "`{0}`" not in advise("NameError: name '{0}' is not defined")


def test_every_line_is_there_for_something_that_happens():
    errors = [error_of(fails).split(": ", 1) for fails, _ in CASES]
    for name, pattern, text in ADVICE:
        met = [e for e in errors if e[0] == name and re.search(pattern, e[1])]
        assert met or name == "RuntimeError", text  # torch's own, tested above


BROADCAST = "ValueError: operands could not be broadcast together with shapes"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("", "", True),
        ("", "ValueError: a", False),
        (f"{BROADCAST} (5,7) (5,) ", f"{BROADCAST} (3,11) (3,) ", True),
        (f"{BROADCAST} (5,7) (5,) ", "ValueError: a (5,7) (5,)", False),
        ("ValueError: output array is read-only", "ValueError: x is read-only", True),
        ("numpy.exceptions.AxisError: a 1", "AxisError: a 2", True),
        ("TypeError: a", "ValueError: a", False),
        ("OSError: a", "OSError: b", False),
    ],
)
def test_exceptions_of_the_same_mistake_are_alike(one, other, same):
    assert alike(one, other) is alike(other, one) is same
