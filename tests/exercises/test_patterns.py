"""What wrong values have in common; and no guess where they have nothing."""

import numpy as np
import pytest

from course_lib.exercises.differences import Rule, equal
from course_lib.exercises.patterns import why_number, why_shape, why_values

TABLE = np.random.default_rng(5).uniform(0.5, 2, size=(5, 7))
SHARES = TABLE / TABLE.sum(axis=1, keepdims=True)
SQUARE = np.random.default_rng(6).normal(size=(5, 5))
CAUSAL = np.tri(5, 7, dtype=bool)


def why(got, wanted):
    rule = Rule()
    return why_values(got, wanted, ~equal(got, wanted, rule), rule, equal)


@pytest.mark.parametrize(
    ("got", "wanted", "words"),
    [
        ((7, 5), (5, 7), "the axes are swapped"),
        ((2, 7, 5), (2, 5, 7), "the axes are swapped"),
        ((4, 7), (5, 7), "one row is missing"),
        ((6, 7), (5, 7), "one row too many"),
        ((5, 6), (5, 7), "one column is missing"),
        ((3, 5, 7), (2, 5, 7), "one entry of axis 0 too many"),
        ((6,), (5,), "one entry too many"),
        ((7,), (5, 7), "axis 0, of size 5, is missing"),
        ((5,), (5, 7), "axis 1, of size 7, is missing"),
        ((5,), (5, 1), "of size 1, is missing, as `keepdims=True` would keep it"),
        ((), (3,), "axis 0, of size 3, is missing"),
        ((5, 7, 11), (5, 7), "axis 2, of size 11, is too many"),
        ((35,), (5, 7), "as many values, but laid out otherwise"),
        ((5, 5), (5, 7), ""),
        ((5,), (5, 5), ""),  # which of the two?
        ((2, 3), (5, 7), ""),
    ],
)  # fmt: skip
def test_shapes(got, wanted, words):
    said = why_shape(got, wanted)
    assert said.endswith(words)
    assert bool(said) == bool(words)


@pytest.mark.parametrize(
    ("got", "wanted", "words"),
    [
        (np.sqrt(11) * TABLE, TABLE, "Every value is 3.32 times too large."),
        (TABLE / 3, TABLE, "Every value is 3 times too small."),
        (-TABLE, TABLE, "Every value has the wrong sign."),
        (-2 * TABLE, TABLE, "Every value is 2 times too large and has the wrong sign."),
        (1.001 * TABLE, TABLE, "Every value is 0.1 % too large."),
        (0 * TABLE, TABLE, "Every value is 0."),
        (TABLE + 1.5, TABLE, "Every value is 1.5 too large."),
        (TABLE - 1, TABLE, "Every value is 1 too small."),
        (np.arange(6) + 1, np.arange(6), "Every value is 1 too large."),
        (SQUARE.T, SQUARE, "It is the transpose of what is wanted."),
        (TABLE / TABLE.sum(axis=0), SHARES, "Your columns sum to 1, not your rows."),
        (SHARES**2, SHARES, "Your rows should sum to 1; the first sums to 0.157."),
        (SHARES[:, ::-1], SHARES, "Your rows do sum to 1, but the shares in them are"),
        (np.roll(TABLE, 1, axis=0), TABLE, "The rows are shifted by one."),
        (np.roll(TABLE, -1, axis=1), TABLE, "The columns are shifted by one."),
        (np.roll(TABLE[0], 1), TABLE[0], "The values are shifted by one."),
        (~CAUSAL, CAUSAL, "True and False are swapped everywhere."),
        (np.tri(5).T > 0, np.tri(5) > 0, "It is the transpose of what is wanted."),
        (np.tri(5, 7, -1) > 0, CAUSAL, "The columns are shifted by one."),
        (CAUSAL | np.eye(5, 7, 1, dtype=bool), CAUSAL, "shifted by one"),
        (TABLE * (1 + np.eye(5, 7)), TABLE, "The values on the diagonal are wrong, no"),
        (np.tril(TABLE), TABLE, "The values above the diagonal are wrong, no others."),
        (TABLE * (1 + np.eye(5, 7, 2)), TABLE, "Some of the values above the diagonal"),
        (TABLE.round(2), TABLE, "off by more than 1 % of the largest"),
        (TABLE.round(4), TABLE, "off by more than 0.01 % of the largest"),
        (SQUARE, SQUARE[::-1], ""),
        (TABLE**2, TABLE, ""),
    ],
)  # fmt: skip
def test_values(got, wanted, words):
    said = why(got, wanted)
    assert words in said
    assert bool(words) == bool(said)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (np.s_[4], "All differences lie in row 4; the others are right."),
        (np.s_[:, 0], "All differences lie in column 0; the others are right."),
        (np.s_[1, 2], ""),
    ],
)
def test_one_row_or_column(place, words):
    got = TABLE.copy()
    got[place] *= np.linspace(2, 3, got[place].size).reshape(got[place].shape)
    assert why(got, TABLE) == words


@pytest.mark.parametrize(
    ("got", "wanted"),
    [
        (np.array([1.0, 2.0]), np.array([0.0, 0.0])),
        (np.array([3.0]), np.array([2.0])),
        (np.array([1 + 2j, 1j]), np.array([2 + 4j, 2j])),
        (np.array(["a", "b"]), np.array(["b", "b"])),
        (np.array([0.0, -1.0, 2.0]), np.array([0.0, -np.inf, 1.0])),
        (np.array([2**63 - 1, 0]), np.array([5, 1])),
    ],
)
def test_odd_arrays_do_no_harm(got, wanted):
    assert isinstance(why(got, wanted), str)


@pytest.mark.parametrize(
    ("got", "wanted", "words"),
    [
        (2.0, -2.0, "The sign is wrong."),
        (3.0, 2.0, "That is too large."),
        (1, 2, "That is too small."),
        (True, False, ""),
        (1j, 2j, ""),
        (1.0, float("-inf"), ""),
    ],
)
def test_single_numbers(got, wanted, words):
    assert why_number(got, wanted) == words
