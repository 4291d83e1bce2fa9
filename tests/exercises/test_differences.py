"""The first thing that is wrong, and how it is said."""

import numpy as np
import pytest

from course_lib.exercises.differences import Rule, compare, describe, equal, numbers
from course_lib.exercises.worker.wire import Foreign, Tensor

RULE = Rule()
WANTED = np.arange(1.0, 36.0).reshape(5, 7)


def with_change(place, value, array=WANTED):
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (WANTED.copy(), WANTED),
        (WANTED * (1 + 1e-9), WANTED),
        (WANTED.astype(np.float32), WANTED),  # its kind counts, not its size
        (np.array([True, False]), np.array([True, False])),
        (np.array([1, 2], dtype=np.int32), np.array([1, 2])),
        (np.array([0.0, -np.inf]), np.array([0.0, -np.inf])),
        (3.0, 3.0),
        (3, 3.0),  # a whole number where its value is wanted
        (np.array(3.0), 3.0),
        (2j, 2j),
        ("abc", "abc"),
        (None, None),
        ([1, [2.0, "a"]], [1, [2.0, "a"]]),
        ((WANTED, 3), (WANTED, 3)),
        (Tensor(WANTED), Tensor(WANTED)),
        (np.zeros((0, 3)), np.zeros((0, 3))),
    ],
)
def test_right_is_right(got, wanted):
    assert compare(got, wanted, RULE) is None


@pytest.mark.parametrize(
    ("got", "wanted", "stage", "words"),
    [
        # type
        (WANTED.tolist(), WANTED, "type", "A list came, wanted a NumPy array. `np.a"),
        (3.0, WANTED, "type", "A single number came, wanted a NumPy array. Was an a"),
        (None, WANTED, "type", "None came, wanted a NumPy array. Did you forget"),
        (Tensor(WANTED), WANTED, "type", "A torch tensor came, wanted a NumPy array"),
        (Foreign("generator"), WANTED, "type", "A generator came, wanted a NumPy"),
        (Foreign("DataFrame"), WANTED, "type", "A DataFrame came, wanted"),
        ((WANTED, 1), WANTED, "type", "A tuple of 2 came, wanted a NumPy array. Ret"),
        (WANTED, Tensor(WANTED), "type", "`torch.from_numpy(…)` makes a tensor"),
        (WANTED, 3.0, "type", "A NumPy array came, wanted a single number"),
        ("3", 3, "type", "Text came, wanted a single number"),
        ((1, 2, 3), (1, 2), "type", "A tuple of 3 came, wanted a tuple of 2"),
        # shape
        (WANTED.T, WANTED, "shape", "(7, 5) came, wanted (5, 7): the axes are swa"),
        (WANTED[:, 0], WANTED, "shape", "axis 1, of size 7, is missing"),
        (WANTED[:4], WANTED, "shape", "one row is missing"),
        ([1, 2], [1], "shape", "The list has 2 items, wanted 1"),
        # dtype
        (WANTED.astype(int), WANTED, "dtype", "holds integers (int64), wanted float"),
        (WANTED > 3, WANTED, "dtype", "holds True and False (bool), wanted floating"),
        (WANTED.astype(object), WANTED, "dtype", "holds Python objects (object)"),
        (WANTED.astype(complex), WANTED, "dtype", "holds complex numbers"),
        (1.0, True, "dtype", "The result is floating-point numbers"),
        (True, 1.0, "dtype", "The result is True and False"),
        (2.0, 2, "dtype", "wanted integers"),
        # numbers that are none
        (with_change((2, 3), np.nan), WANTED, "finite", "1 of 35 values is NaN"),
        (WANTED * np.inf, WANTED, "finite", "35 of 35 values are infinite"),
        (float("nan"), 2.0, "finite", "The result is NaN"),
        (float("inf"), 2.0, "finite", "The result is infinite"),
        (10**400, 2.0, "finite", "The result is infinite"),
        # values
        (with_change((2, 3), 0), WANTED, "values", "1 of 35 values differ"),
        (3.32 * WANTED, WANTED, "values", "Every value is 3.32 times too large"),
        (2.0, 3.0, "values", "2 came, wanted 3. That is too small."),
        (False, True, "values", "False came, wanted True."),
        (7, 8, "values", "7 came, wanted 8. That is too small."),
        ("abd", "abc", "values", "'abd' came, wanted 'abc'."),
        ([1, 3], [1, 2], "values", "Result 2 of 2: 3 came, wanted 2."),
        ((WANTED, WANTED.T), (WANTED, WANTED), "shape", "Result 2 of 2: Shape (7, 5)"),
        (np.array(["a", "b"]), np.array(["a", "c"]), "values", "at [1]: b came, wante"),
        (Tensor(WANTED + 1), Tensor(WANTED), "values", "Every value is 1 too large"),
        (np.array([-9.0]), np.array([-np.inf]), "values", "-9 came, wanted -inf"),
    ],
)  # fmt: skip
def test_wrong_is_told_in_the_order_of_a_teacher(got, wanted, stage, words):
    found = compare(got, wanted, RULE)
    assert found.stage == stage
    assert words in found.sentence


def test_what_was_right_before_is_kept():
    found = compare(WANTED + np.eye(5, 7), WANTED, RULE)
    assert found.passed == (
        ("type", "a NumPy array"),
        ("shape", "(5, 7)"),
        ("dtype", "float64"),
    )
    assert found.detail == "5 of 35 values differ, the first at [0, 0]: 2; wanted 1"
    assert compare([1], WANTED, RULE).passed == ()


def test_nan_is_never_equal_to_nan():
    nan = np.full(3, np.nan)
    assert compare(nan, nan.copy(), RULE).stage == "finite"
    assert not equal(nan, nan, RULE).any()
    assert compare(nan, nan.copy(), RULE._replace(lenient=True)) is None


def test_two_wrong_results_are_alike_whatever_their_dtype():
    lenient = RULE._replace(lenient=True)
    assert compare(np.array([1, 0]), np.array([1.0, 0.0]), lenient) is None
    assert compare(np.array([True, False]), np.array([1.0, 0.0]), lenient) is None
    assert compare(np.array([1, 0], dtype=object), np.array([1.0, 0.0]), lenient)
    assert compare(np.array([1, 0]), np.array([1.0, 0.5]), lenient)


def test_an_exact_dtype_can_be_asked_for():
    exact = RULE._replace(exact_dtype=True)
    found = compare(WANTED.astype(np.float32), WANTED, exact)
    assert found.stage == "dtype"
    assert "holds float32 (float32), wanted float64" in found.sentence
    assert compare(3, 3.0, exact) is None


@pytest.mark.parametrize(
    ("got", "wanted"), [(2.0, 3.25), (WANTED + np.eye(5, 7), WANTED), ("b", "azure")]
)
def test_a_secret_is_not_told(got, wanted):
    found = compare(got, wanted, RULE._replace(secret=True))
    for text in (found.sentence, found.detail):
        assert "wanted" not in text
        assert "3.25" not in text
        assert "azure" not in text


def test_tolerance_is_relative_to_the_largest_value():
    wanted = np.array([1e-6, 1000.0])
    rule = Rule(rtol=1e-6, atol=0)
    assert equal(wanted + np.array([9e-4, 0]), wanted, rule).all()
    assert equal(wanted + np.array([2e-3, 0]), wanted, rule).tolist() == [False, True]
    exact = Rule(rtol=0, atol=0)
    assert equal(wanted + np.array([1e-12, 0]), wanted, exact).tolist() == [False, True]


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, bool])
def test_whole_numbers_have_no_tolerance(dtype):
    wanted = np.array([0, 1], dtype=dtype)
    assert equal(wanted, wanted[::-1], Rule(rtol=10, atol=10)).tolist() == [False] * 2


def test_as_few_digits_as_tell_two_numbers_apart():
    assert numbers(0.12345, 0.5) == ("0.123", "0.5")
    assert numbers(0.12345, 0.12346) == ("0.12345", "0.12346")
    assert numbers(1.0, 1.0 + 2**-52) == ("1", "1.0000000000000002")
    assert numbers(2, 3) == ("2", "3")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (WANTED, "a NumPy array"),
        (np.array(1), "a single number"),
        (1j, "a single number"),
        (True, "a single number"),
        ((), "a tuple of 0"),
        ([], "a list"),
        (Foreign("int_maker"), "an int_maker"),
        (Foreign("module"), "a module"),
    ],
)
def test_types_are_told_in_words(value, words):
    assert describe(value) == words
