"""Feedback: five statuses, one message, and where to read again."""

import json

import pytest

from course_lib.exercises.cards import Block, Look
from course_lib.exercises.feedback import STATUSES, Feedback

WORDS = {
    "correct": "✓ Correct",
    "wrong": "✗ Not yet",
    "error": "! Error",
    "timeout": "■ Stopped",
    "not started": "○ Not started",
}


def test_the_statuses_are_five():
    assert list(STATUSES) == list(WORDS)
    assert len({sign for sign, _, _ in STATUSES.values()}) == 5
    assert len({word for _, word, _ in STATUSES.values()}) == 5
    assert len({colour for _, _, colour in STATUSES.values()}) == 5


@pytest.mark.parametrize("status", WORDS)
def test_each_is_shown(rows, status):
    feedback = Feedback(status, ("One.", "Two."), rows)
    assert feedback.message == "One. Two."
    assert str(feedback) == f"{WORDS[status]} · 98.1 · Rows\nOne.\nTwo."
    shown = feedback._repr_mimebundle_()
    assert set(shown) == {"text/html", "text/plain"}
    assert shown["text/plain"] == str(feedback)
    assert shown["text/html"] == feedback._repr_html_()
    json.dumps(shown)


def test_where_to_read_again(rows):
    feedback = Feedback("wrong", ("No.",), rows, notices=("N.",), reads_again=True)
    assert feedback.section == "3 · Shares"
    assert str(feedback).splitlines()[2:] == [
        "Read again: section 3 · Shares",
        '`hint("98.1")` gives a hint.',
        "N.",
    ]
    assert "Read again: section 3 · Shares" in feedback._repr_html_()


def test_without_an_exercise():
    feedback = Feedback("error", ("There is no exercise.",))
    assert str(feedback) == "! Error · check\nThere is no exercise."
    assert (feedback.section, feedback.misconception) == ("", None)


def test_looks_and_blocks_are_shown(rows):
    feedback = Feedback(
        *("wrong", ("No.",), rows, "by_columns", (Look(False, "shape", "(5, 7)"),)),
        (Block("Line 2 of your function", "x = 1", open=True),),
    )
    for text in (str(feedback), feedback._repr_html_()):
        for word in ("shape", "(5, 7)", "Line 2 of your function", "x = 1"):
            assert word in text
    assert feedback.misconception == "by_columns"
