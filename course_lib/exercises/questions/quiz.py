"""A quiz as a learner meets it: three to five questions, answered one by one.

A choice is explained when it is checked, and the learner may choose again. Choices
stay through runs and restarts.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from course_lib.exercises.cards import rich
from course_lib.exercises.questions import widgets
from course_lib.exercises.questions.asking import Shown, load_lesson, paragraph
from course_lib.exercises.questions.guesses import Unreadable, letter
from course_lib.exercises.questions.questions import QUIZZES, Question

VERDICTS = {True: "✓ Right", False: "✗ Not this one"}
_cards: dict[str, Card] = {}  # one in a kernel, however often its cell is run


def quiz(lesson: str, *answers: str | None, forget: bool = False) -> Shown:
    """Ask the questions of a lesson; explain each choice.

    Parameters
    ----------
    lesson : str
        Its number, such as ``"11"``.
    *answers : str or None, optional
        One letter for each question, where there is no card to choose on:
        ``quiz("11", "b", "a", "c")``; None leaves a question out.
    forget : bool
        Forget all choices, and ask again.

    Returns
    -------
    Shown
        In a notebook a card, elsewhere the same as text. Nothing is raised.

    Notes
    -----
    Taught in: lesson 00.
    """
    load_lesson(str(lesson))
    asked = list(QUIZZES.get(lesson, {}).values()) if isinstance(lesson, str) else []
    if not asked:
        known = ", ".join(QUIZZES) or "none yet"
        return Shown(paragraph(f"There is no quiz {lesson!r}. There are: {known}."))
    remarks = [question.forget() for question in asked] if forget else []
    remarks += _choose(asked, answers)
    remark = " ".join(dict.fromkeys(filter(None, remarks)))
    return Shown(as_text(lesson, asked, remark), _card(lesson, asked, remark))


def _choose(asked: list[Question], answers: Iterable[str | None]) -> list[str]:
    """Keep the answers; return what stands against them."""
    answers, remarks = list(answers), []
    if len(answers) > len(asked):
        remarks.append(f"{len(answers)} answers came to {len(asked)} questions.")
    for place, (question, answer) in enumerate(zip(asked, answers, strict=False), 1):
        if answer is not None:
            try:
                remarks.append(question.choose(question.kind.read(answer)))
            except Unreadable as problem:
                remarks.append(f"Question {place}: {problem}")
    return remarks


def score(asked: list[Question]) -> str:
    """Return in one sentence how far the learner has come."""
    solved = sum(question.is_solved for question in asked)
    at_once = sum(question.is_solved_at_once for question in asked)
    if not solved:
        return f"{len(asked)} questions, none solved yet."
    first = f"{at_once} at the first try" if at_once else "none at the first try"
    return f"{solved} of {len(asked)} solved, {first}."


# --- as text --------------------------------------------------------------------------


def as_text(lesson: str, asked: list[Question], remark: str = "") -> str:
    """Return the questions, with choices until they are solved, and the score."""
    lines = [f"? Quiz · lesson {lesson}"]
    for place, question in enumerate(asked, 1):
        lines += _question_lines(place, question)
    if not all(question.is_solved for question in asked):
        letters = ", ".join(['"a"'] * len(asked))
        lines.append(f'Answer with letters, in order: quiz("{lesson}", {letters})')
    lines += [score(asked), *([paragraph(f"! {remark}")] if remark else [])]
    return "\n".join(lines)


def _question_lines(place: int, question: Question) -> list[str]:
    lines = [paragraph(question.text, f"{place}. ", "   ")]
    if not question.is_solved:
        lines += [
            paragraph(choice, f"   {letter(n)}) ", " " * 6)
            for n, choice in enumerate(question.kind.choices)
        ]
    for choice in question.tried[-1:]:
        said = f"{VERDICTS[question.is_right(choice)]}: {choice.rstrip('.')}."
        lines.append(paragraph(f"{said} {question.explain(choice)}", " " * 3, " " * 5))
    return lines


# --- as a card ------------------------------------------------------------------------


def _card(lesson: str, asked: list[Question], remark: str) -> Card | None:
    """Return the card of a quiz, as up to date as the file of progress."""
    ipywidgets = widgets.front_end()
    if ipywidgets is None:
        return None
    card = _cards.get(lesson)
    if card is None or card.asked != asked or card.box.comm is None:
        card = _cards[lesson] = Card(ipywidgets, lesson, asked)
    card.refresh(remark)
    return card


class Card:
    """The card of one quiz; `box` is the widget to display."""

    def __init__(self, ipywidgets: Any, lesson: str, asked: list[Question]):
        self.asked = asked
        self.items = [
            Item(ipywidgets, place, question, self.count)
            for place, question in enumerate(asked, 1)
        ]
        head = widgets.heading(ipywidgets, "? Quiz", f"lesson {lesson}", "")
        self.score = widgets.Text(ipywidgets, "score")
        self.again = widgets.button(ipywidgets, "Start again", self.forget, "quiet")
        end = ipywidgets.VBox([self.score.box, self.again]).add_class("course-item")
        boxes = [item.box for item in self.items]
        self.box = widgets.card(ipywidgets, [head, *boxes, end])

    def refresh(self, remark: str = "") -> None:
        """Show what was chosen last."""
        for item in self.items:
            item.refresh()
        self.count(remark)

    def count(self, remark: str = "") -> None:
        """Show the score, and what else the learner must know."""
        self.score.show(rich(f"{score(self.asked)} {remark}"))
        widgets.show(self.again, any(question.tried for question in self.asked))

    def forget(self) -> None:
        """Forget all choices and begin anew."""
        remarks = [question.forget() for question in self.asked]
        self.refresh(" ".join(filter(None, remarks)))
        self.items[0].button.focus()


class Item:
    """One question on the card: radio buttons, a button, and room for what is said."""

    def __init__(self, ipywidgets: Any, place: int, question: Question, count):
        self.question, self.count = question, count
        self.radio = widgets.radio(ipywidgets, question.kind.choices)
        self.answer = widgets.Text(ipywidgets, "outcome")
        head = widgets.heading(ipywidgets, "", "", f"{place}. {question.text}")
        self.button = widgets.button(ipywidgets, "Check", self.check)
        parts = [head, self.radio, self.button, self.answer.box]
        self.box = ipywidgets.VBox(parts).add_class("course-item")

    def refresh(self) -> None:
        """Show what was chosen last."""
        last = self.question.tried[-1:]
        self.radio.value = last[0] if last else None
        self.answer.show(self.explain(last[0]) if last else "")

    def check(self) -> None:
        """Explain the choice."""
        choice = self.radio.value
        if choice is None:
            self.answer.announce("<p>Choose one first.</p>")
        else:
            self.count(self.question.choose(choice))
            self.answer.announce(self.explain(choice))

    def explain(self, choice: str) -> str:
        """Return what is said to a choice, as HTML."""
        verdict = VERDICTS[self.question.is_right(choice)]
        return f"<p><b>{verdict}.</b> {rich(self.question.explain(choice))}</p>"
