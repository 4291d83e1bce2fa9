"""Predictions and quizzes as a learner meets them, with the keyboard alone."""

import re
import time

import nbformat
import pytest
from browser.started_lab import OUTPUT, open_lesson
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

DEFINE = """
import os

os.environ["COURSE_PROGRESS"] = {progress}
from course_lib.exercises import predict, quiz
from course_lib.exercises.questions.predictions import prediction
from course_lib.exercises.questions.questions import question

prediction(
    "99.p1",
    "With `d_k` = 64, what standard deviation will q·k have?",
    answer=8,
    tolerance=0.5,
    why="Each of the 64 products has variance 1; the sum has variance 64.",
    wrong={64: "64 is the variance. The standard deviation is its root."},
)
prediction(
    "99.p2",
    "Layer 3, head 1. Which token will `it` look at most?",
    answer="film",
    why="It gives 0.57 of its attention to `film`.",
    wrong={
        "rewards": "The film offers rewards, so `it` can't stand for them.",
        "but": "The nearest neighbour is a good guess for a head of layer 0.",
    },
)
prediction(
    "99.p3",
    "15 queries, but only 7 keys: what shape do the scores have?",
    answer=(15, 7),
    why="One row for each query: the one who looks comes first.",
)
question(
    "99",
    "In the heat map, what adds up to 1?",
    right=("each row", "A row belongs to the token that looks."),
    wrong={
        "each column": "A column says how much one token collects, without any limit.",
        "the whole map": "Each of the 15 rows adds up to 1, so the map adds up to 15.",
    },
)
question(
    "99",
    "You forget the root in a head of width 64. What happens to the attention?",
    right=(
        "it gets sharper, and nothing else gives it away",
        "The scores are eight times as large. Shapes and row sums stay right.",
    ),
    wrong={
        "it gets flatter: all shares come closer to each other, and the token that had "
        "most of the attention loses it to the others": "The other way round.",
        "the rows no longer add up to 1": "Softmax sees to that, whatever the scores.",
    },
)
question(
    "99",
    "`query` is (5, 32), `key` (7, 32), `value` (7, 48). Which shape has the output?",
    right=("(5, 48)", "The sum over the keys leaves a vector as wide as a value."),
    wrong={"(5, 32)": "It is a mixture of values.", "(7, 48)": "There are 5 queries."},
);
"""
NUMBER, CHOICE, SHAPE, QUIZ = range(1, 5)  # places of the cells
CELLS = ['predict("99.p1")', 'predict("99.p2")', 'predict("99.p3")', 'quiz("99")']
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
COUNTED = re.compile(r"^\[[0-9]+\]:$")


@pytest.fixture
def lesson(lab, page, request, tmp_path):
    """A notebook with three predictions and a quiz, of which all cells have run."""
    define = DEFINE.replace("{progress}", repr(str(tmp_path / "progress.json")))
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": KERNEL})
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in [define, *CELLS]]
    name = f"{request.node.name}.ipynb"
    nbformat.write(notebook, lab.lessons / name)
    page.set_viewport_size({"width": 1280, "height": 2000})
    open_lesson(page, lab, name)
    run_all(page)
    yield page
    assert page.elsewhere == []  # nothing was fetched from elsewhere


# --- where things are, and the keyboard -----------------------------------------------


def cell(page, place):
    return page.locator(".jp-CodeCell").nth(place)


def card(page, place):
    return cell(page, place).locator(".course-asks")


def answer(page, place):
    return card(page, place).locator(".course-outcome")


def question(page, place):
    return card(page, QUIZ).locator(".course-item").nth(place)


def run_cell(page, place):
    """Run a cell, and wait until it has run."""
    prompt = cell(page, place).locator(".jp-InputArea-prompt")
    before = prompt.inner_text()
    prompt.click()
    until = time.monotonic() + 20
    while prompt.inner_text() == before and time.monotonic() < until:
        cell(page, place).focus()  # a click leaves it on a button of the same cell
        page.keyboard.press("Control+Enter")  # JupyterLab swallows the first at times
        time.sleep(1)
    expect(prompt).to_have_text(COUNTED)


def run_all(page):
    for place in range(1 + len(CELLS)):
        run_cell(page, place)


def tab_to(page, place, wanted, most=30):
    """Press Tab, from the top of the cell on, until this control has the focus."""
    cell(page, place).focus()
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("e => e === document.activeElement"):
            return
    raise AssertionError(f"Tab did not reach {wanted}")


def press(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def check(page, place, choice):
    """Choose and check with the keyboard; return what is said to the choice."""
    asked = question(page, place)
    tab_to(page, QUIZ, asked.get_by_label(choice))
    press(page, "Space")
    tab_to(page, QUIZ, asked.get_by_role("button", name="Check"))
    press(page, "Enter")
    return asked.locator(".course-outcome")


# --- pictures -------------------------------------------------------------------------


def use_dark_theme(page):
    """Load JupyterLab's dark theme instead of the light one, in this page only."""
    page.evaluate("""() => new Promise(loaded => {
        const link = document.querySelector("link[href*=theme-light]")
        link.onload = loaded
        link.href = link.href.replace("theme-light", "theme-dark")
        document.body.dataset.jpThemeLight = "false"
    })""")


def picture(page, name):
    """Take a picture of the cards in both themes."""
    cell(page, NUMBER).scroll_into_view_if_needed()
    page.screenshot(path=OUTPUT / f"{name}_light.png")
    use_dark_theme(page)
    page.screenshot(path=OUTPUT / f"{name}_dark.png")


# --- tests ----------------------------------------------------------------------------


def test_predict_a_number_with_the_keyboard_alone(lesson):
    page, ours = lesson, card(lesson, NUMBER)
    field = ours.get_by_label("Your guess")
    expect(ours).not_to_contain_text("variance 1")
    tab_to(page, NUMBER, field)
    page.keyboard.type("64")
    press(page, "Tab")
    expect(ours.get_by_role("button", name="Commit")).to_be_focused()
    press(page, "Enter")
    expect(answer(page, NUMBER)).to_contain_text("you said64it is8")
    expect(answer(page, NUMBER)).to_contain_text("64 is the variance.")
    expect(answer(page, NUMBER).get_by_role("alert")).to_be_visible()
    expect(field).to_be_disabled()

    press(page, "Enter")  # once more, by mistake
    expect(ours.get_by_role("button", name="✓ Committed")).to_be_focused()
    run_cell(page, NUMBER)
    expect(answer(page, NUMBER)).to_contain_text("you said64it is8")
    assert card(page, NUMBER).count() == 1

    press(page, "Tab")
    tab_to(page, NUMBER, ours.get_by_role("button", name="Forget my guess"))
    press(page, "Space")
    expect(field).to_be_focused()
    expect(field).to_have_value("")
    expect(answer(page, NUMBER)).to_be_hidden()


def test_enter_in_the_field_commits_to_all_that_was_typed(lesson):
    page = lesson
    tab_to(page, SHAPE, card(page, SHAPE).get_by_label("Your guess"))
    page.keyboard.type("seven")
    press(page, "Enter")
    expect(card(page, SHAPE)).to_contain_text("I can't read “seven” as a shape.")
    press(page, "Control+a")
    page.keyboard.type("15 x 7", delay=0)
    press(page, "Enter")
    expect(answer(page, SHAPE)).to_contain_text("you said(15, 7)it is(15, 7)")
    expect(answer(page, SHAPE)).to_contain_text("✓ Exactly.")


def test_a_change_of_mind_while_the_kernel_is_busy_counts(lesson):
    page, ours = lesson, card(lesson, CHOICE)
    cell(page, 0).locator(".jp-InputArea-prompt").click()
    press(page, "Enter", "Control+a")
    page.keyboard.insert_text("import time; time.sleep(3)")
    press(page, "Escape", "Control+Enter")
    for choice in ("rewards", "but", "film"):
        ours.get_by_label(choice).click()
    ours.get_by_role("button", name="Commit").click()
    expect(answer(page, CHOICE)).to_contain_text("you saidfilmit isfilm", timeout=9000)


def test_a_restarted_kernel_still_shows_the_guess(lesson):
    page = lesson
    tab_to(page, CHOICE, card(page, CHOICE).get_by_label("but"))
    press(page, "Space")
    tab_to(page, CHOICE, card(page, CHOICE).get_by_role("button", name="Commit"))
    press(page, "Space")
    expect(answer(page, CHOICE)).to_contain_text("The nearest neighbour")
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_text("Restart Kernel…", exact=True).click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    time.sleep(3)
    run_all(page)
    expect(answer(page, CHOICE)).to_contain_text("you saidbutit isfilm")
    expect(card(page, CHOICE).get_by_label("but")).to_be_checked()
    expect(card(page, CHOICE).get_by_label("but")).to_be_disabled()


def test_each_choice_of_a_quiz_is_explained_with_the_keyboard_alone(lesson):
    page = lesson
    expect(question(page, 0).locator(".course-outcome")).to_be_hidden()
    said = check(page, 0, "each column")
    expect(said).to_contain_text("✗ Not this one. A column says how much one token")
    said = check(page, 0, "the whole map")
    expect(said).to_contain_text("✗ Not this one. Each of the 15 rows adds up to 1")
    said = check(page, 0, "each row")
    expect(said).to_contain_text("✓ Right. A row belongs to the token that looks.")
    expect(question(page, 0).get_by_role("button", name="Check")).to_be_focused()
    check(page, 2, "(5, 48)")
    expect(card(page, QUIZ)).to_contain_text("2 of 3 solved, 1 at the first try.")
    run_cell(page, QUIZ)
    expect(question(page, 0)).to_contain_text("✓ Right. A row belongs")
    expect(question(page, 2).get_by_label("(5, 48)")).to_be_checked()
    assert card(page, QUIZ).count() == 1


def test_how_it_looks(lesson):
    page = lesson
    picture(page, "questions_open")
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    tab_to(page, NUMBER, card(page, NUMBER).get_by_label("Your guess"))
    page.keyboard.type("64")
    press(page, "Enter")
    card(page, CHOICE).get_by_label("film").click()
    card(page, CHOICE).get_by_role("button", name="Commit").click()
    check(page, 0, "each column")
    expect(check(page, 2, "(5, 48)")).to_be_visible()
    colours = "e => getComputedStyle(e).color + getComputedStyle(e).backgroundColor"
    dark = card(page, NUMBER).evaluate(colours)
    page.evaluate("""() => {
        const link = document.querySelector("link[href*=theme-dark]")
        link.href = link.href.replace("theme-dark", "theme-light")
    }""")
    time.sleep(1)
    assert card(page, NUMBER).evaluate(colours) != dark
    picture(page, "questions_answered")
