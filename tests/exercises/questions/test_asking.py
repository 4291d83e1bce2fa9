"""What all questions share: stable texts in committed notebooks, and honest content."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest

from course_lib.exercises.questions import asking, predictions, questions
from course_lib.exercises.questions.guesses import Choice

COURSE = Path(__file__).resolve().parents[3]
CLEANER = COURSE / "tests" / "notebooks" / "clean.py"
SANITISER = COURSE / "tests" / "notebooks" / "sanitize.cfg"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELLS = [
    "from course_lib.exercises import predict, quiz",
    'predict("00.p1")',
    'predict("11.p3")',
    'quiz("00")',
    'predict("11.p1", (7, 15))',
]


# --- what is committed ----------------------------------------------------------------


@pytest.fixture
def committed(tmp_path):
    """A notebook that was run and cleaned as lessons are."""
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    path = tmp_path / "99_questions.ipynb"
    nbformat.write(notebook, path)
    words = [sys.executable, str(CLEANER), "--run", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


def nbval(path, environment):
    """Compare strictly; return whether it passed."""
    words = ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={SANITISER}"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        *words,
        "-p",
        "no:xdist",
        str(path),
    ]
    done = subprocess.run(
        command,
        env=environment,
        cwd=COURSE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{len(CELLS)} passed" in done.stdout or done.returncode == 1, done.stdout
    return done.returncode == 0


def learner_who_guessed(folder):
    """Somebody's progress file, in which the questions are answered."""
    folder.mkdir()
    path = folder / ".progress.json"
    guesses = {"00.p1": {"guess": "film"}, "11.p3": {"guess": "64"}}
    path.write_text(json.dumps({"predictions": guesses}))
    return path


@pytest.mark.slow
def test_a_committed_notebook_keeps_text_only_and_passes_strict_nbval(
    committed, tmp_path
):
    cells = json.loads(committed.read_text("utf-8"))["cells"]
    kinds = {kind for c in cells for o in c["outputs"] for kind in o["data"]}
    assert kinds == {"text/plain"}
    texts = ["".join(c["outputs"][0]["data"]["text/plain"]) for c in cells[1:]]
    assert [text[:9] for text in texts] == ["? Predict"] * 2 + ["? Quiz · "] + [
        "? Predict"
    ]
    assert "You said" not in "".join(texts[:3])  # nobody has guessed yet
    assert "You said (7, 15); it is (15, 7)." in texts[3]

    mine = learner_who_guessed(tmp_path / "mine").parent
    learner = os.environ | {"COURSE_MY_LESSONS": str(mine)}
    for run in range(2):
        fresh = {"COURSE_PROGRESS": str(tmp_path / f"fresh-{run}.json")}
        assert nbval(committed, learner | fresh)
    # Without a file of its own a test would see what the learner has done, and say so.
    del learner["COURSE_PROGRESS"]
    assert not nbval(committed, learner)


# --- order ----------------------------------------------------------------------------


def test_the_order_never_changes():
    choices = ["film", "it", "but", "[CLS]"]
    once = asking.shuffled("00.p1", choices)
    assert once == asking.shuffled("00.p1", reversed(choices))
    assert sorted(once) == sorted(choices)
    assert len({asking.shuffled(str(seed), choices) for seed in range(50)}) > 10


# --- the lessons' own questions -------------------------------------------------------


def lessons():
    found = (COURSE / "course_lib" / "exercises").glob("lesson_*_questions.py")
    return sorted(path.stem.split("_")[1] for path in found)


for number in lessons():
    asking.load_lesson(number)
PREDICTIONS = list(predictions.PREDICTIONS.values())
QUESTIONS = [q for quiz in questions.QUIZZES.values() for q in quiz.values()]


def test_there_are_questions():
    assert {"00", "11"} <= set(lessons())
    assert Counter(p.id[:2] for p in PREDICTIONS) >= Counter({"00": 2, "11": 7})


@pytest.mark.parametrize("lesson", lessons())
def test_a_quiz_has_three_to_five_questions_of_three_to_five_choices(lesson):
    quiz = questions.QUIZZES[lesson].values()
    assert 3 <= len(quiz) <= 5
    assert {len(question.kind.choices) for question in quiz} <= {3, 4, 5}


def test_no_two_wrong_choices_share_their_explanation():
    for asked in [*PREDICTIONS, *QUESTIONS]:
        assert len(set(asked.wrong.values())) == len(asked.wrong), asked.id


def test_neither_place_nor_length_gives_the_right_choice_away():
    places = Counter(q.kind.choices.index(q.right[0]) for q in QUESTIONS)
    assert max(places.values()) <= len(QUESTIONS) / 2
    longest = [max(q.kind.choices, key=len) == q.right[0] for q in QUESTIONS]
    assert sum(longest) <= 0.6 * len(QUESTIONS)


@pytest.mark.parametrize("asked", PREDICTIONS, ids=lambda p: p.id)
def test_a_common_wrong_guess_hears_its_own_sentence(asked, progress_path):
    for guess, sentence in asked.wrong.items():
        asked.forget()
        asked.commit(guess)
        assert asked.reveal().about == sentence
        assert asked.reveal().name == "surprise"
    asked.forget()
    asked.commit(asked.answer)
    assert asked.reveal().name == "right"
    assert asked.reveal().about == ""


@pytest.mark.parametrize("asked", PREDICTIONS, ids=lambda p: p.id)
def test_the_example_of_an_answer_is_not_the_answer(asked):
    if not isinstance(asked.kind, Choice):  # there it is always the letter a
        assert asked.kind.read(asked.kind.example.strip('"')) != asked.truth
