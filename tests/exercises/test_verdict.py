"""Trying our own functions here, judging results, and recognising misconceptions."""

import warnings

import numpy as np
import pytest

from course_lib.exercises.differences import Rule
from course_lib.exercises.verdict import (
    Trial,
    as_returned,
    frozen,
    judge,
    recognise,
    remark,
    slowest_allowed,
    try_here,
)
from course_lib.exercises.worker.wire import Foreign, Tensor


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (np.float64(2), 2.0),
        (np.float32(2), 2.0),
        (np.longdouble(2), 2.0),
        (np.int16(2), 2),
        (np.bool_(True), True),
        (np.complex64(2j), 2j),
        ((np.float64(2), [None, "a"]), (2.0, [None, "a"])),
    ],
)
def test_numbers_become_plain(value, wanted):
    came = as_returned(value)
    assert came == wanted
    assert type(came) is type(wanted)


class Array(np.ndarray):
    pass


class Number(float):
    def __eq__(self, other):
        return True

    __hash__ = None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (np.zeros(3).view(Array), "Array"),
        (np.ma.zeros(3), "MaskedArray"),
        (Number(3), "Number"),
        ({}, "dict"),
        (iter([]), "list_iterator"),
        (np.float64, "type"),
        (np.datetime64("2020"), "datetime64"),
    ],
)
def test_all_else_is_only_named(value, name):
    assert as_returned(value) == Foreign(name)


@pytest.mark.slow
def test_a_tensor_becomes_its_numbers():
    torch = pytest.importorskip("torch")
    came = as_returned(torch.ones(3, requires_grad=True))
    assert type(came) is Tensor
    assert came.array.tolist() == [1, 1, 1]
    assert as_returned(torch.nn.Parameter(torch.ones(3))) == Foreign("Parameter")


def test_our_functions_get_copies_that_cannot_be_written_to(rows):
    table = np.ones((2, 2))
    copy, (inner, count) = frozen((table, [np.zeros(3), 5]))
    assert not copy.flags.writeable
    assert not inner.flags.writeable
    assert table.flags.writeable
    assert not np.shares_memory(table, copy)
    trial = try_here(rows, rows.misconceptions["in_place"].function, [(table,)])
    assert trial.values == []
    assert trial.error.startswith("ValueError: output array is read-only")
    assert (table == 1).all()
    assert count == 5


def test_a_trial_ends_at_the_first_exception(rows):
    def fails_on_three(table):
        return 1 / (len(table) - 3)

    calls = [(np.zeros(5),), (np.zeros(3),), (np.zeros(7),)]
    assert try_here(rows, fails_on_three, calls) == Trial(
        [0.5], "ZeroDivisionError: division by zero"
    )


def test_a_trial_leaves_the_learners_settings_alone(rows):
    def warns(table):
        warnings.warn("no", stacklevel=1)
        return np.exp(np.array(1e9))

    state, filters = np.random.get_state()[1].copy(), list(warnings.filters)  # noqa: NPY002
    with np.errstate(all="raise"), warnings.catch_warnings(record=True) as seen:
        before = np.geterr()
        assert try_here(rows, warns, [(1,)]).error == ""
        assert np.geterr() == before
        assert not seen
    assert warnings.filters == filters
    assert (np.random.get_state()[1] == state).all()  # noqa: NPY002


def test_the_first_set_that_is_wrong_is_found():
    wanted = [np.zeros(3), 1.0, "a"]
    assert judge(wanted, wanted, Rule()) is None
    verdict = judge([np.zeros(3), 2.0, 3], wanted, Rule())
    assert (verdict.place, verdict.finding.stage) == (1, "values")


# --- misconceptions -------------------------------------------------------------------


def test_who_does_the_same_is_recognised(rows):
    calls = rows.all_calls()
    for name, misconception in rows.misconceptions.items():
        trial = try_here(rows, misconception.function, calls)
        assert recognise(rows, calls, trial).name == name


@pytest.mark.parametrize(
    "answer",
    [
        lambda t: t / t.sum(axis=0) if len(t) == 5 else t,  # the same on some
        lambda t: (t / t.sum(axis=0)).T,
        lambda t: (t / t.sum(axis=0)).tolist(),
        lambda t: t / t.sum(axis=0) + 1e-4,
        lambda t: t / 0,
        lambda t: t.nothing,  # raises, but otherwise
    ],
)
def test_who_does_something_else_is_not(rows, answer):
    calls = rows.all_calls()
    assert recognise(rows, calls, try_here(rows, answer, calls)) is None


def test_rounding_does_not_hide_a_misconception(rows):
    calls = rows.all_calls()
    trial = try_here(rows, lambda t: t * (1 / t.sum(axis=0)), calls)
    assert recognise(rows, calls, trial).name == "by_columns"


def test_nan_is_a_likeness_between_wrong_answers(rows):
    @rows.misconception("Infinity over infinity is not a number.")
    def overflows(table):
        return np.exp(table * 1e6) / np.exp(table * 1e6).sum()

    calls = rows.all_calls()
    trial = try_here(rows, lambda t: np.full(t.shape, np.nan), calls)
    assert recognise(rows, calls, trial).name == "overflows"


def test_the_same_exception_at_the_same_set_is_a_likeness(rows):
    calls = rows.all_calls()
    said = "ValueError: operands could not be broadcast together with shapes"
    trial = Trial([], f"{said} (5,7) (5,) ")
    assert recognise(rows, calls, trial).name == "without_axis"
    trial = Trial([], f"{said} (2,11) (7,) ")
    assert recognise(rows, calls, trial).name == "without_axis"
    trial = Trial([], "ValueError: assignment destination is read-only")
    assert recognise(rows, calls, trial).name == "in_place"  # the same mistake
    trial = Trial([], "ValueError: matmul: size 7 is different from 11")
    assert recognise(rows, calls, trial) is None  # a ValueError, but another
    assert recognise(rows, calls, Trial([], "TypeError: x")) is None
    value = rows.solution(*calls[0])
    assert recognise(rows, calls, Trial([value], "ValueError: x")) is None


def test_of_two_that_raise_the_one_with_the_same_words_is_meant(rows):
    @rows.misconception("That is no row.")
    def picks_a_row(table):
        return [1, 2][5]

    @rows.misconception("That is no axis.")
    def picks_an_entry(table):
        return table[99]

    calls = rows.all_calls()
    for name in ("picks_a_row", "picks_an_entry"):
        trial = try_here(rows, rows.misconceptions[name].function, calls)
        assert recognise(rows, calls, trial).name == name
    trial = Trial([], "IndexError: tuple index out of range")
    assert recognise(rows, calls, trial).name == "picks_a_row"  # the first


def test_an_answer_that_is_wrong_in_dtype_only_is_recognised_in_any(registry, rows):
    @rows.misconception("Numbers instead of booleans.")
    def as_numbers(table):
        return (table > 1.5).astype(float)

    calls = rows.all_calls()
    trial = try_here(rows, lambda t: (t > 1.5).astype(int), calls)
    assert recognise(rows, calls, trial).name == "as_numbers"


# --- what no misconception explains ---------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda t: t, "You returned the argument `table` as it came."),
        (lambda t: t.copy(), "You returned the argument `table` as it came."),
        (lambda t: np.ones((5, 7)), "The result is the same whatever comes in"),
        (lambda t: 3, "The result is the same whatever comes in"),
        (lambda t: t + 1, ""),
        (lambda t: t[0], ""),
    ],
)
def test_odd_results_are_remarked_on(rows, answer, words):
    calls = rows.all_calls()
    wanted = try_here(rows, rows.function, calls).values
    said = remark(rows, calls, try_here(rows, answer, calls).values, wanted)
    assert said.startswith(words)
    assert bool(said) == bool(words)


def test_a_constant_is_not_odd_where_one_is_wanted(rows):
    calls = rows.all_calls()
    assert remark(rows, calls, [3] * len(calls), [4] * len(calls)) == ""


@pytest.mark.parametrize(
    ("ours", "limit"), [(0.0, 5), (0.2, 5), (0.26, 6), (1.0, 20), (60.0, 1200)]
)
def test_the_limit_grows_with_a_slow_machine(ours, limit):
    assert slowest_allowed(ours) == limit
