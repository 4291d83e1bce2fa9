"""Predictions: defined with sense, committed to once, shown beside the answer."""

import json
import subprocess
import sys

import ipywidgets
import pytest
from ipywidgets.widgets import widget as ipywidgets_core

from course_lib.exercises import predict, progress_file
from course_lib.exercises.questions import widgets
from course_lib.exercises.questions.asking import WIDGET_VIEW
from course_lib.exercises.questions.guesses import Choice, Number, Shape
from course_lib.exercises.questions.predictions import PREDICTIONS, prediction

CARDS = sys.modules["course_lib.exercises.questions.predict"]._cards


@pytest.fixture(autouse=True)
def only_ours():
    """Three predictions, one of each kind, and no others."""
    before, _ = dict(PREDICTIONS), PREDICTIONS.clear()
    prediction(
        "99.p1",
        "What standard deviation will `q·k` have?",
        answer=8,
        tolerance=0.5,
        why="The root of 64.",
        wrong={64: "That is the variance."},
    )
    prediction("99.p2", "Which shape?", answer=(15, 7), why="Queries come first.")
    prediction(
        "99.p3",
        "Which token?",
        answer="film",
        why="It is what was meant.",
        wrong={"it": "That is the one who looks.", "`[CLS]`": "Not in this head."},
    )
    yield
    PREDICTIONS.clear()
    PREDICTIONS.update(before)
    CARDS.clear()


@pytest.fixture
def notebook(monkeypatch):
    """As if a notebook were looking."""
    monkeypatch.setattr(widgets, "front_end", lambda: ipywidgets)


def text(*args, **kwargs):
    return repr(predict(*args, **kwargs))


def kept(path):
    return json.loads(path.read_text("utf-8"))["predictions"]


# --- as text --------------------------------------------------------------------------


def test_without_a_guess_it_asks_and_says_how_to_answer():
    assert text("99.p1").splitlines() == [
        "? Predict · 99.p1",
        "What standard deviation will `q·k` have?",
        'Commit to a number, such as 0.5, 1e-3 or 1/2: predict("99.p1", 0.5)',
    ]
    assert 'predict("99.p2", "2 x 3")' in text("99.p2")
    asked = text("99.p3").splitlines()
    assert {line[5:] for line in asked[2:5]} == {"film", "it", "`[CLS]`"}
    assert [line[:5] for line in asked[2:5]] == ["  a) ", "  b) ", "  c) "]


def test_nothing_of_the_answer_shows_before_the_guess():
    for id in ("99.p1", "99.p2"):
        shown = text(id)
        assert PREDICTIONS[id].why not in shown
        assert PREDICTIONS[id].kind.write(PREDICTIONS[id].truth) not in shown[20:]


def test_a_guess_is_shown_beside_the_answer_with_its_own_sentence():
    assert text("99.p1", 64).splitlines()[2:] == [
        "You said 64; it is 8.",
        "≠ A surprise. Your guess is 8 times the answer. That is the variance.",
        "The root of 64.",
        'To guess anew: predict("99.p1", forget=True)',
    ]


def test_a_guess_near_enough_hears_no_reproach():
    assert "✓ Close. Your guess is 0.5 too high." in text("99.p1", "8,5")
    assert "✓ Exactly." in text("99.p2", "15 x 7")


def test_each_wrong_choice_has_its_own_sentence():
    assert "That is the one who looks." in text("99.p3", "it")
    text("99.p3", forget=True)
    shown = text("99.p3", "[CLS]")
    assert "Not in this head." in shown
    assert "You said `[CLS]`; it is film." in shown


def test_a_guess_stays_until_it_is_forgotten(progress_path):
    first = text("99.p1", 64)
    assert text("99.p1") == first
    assert text("99.p1", "64.0") == first
    second = text("99.p1", 8)
    assert second.startswith(first)
    assert second.endswith("! You have committed already, to 64.")
    assert kept(progress_path)["99.p1"] == {"guess": "64.0"}
    assert text("99.p1", forget=True).endswith('predict("99.p1", 0.5)')
    assert "You said 8; it is 8." in text("99.p1", 8)


def test_an_unreadable_guess_is_not_kept(progress_path):
    shown = text("99.p1", "<b>much</b>")
    assert "! I can't read “<b>much</b>” as a number." in shown
    assert not progress_path.exists()


def test_forget_and_guess_at_once():
    text("99.p1", 64)
    assert "You said 9; it is 8." in text("99.p1", 9, forget=True)


@pytest.mark.parametrize("id", ["99.p9", "99.1", "", None, 11.3, ["99.p1"], "../x.p1"])
def test_an_unknown_id_is_answered_and_never_raises(id):
    assert text(id).startswith("There is no prediction")
    assert "99.p1, 99.p2, 99.p3" in text(id)


@pytest.mark.parametrize("entry", [{"guess": 7}, {"guess": "no"}, {}, {"guess": None}])
def test_a_kept_guess_that_no_longer_fits_is_asked_anew(progress_path, entry):
    progress_path.parent.mkdir()
    progress_path.write_text(json.dumps({"predictions": {"99.p1": entry}}))
    assert "Commit to a number" in text("99.p1")
    assert "You said 8" in text("99.p1", 8)


@pytest.mark.parametrize(
    "whole", ['{"predictions": []}', '{"predictions": {"99.p1": 3}}']
)
def test_a_damaged_file_of_progress_does_no_harm(progress_path, whole):
    progress_path.parent.mkdir()
    progress_path.write_text(whole)
    assert "Commit to a number" in text("99.p1")
    assert "You said 8" in text("99.p1", 8)


def test_where_nothing_can_be_written_the_guess_holds_and_the_learner_is_told(
    tmp_path, monkeypatch
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "progress.json"))
    shown = text("99.p1", 64)
    assert "You said 64" in shown
    assert "! Your progress is not kept" in shown
    assert "You said 64" in text("99.p1")


def test_other_entries_of_the_file_stay(progress_path):
    progress_file.update("exercises", "99.1", lambda e: e.update(status="correct"))
    text("99.p1", 64)
    text("99.p2", "2 x 3")
    assert progress_file.read("exercises")["99.1"]["status"] == "correct"
    assert set(kept(progress_path)) == {"99.p1", "99.p2"}


# --- computed answers -----------------------------------------------------------------


def test_a_computed_answer_is_computed_once_and_only_when_it_is_shown():
    calls = []
    prediction(
        "99.p4",
        "How many?",
        answer=lambda: calls.append(1) or 3,
        kind="number",
        why="Counted.",
    )
    text("99.p4")
    assert calls == []
    assert "You said 5; it is 3." in text("99.p4", 5)
    text("99.p4")
    assert calls == [1]


def test_an_answer_that_can_not_be_computed_leaves_the_guess_and_raises_nothing():
    prediction("99.p5", "How?", answer=lambda: 1 / 0, kind="number", why="So.")
    shown = text("99.p5", 5)
    assert "You said 5." in shown
    assert "can't be computed here (ZeroDivisionError: division by zero)" in shown
    assert "So." not in shown


def test_a_computed_choice_and_shape():
    both = {"rises": "It fell.", "falls": "It rose."}
    prediction("99.p6", "?", answer=lambda: "falls", kind="choice", why="y", wrong=both)
    prediction("99.p7", "?", answer=lambda: (2, 3), kind="shape", why="y")
    assert "You said rises; it is falls." in text("99.p6", "rises")
    assert "It fell." in text("99.p6")
    assert "✓ Exactly." in text("99.p7", "2x3")


# --- definitions ----------------------------------------------------------------------


def test_the_type_of_the_answer_says_what_is_asked_for():
    kinds = [type(PREDICTIONS[f"99.p{n}"].kind) for n in (1, 2, 3)]
    assert kinds == [Number, Shape, Choice]


@pytest.mark.parametrize(
    ("wrong_part", "named"),
    [
        ({"id": "99.3"}, "`id` is '99.3'"),
        ({"id": 99}, "`id` is 99"),
        ({"id": "99.p1"}, "a free one; it asks “What standard"),
        ({"question": " "}, "`question`"),
        ({"why": ""}, "`why`"),
        ({"answer": None}, "a number, a shape or a choice"),
        ({"answer": True}, "a number, a shape or a choice"),
        ({"answer": float("nan")}, "NaN"),
        ({"answer": (1, -2)}, "No axis"),
        ({"answer": (1, 2.5)}, "a shape"),
        ({"answer": lambda: 3}, "`kind` is None"),
        ({"answer": lambda: 3, "kind": "numbr"}, "`kind` is 'numbr'"),
        ({"answer": 3, "kind": "shape"}, "'number', as the answer is"),
        ({"tolerance": -1}, "`tolerance` is -1"),
        ({"tolerance": float("nan")}, "`tolerance` is nan"),
        ({"answer": (1, 2), "tolerance": 0.1}, "none for a shape"),
        ({"wrong": {64: ""}}, "wrong[64]"),
        ({"wrong": {"sixty": "Why?"}}, "can't read “sixty”"),
        ({"wrong": {3: "That is the answer."}}, "a guess that is wrong"),
        ({"wrong": {3.1: "Close."}, "tolerance": 0.2}, "a guess that is wrong"),
        ({"answer": "yes"}, "two choices or more"),
        ({"answer": "yes", "wrong": {"Yes": "No."}}, "all different"),
        ({"answer": "yes", "wrong": {"`yes`": "No."}}, "all different"),
        ({"answer": "yes", "wrong": {"b": "No."}}, "no lone letter"),
        ({"answer": "yes", "wrong": {3: "No."}}, "texts to choose from"),
        ({"answer": "yes", "wrong": {"no": " "}}, "wrong['no']"),
    ],
)
def test_a_definition_that_makes_no_sense_is_refused(wrong_part, named):
    parts = {"id": "99.p8", "question": "How?", "answer": 3, "why": "So."}
    with pytest.raises(ValueError) as refused:
        prediction(**(parts | wrong_part))
    assert named in str(refused.value)
    assert str(refused.value).startswith("prediction: `")
    assert "99.p8" not in PREDICTIONS


def test_a_file_that_is_loaded_again_may_repeat_itself():
    prediction("99.p2", "Which shape?", answer=(15, 8), why="Better now.")
    assert PREDICTIONS["99.p2"].truth == (15, 8)


# --- the card -------------------------------------------------------------------------


def card_of(id):
    return predict(id).card


def test_without_a_front_end_there_is_no_card_and_ipywidgets_stays_unloaded():
    assert predict("99.p1").card is None
    assert set(predict("99.p1")._repr_mimebundle_()) == {"text/plain"}


def test_plain_python_loads_neither_widgets_nor_torch():
    code = (
        "import sys; from course_lib.exercises import predict, quiz\n"
        "print(predict('11.p3')); print(quiz('11'))\n"
        "heavy = {'ipywidgets', 'IPython', 'torch', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_notebook_gets_the_card_and_the_same_text(notebook):
    shown = predict("99.p1")
    bundle = shown._repr_mimebundle_()
    assert bundle["text/plain"] == repr(shown) == text("99.p1")
    assert bundle[WIDGET_VIEW]["model_id"] == shown.card.box.model_id


def test_commit_opens_the_answer_and_closes_the_field(notebook):
    card = card_of("99.p1")
    assert not card.field.disabled
    card.field.value = "64"
    card.button.click()
    assert card.field.disabled
    assert card.button.description == "✓ Committed"
    assert (
        "<div>you said<b>64</b></div><div>it is<b>8</b></div>" in card.outcome.box.value
    )
    assert "That is the variance." in card.outcome.box.value
    assert 'role="alert"' in card.outcome.box.value
    assert card.again.layout.display is None
    assert "You said 64; it is 8." in text("99.p1")


def test_enter_in_the_field_commits_too(notebook):
    card = card_of("99.p1")
    card.field.value = "64"
    card.field._handle_custom_msg({"event": "submit"}, [])
    assert "you said" in card.outcome.box.value


def test_a_second_press_on_commit_changes_nothing(notebook):
    card = card_of("99.p1")
    card.field.value = "64"
    card.button.click()
    card.field.value = "8"  # a front end that let it through
    card.button.click()
    assert card.remark.box.value == ""
    assert "You said 64" in text("99.p1")


def test_a_choice_is_made_with_radio_buttons(notebook):
    card = card_of("99.p3")
    assert set(card.field.options) == {
        ("film", "film"),
        ("it", "it"),
        ("[CLS]", "`[CLS]`"),
    }
    card.button.click()
    assert "Choose one first." in card.remark.box.value
    card.field.value = "it"
    card.button.click()
    assert card.remark.box.value == ""
    assert "That is the one who looks." in card.outcome.box.value


def test_an_unreadable_guess_is_explained_beside_the_field_and_harmless(notebook):
    card = card_of("99.p1")
    card.field.value = "<img src=x onerror=alert(1)>"
    card.button.click()
    assert "&lt;img src=x" in card.remark.box.value
    assert "<img" not in card.remark.box.value
    assert not card.field.disabled


def test_what_is_kept_on_disk_is_escaped_too(notebook, progress_path):
    progress_path.parent.mkdir()
    evil = {"predictions": {"99.p3": {"guess": "<script>alert(1)</script>"}}}
    progress_path.write_text(json.dumps(evil))
    card = card_of("99.p3")
    assert "<script" not in card.outcome.box.value + card.remark.box.value


def test_texts_are_escaped_and_code_is_code(notebook):
    wrong = {"`a < b`": "No <u>."}
    prediction("99.p9", "<i>?", answer="<b>bold</b>", why="So <s>.", wrong=wrong)
    card = card_of("99.p9")
    card.field.value = "`a < b`"
    card.button.click()
    shown = card.outcome.box.value + card.box.children[1].value
    assert "a &lt; b</code>" in shown
    for tag in ("<u>", "<i>", "<b>bold", "<s>"):
        assert tag not in shown
        assert tag.replace("<", "&lt;").replace(">", "&gt;") in shown


def test_forgetting_opens_the_field_again(notebook):
    card = card_of("99.p1")
    card.field.value = "64"
    card.button.click()
    card.again.click()
    assert not card.field.disabled
    assert card.field.value == ""
    assert card.outcome.box.value == ""
    assert card.button.description == "Commit"
    assert card.again.layout.display == "none"


def test_running_the_cell_again_shows_the_same_card_and_piles_nothing_up(notebook):
    first = card_of("99.p1")
    first.field.value = "64"
    first.button.click()
    before = len(ipywidgets_core._instances)
    for _ in range(5):
        assert card_of("99.p1") is first
    assert len(ipywidgets_core._instances) == before
    assert "you said" in first.outcome.box.value


def test_a_new_kernel_shows_the_guess_of_the_last_one(notebook):
    text("99.p1", 64)
    CARDS.clear()
    card = card_of("99.p1")
    assert card.field.disabled
    assert card.field.value == "64"
    assert "<b>64</b>" in card.outcome.box.value
    assert 'role="alert"' not in card.outcome.box.value  # nobody asked just now


def test_a_closed_card_is_made_anew(notebook):
    first = card_of("99.p1")
    first.box.close()
    assert card_of("99.p1") is not first
    assert card_of("99.p1").box.comm is not None
