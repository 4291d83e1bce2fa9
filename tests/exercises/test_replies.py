"""What is said to each thing that may become of an answer."""

import numpy as np
import pytest

from course_lib.exercises import worker
from course_lib.exercises.exercise import exercise
from course_lib.exercises.replies import Run, reply
from course_lib.exercises.verdict import try_here
from course_lib.exercises.worker.wire import Foreign, Tensor

ABOUT = {"difficulty": 1, "minutes": 2, "section": "3 · Shares"}


def answer(table): ...


def replied(rows, values=(), **changed):
    """The reply to an outcome; by default it returned, and printed nothing."""
    calls, seeded = rows.all_calls(), len(rows.seeded_calls())
    wanted = try_here(rows, rows.function, calls).values
    if callable(values):
        values = try_here(rows, values, calls).values
    outcome = worker.Outcome("returned", list(values), 0, "", "", 0, "", False, 0.0)
    outcome = outcome._replace(**changed)
    return reply(Run(rows, answer, calls, seeded, wanted, outcome, 5.0))


def wrong(table):
    return table + 1


def test_right(rows):
    feedback = replied(rows, rows.function)
    assert (feedback.status, feedback.counts) == ("correct", True)
    assert feedback.message == (
        "Right for all 6 sets of inputs, 4 of them drawn just now."
    )
    assert str(feedback).count("\n") == 1  # neither section nor hints, no times


def test_what_was_learned_is_added(rows):
    rows.learned = "Every layer of BERT does this twelve times."
    assert replied(rows, rows.function).message.endswith(rows.learned)


def test_printing_is_no_fault_where_the_answer_is_right(rows):
    assert "printed" not in str(replied(rows, rows.function, printed="1\n"))


@pytest.mark.parametrize(
    ("values", "stage", "words"),
    [
        (lambda t: t.tolist(), "type", "A list came, wanted a NumPy array"),
        (lambda t: Tensor(t), "type", "A torch tensor came"),
        (lambda t: iter([]), "type", "A list_iterator came"),
        (lambda t: 3, "type", "A single number came"),
        (lambda t: t.T, "shape", "the axes are swapped"),
        (lambda t: t[:-1], "shape", "one row is missing"),
        (lambda t: t.sum(axis=1), "shape", "is missing"),
        (lambda t: t.astype(int), "dtype", "Shape (5, 7) is right. The array holds"),
        (lambda t: t * np.nan, "finite", "Shape (5, 7) is right. 35 of 35 values are"),
        (wrong, "values", "Shape (5, 7) is right. Your rows should sum to 1"),
    ],
)
def test_wrong(rows, values, stage, words):
    feedback = replied(rows, values)
    assert feedback.status == "wrong"
    assert feedback.counts
    assert words in feedback.message
    assert feedback.looks[-1].name == stage
    assert [look.right for look in feedback.looks[:-1]] == [True] * (
        len(feedback.looks) - 1
    )
    shown = str(feedback)
    assert "Read again: section 3 · Shares" in shown
    assert '`hint("98.1")` gives a hint.' in shown


def test_both_numbers_of_the_first_difference_are_shown(rows):
    table = rows.seeded_calls()[0][0]
    shown = str(replied(rows, lambda t: rows.function(t) * 2))
    ours = rows.function(table)[0, 0]
    assert f"the first at [0, 0]: {2 * ours:.3g}; wanted {ours:.3g}" in shown
    assert "The inputs:\n    table: shape (5, 7), float64" in shown


def test_a_misconception_has_the_word(rows):
    feedback = replied(rows, rows.misconceptions["by_columns"].function)
    assert feedback.misconception == "by_columns"
    assert feedback.message.endswith("You divided by the sums of the columns.")
    assert "Your columns sum to 1, not your rows." in feedback.message


def test_what_the_teacher_says_is_not_said_twice(rows):
    rows.misconception("Every value is 3 times too large: you tripled it.")(
        lambda t: 3 * rows.function(t)
    )
    said = replied(rows, lambda t: 3 * rows.function(t)).message
    assert said == (
        "Shape (5, 7) is right. Every value is 3 times too large: you tripled it."
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (lambda t: t, "You returned the argument `table` as it came."),
        (lambda t: 3.0, "The result is the same whatever comes in"),
    ],
)
def test_what_is_odd_is_remarked_on(rows, values, words):
    assert words in replied(rows, values).message


def test_returned_none(rows):
    nothing = lambda table: None  # noqa: E731
    said = replied(rows, nothing).message
    assert said.startswith("Your function returned None; did you forget `return`?")
    said = replied(rows, nothing, printed="[[0.1]]\n")
    assert "printed its result, but returned None: use `return`" in said.message
    assert "What it printed:\n    [[0.1]]" in str(said)


def test_an_answer_to_another_exercise(rows):
    other = exercise("98.2", "Other", **ABOUT)(answer)
    assert other.name == "answer"
    assert "`answer` answers exercise 98.2; here, `divide_rows(table)` is wanted." in (
        replied(rows, wrong).message
    )


# --- arguments that were changed ------------------------------------------------------


def test_a_right_answer_that_changes_its_argument_is_wrong(rows):
    feedback = replied(rows, rows.function, mutated=True)
    assert feedback.status == "wrong"
    assert "your function changed its argument `table`" in feedback.message
    assert "It also changed its argument `table`." in (
        replied(rows, wrong, mutated=True).message
    )


def test_which_of_several_arguments_was_changed_is_not_guessed(registry):
    made = exercise("98.8", "Two", **ABOUT)(lambda one, other: 1)
    made.inputs(lambda rng: (np.zeros(3), np.zeros(3)))
    said = replied(made, lambda one, other: 1, mutated=True).message
    assert "changed one of its arguments" in said
    made = exercise("98.9", "Two", **ABOUT)(lambda items, size: 1)
    made.inputs(lambda rng: ([1, 2], 3))
    said = replied(made, lambda items, size: 1, mutated=True).message
    assert "changed its argument `items`" in said


# --- when it did not return -----------------------------------------------------------


def test_raised(rows):
    feedback = replied(
        rows,
        kind="raised",
        error="ValueError: matmul: (size 7 is different from 11)",
        line="    return query @ key",
        lineno=2,
        printed="so far\n",
    )
    assert feedback.status == "error"
    assert feedback.message == (
        "Your function raised ValueError: matmul: (size 7 is different from 11). `@` "
        "adds up over the last axis of the left array and the last but one of the "
        "right; here they have sizes 11 and 7."
    )
    shown = str(feedback)
    assert "Line 2 of your function:\n    return query @ key" in shown
    assert "What it printed:\n    so far" in shown
    assert "Read again" in shown


def error_of(rows):
    calls = rows.all_calls()
    return try_here(rows, rows.misconceptions["without_axis"].function, calls).error


def test_raised_like_a_misconception(rows):
    feedback = replied(rows, kind="raised", error=error_of(rows))
    assert feedback.misconception == "without_axis"
    assert feedback.status == "error"
    assert feedback.message.endswith("Keep the axis, with keepdims=True.")


def test_writing_into_an_argument(rows):
    del rows.misconceptions["in_place"], rows.misconceptions["without_axis"]
    said = "ValueError: assignment destination is read-only"
    feedback = replied(rows, kind="raised", error=said, mutated=True)
    assert feedback.message.endswith(
        "It tries to change its argument `table`: make a new one instead."
    )


def test_a_long_message_is_cut(rows):
    feedback = replied(rows, kind="raised", error="OSError: " + "x" * 10**6)
    assert len(feedback.message) < 500


@pytest.mark.parametrize(
    ("changed", "status", "message"),
    [
        ({"kind": "timeout"}, "timeout", "Stopped after 5 s; an endless loop?"),
        (
            {"kind": "crashed", "error": "segmentation fault (signal 11)"},
            "error",
            "Your function crashed Python (segmentation fault); your notebook is "
            "unharmed.",
        ),
        (
            {"kind": "crashed"},
            "error",
            "Your function crashed Python; your notebook is unharmed.",
        ),
        (
            {"kind": "refused", "error": "`lock` can't go there: it is a lock."},
            "error",
            "`lock` can't go there: it is a lock.",
        ),
        (
            {"kind": "banned", "error": "scipy.special.softmax"},
            "wrong",
            "This exercise is about writing it yourself; your function uses "
            "`scipy.special.softmax`.",
        ),
    ],
)
def test_stopped(rows, changed, status, message):
    feedback = replied(rows, **changed)
    assert (feedback.status, feedback.message) == (status, message)
    assert feedback.counts
    assert "Read again" in str(feedback)


def test_only_the_tail_of_what_was_printed_is_shown(rows):
    printed = "".join(f"line {n}\n" for n in range(10_000))
    shown = str(replied(rows, kind="timeout", printed=printed))
    assert "line 9999" in shown
    assert "line 8000" not in shown
    assert "…" in shown
    assert len(shown) < 3000


def test_numbers_among_the_inputs_are_shown_unless_they_are_fresh(registry):
    made = exercise("98.8", "Add", **ABOUT)(lambda size, words: size)
    made.inputs(lambda rng: (int(rng.integers(1000, 9999)), ["a"]))
    size = made.seeded_calls()[0][0]
    assert f"size: {size}\n    words: ['a']" in str(replied(made, lambda s, w: s + 1))
    first = iter([size])
    shown = str(replied(made, lambda s, w: s if s == next(first, None) else 0))
    assert "size: some int" in shown


def test_foreign_results_are_named(rows):
    calls = len(rows.all_calls())
    said = replied(rows, [Foreign("pandas.DataFrame")] * calls).message
    assert said.startswith("A pandas.DataFrame came, wanted a NumPy array.")
