"""What is said about an attempt, as far as it needs no process of its own."""

import numpy as np
import pytest

from course_lib.exercises import worker
from course_lib.exercises.worker import attempt

X = np.arange(6.0).reshape(2, 3)


def test_a_copy_that_nobody_can_make_writable():
    for given in (X, X.T, X[:0], np.array(1.0), np.array(["a"])):
        copy = attempt.unwritable(given)
        np.testing.assert_array_equal(copy, given)
        assert (copy.dtype, copy.shape) == (given.dtype, given.shape)
        with pytest.raises(ValueError, match="WRITEABLE"):
            copy.flags.writeable = True


CHANGE = [
    (["list", [1]], True),
    (["tensor", ["array", "<f8", [2], 0], "torch.float64", False], True),
    (["tuple", [1, ["tuple", [["list", []]]]]], True),
    (["tuple", [1, None, ["complex", 0.0, 1.0], ["array", "<f8", [2], 0]]], False),
    (3, False),
]


@pytest.mark.parametrize(("node", "can"), CHANGE)
def test_what_can_be_written_to(node, can):
    assert attempt.can_change(node) == can


def test_an_exception_in_words():
    class Evil(Exception):
        def __str__(self):
            raise BaseException

    class Text(str):
        __getitem__ = __len__ = __format__ = None

    class Odd(Exception):
        def __str__(self):
            return Text("odd")

    for error, said in (
        (ValueError("no"), "ValueError: no"),
        (KeyError("a"), "KeyError: 'a'"),
        (ValueError(), "ValueError"),
        (Evil(), "Evil: (its message can't be shown)"),
        (Odd(), "Odd: odd"),
    ):
        assert attempt.describe((type(error), error)).endswith(said)
    assert len(attempt.describe((ValueError, ValueError("a" * 10**6)))) < 2100


def test_every_call_has_arguments_of_its_own():
    kept = []

    def answer(x):
        kept.append(x)
        return [x is y for y in kept], np.shares_memory(kept[0], x), x.flags.writeable

    values = worker.run(answer, [(X,), (X,)]).values
    assert values == [([True], True, False), ([False, True], False, False)]


def test_display_works_as_in_a_notebook():
    def answer(x):
        display(x)  # noqa: F821 - a notebook has it

    assert worker.run(answer, [(3,)]).printed == "3\n"
