"""Quizzes: every choice is explained, the first try counts, and state survives."""

import json
import sys

import ipywidgets
import pytest
from ipywidgets.widgets import widget as ipywidgets_core

from course_lib.exercises import quiz
from course_lib.exercises.questions import widgets
from course_lib.exercises.questions.asking import WIDGET_VIEW
from course_lib.exercises.questions.questions import QUIZZES, question

CARDS = sys.modules["course_lib.exercises.questions.quiz"]._cards


@pytest.fixture(autouse=True)
def asked():
    """A quiz of three questions, and no other."""
    before, _ = dict(QUIZZES), QUIZZES.clear()
    for number in ("one", "two", "three"):
        question(
            "99",
            f"Question {number} about `key`?",
            right=(f"right {number}", f"Yes, {number}."),
            wrong={
                f"wrong {number}": f"No, not {number}.",
                "other <i>": "Neither <u>.",
            },
        )
    yield list(QUIZZES["99"].values())
    QUIZZES.clear()
    QUIZZES.update(before)
    CARDS.clear()


@pytest.fixture
def notebook(monkeypatch):
    """As if a notebook were looking."""
    monkeypatch.setattr(widgets, "front_end", lambda: ipywidgets)


def text(*args, **kwargs):
    return repr(quiz(*args, **kwargs))


# --- as text --------------------------------------------------------------------------


def test_without_answers_it_lists_the_questions_and_says_how_to_answer(asked):
    shown = text("99").splitlines()
    assert shown[0] == "? Quiz · lesson 99"
    assert shown[1] == "1. Question one about `key`?"
    assert [line[:6] for line in shown[2:5]] == ["   a) ", "   b) ", "   c) "]
    assert shown[-2] == 'Answer with letters, in order: quiz("99", "a", "a", "a")'
    assert shown[-1] == "3 questions, none solved yet."
    for question_ in asked:
        assert not any(
            question_.explain(c) in text("99") for c in question_.kind.choices
        )


def test_every_choice_is_explained_by_its_own_sentence(asked):
    for question_ in asked:
        for choice in question_.kind.choices:
            quiz("99", forget=True)
            answers = [choice if other is question_ else None for other in asked]
            assert question_.explain(choice) in text("99", *answers)


def test_right_and_wrong_are_told_by_word_and_sign():
    shown = text("99", "right one", "wrong two")
    assert "   ✓ Right: right one. Yes, one." in shown
    assert "   ✗ Not this one: wrong two. No, not two." in shown
    assert shown.splitlines()[-1] == "1 of 3 solved, 1 at the first try."


def test_only_the_first_try_counts_as_one(asked):
    text("99", "wrong one", "right two")
    shown = text("99", "right one")
    assert shown.splitlines()[-1] == "2 of 3 solved, 1 at the first try."
    assert asked[0].tried == ["wrong one", "right one"]


def test_a_solved_question_stays_solved(asked):
    text("99", "right one")
    text("99", "wrong one")
    assert asked[0].tried == ["right one"]


def test_a_quiz_that_is_solved_no_longer_asks():
    shown = text("99", "right one", "right two", "right three")
    assert "Answer with letters" not in shown
    assert shown.splitlines()[-1] == "3 of 3 solved, 3 at the first try."


def test_answers_stay_in_the_file_of_progress(progress_path):
    first = text("99", "wrong one", None, "right three")
    assert text("99") == first
    kept = json.loads(progress_path.read_text("utf-8"))["quizzes"]
    assert kept == {
        "99.q1": {"tried": ["wrong one"]},
        "99.q3": {"tried": ["right three"]},
    }
    assert text("99", forget=True).endswith("none solved yet.")


def test_letters_and_texts_both_answer(asked):
    place = asked[0].kind.choices.index("right one")
    assert "Yes, one." in text("99", "abc"[place])


def test_what_is_no_answer_is_explained(asked):
    shown = " ".join(text("99", "z", "right two", 3, "a").split())
    assert "Question 1: Give a letter, a to c." in shown
    assert "Question 3: Give a letter, a to c." in shown
    assert "4 answers came to 3 questions." in shown
    assert asked[1].is_solved


@pytest.mark.parametrize("lesson", ["98", "", None, 99, ["99"], "99.q1", "../etc"])
def test_an_unknown_lesson_is_answered_and_never_raises(lesson):
    assert text(lesson).startswith("There is no quiz")
    assert "There are: 99." in text(lesson)


@pytest.mark.parametrize("tried", ["right one", 7, [7, "gone"], None])
def test_kept_choices_that_no_longer_fit_are_left_out(progress_path, asked, tried):
    progress_path.parent.mkdir()
    progress_path.write_text(json.dumps({"quizzes": {"99.q1": {"tried": tried}}}))
    assert asked[0].tried == []
    assert "Yes, one." in text("99", "right one")


# --- definitions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong_part", "named"),
    [
        ({"lesson": "9"}, "`lesson` is '9'"),
        ({"lesson": 11}, "`lesson` is 11"),
        ({"text": ""}, "`text`"),
        ({"right": "yes"}, "a pair"),
        ({"right": ("yes",)}, "a pair"),
        ({"right": ("yes", "")}, "`right`"),
        ({"wrong": {}}, "two choices or more"),
        ({"wrong": {"yes": "No."}}, "all different"),
        ({"wrong": {"no": ""}}, "wrong['no']"),
        ({"wrong": {"a": "No."}}, "no lone letter"),
        ({"wrong": {2: "No."}}, "texts to choose from"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(wrong_part, named):
    parts = {
        "lesson": "98",
        "text": "?",
        "right": ("yes", "So."),
        "wrong": {"no": "No."},
    }
    with pytest.raises(ValueError) as refused:
        question(**(parts | wrong_part))
    assert named in str(refused.value)
    assert str(refused.value).startswith("question: `")
    assert not QUIZZES.get("98")


def test_questions_are_numbered_in_order_and_may_be_loaded_again(asked):
    assert [q.id for q in asked] == ["99.q1", "99.q2", "99.q3"]
    again = question(
        "99", asked[1].text, right=("new", "Yes."), wrong={"old": "No more."}
    )
    assert again.id == "99.q2"
    assert len(QUIZZES["99"]) == 3


def test_the_order_of_choices_is_stable_and_not_that_of_the_definition(asked):
    assert [q.kind.choices for q in asked] == [q.kind.choices for q in asked]
    places = set()
    for n in range(20):
        made = question(
            "97", f"{n}?", right=("yes", "y"), wrong={"no": "n", "maybe": "m"}
        )
        places.add(made.kind.choices.index("yes"))
    assert places == {0, 1, 2}


# --- the card -------------------------------------------------------------------------


def test_a_notebook_gets_the_card_and_the_same_text(notebook):
    shown = quiz("99")
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == text("99")
    assert bundle[WIDGET_VIEW]["model_id"] == shown.card.box.model_id


def test_a_choice_is_explained_when_it_is_checked_and_not_before(notebook):
    card = quiz("99").card
    item = card.items[0]
    item.radio.value = "wrong one"
    assert item.answer.box.value == ""
    item.button.click()
    assert "<b>✗ Not this one.</b> No, not one." in item.answer.box.value
    assert 'role="alert"' in item.answer.box.value
    item.radio.value = "right one"
    item.button.click()
    assert "<b>✓ Right.</b> Yes, one." in item.answer.box.value
    assert "1 of 3 solved, none at the first try." in card.score.box.value
    assert card.items[1].answer.box.value == ""


def test_checking_without_a_choice_asks_for_one(notebook, asked):
    item = quiz("99").card.items[0]
    item.button.click()
    assert "Choose one first." in item.answer.box.value
    assert asked[0].tried == []


def test_after_solving_the_other_explanations_can_still_be_read(notebook, asked):
    item = quiz("99").card.items[0]
    for choice in ("right one", "wrong one"):
        item.radio.value = choice
        item.button.click()
    assert "No, not one." in item.answer.box.value
    assert asked[0].is_solved_at_once


def test_running_the_cell_again_shows_the_same_card_and_piles_nothing_up(notebook):
    first = quiz("99", "wrong one").card
    before = len(ipywidgets_core._instances)
    for _ in range(5):
        assert quiz("99").card is first
    assert len(ipywidgets_core._instances) == before
    assert first.items[0].radio.value == "wrong one"
    assert "No, not one." in first.items[0].answer.box.value


def test_a_new_kernel_shows_what_was_chosen_in_the_last_one(notebook):
    quiz("99", "wrong one")
    CARDS.clear()
    card = quiz("99").card
    assert card.items[0].radio.value == "wrong one"
    assert card.items[1].radio.value is None


def test_start_again_forgets_all_choices(notebook, asked):
    card = quiz("99", "wrong one", "right two").card
    assert card.again.layout.display is None
    card.again.click()
    assert [q.tried for q in asked] == [[], [], []]
    assert card.items[1].answer.box.value == ""
    assert card.again.layout.display == "none"


def test_texts_are_escaped_and_code_is_code(notebook):
    card = quiz("99").card
    head = card.items[0].box.children[0].value
    assert "<code" in head
    assert "`" not in head
    quiz("99", "other <i>")
    assert "Neither &lt;u&gt;." in card.items[0].answer.box.value
