"""Hints one by one, and the solution at the second call."""

import pytest

from course_lib.exercises import hint, hints, progress_file, solution
from course_lib.exercises.exercise import exercise
from course_lib.exercises.hints import source


def entry():
    return progress_file.read("exercises").get("98.1", {})


def restart_the_kernel():
    hints._asked.clear()


def test_one_more_hint_at_each_call(rows):
    first, second, third = (str(hint("98.1")) for _ in range(3))
    assert first.splitlines() == [
        "? Hint 1 of 2 · 98.1 · Rows",
        "1. Which axis is a row?",
        '`hint("98.1")` gives the next.',
    ]
    assert second.splitlines() == [
        "? Hint 2 of 2 · 98.1 · Rows",
        "1. Which axis is a row?",
        "2. `keepdims=True`",
        "That is the last.",
    ]
    assert third.splitlines()[:3] == second.splitlines()[:3]
    assert third.splitlines()[3] == 'That was the last; `solution("98.1")` shows ours.'
    assert entry() == {"hints": 2}


def test_hints_are_remembered_after_a_restart(rows):
    hint("98.1")
    restart_the_kernel()
    assert "Hint 2 of 2" in str(hint("98.1"))


def test_hints_go_on_where_nothing_can_be_written(rows, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "p.json"))
    first, second = str(hint("98.1")), str(hint("98.1"))
    assert "Hint 1 of 2" in first
    assert "Your progress is not kept" in first
    assert "Hint 2 of 2" in second
    assert "Your progress is not kept" not in second


def test_a_count_that_is_too_high_does_no_harm(rows):
    progress_file.update("exercises", "98.1", lambda entry: entry.update(hints=99))
    assert "Hint 2 of 2" in str(hint("98.1"))


# --- solutions ------------------------------------------------------------------------


def test_it_asks_once_more(rows):
    first = str(solution("98.1"))
    assert 'Call `solution("98.1")` again to see it.' in first
    assert "table" not in first
    assert entry() == {}
    second = str(solution("98.1"))
    assert "return table / table.sum(axis=-1, keepdims=True)" in second
    assert "Another way: loop:" in second
    assert "Another way: transposed:" in second
    assert entry() == {"shown": True}


def test_what_was_shown_is_shown_at_once(rows):
    for _ in range(2):
        solution("98.1")
    restart_the_kernel()
    assert "return table" in str(solution("98.1"))


def test_asking_is_forgotten_at_a_restart(rows):
    solution("98.1")
    restart_the_kernel()
    assert "again to see it" in str(solution("98.1"))


def test_being_shown_changes_no_status(rows):
    progress_file.update("exercises", "98.1", lambda e: e.update(status="correct"))
    for _ in range(2):
        solution("98.1")
    assert entry() == {"status": "correct", "shown": True}


def test_the_source_has_no_decorator_and_the_learners_name(rows):
    assert source(rows.function, "divide_rows").splitlines()[0] == (
        "def divide_rows(table):"
    )
    assert source(rows.styles["loop"], "divide_rows") == (
        "def divide_rows(table):\n"
        "    return np.array([row / row.sum() for row in table])"
    )


def test_a_class_is_shown_too(registry):
    @exercise("98.3", "Box", difficulty=1, minutes=1, section="1 · Boxes")
    class Box:
        """A box."""

        size = 3

    solution("98.3")
    assert "    class Box:\n" in str(solution("98.3"))


@pytest.mark.parametrize("ask", [hint, solution])
@pytest.mark.parametrize("id", ["98.11", "", None, 98.1])
def test_an_unknown_id_names_the_nearest(rows, ask, id):
    shown = str(ask(id))
    assert shown.startswith("! Unknown · exercise\n")
    assert "The nearest: 98.1" in shown or "Which exercise?" in shown


def test_cards_are_html_too(rows):
    assert "keepdims" in solution("98.1")._repr_html_() + solution("98.1")._repr_html_()
