"""Predictions as a learner meets them: a question, a guess, and then the answer beside.

A guess stays as it is until the learner forgets it, through runs and restarts.
"""

from __future__ import annotations

from typing import Any

from course_lib.exercises.cards import rich
from course_lib.exercises.questions import widgets
from course_lib.exercises.questions.asking import Shown, load_lesson, paragraph
from course_lib.exercises.questions.guesses import Choice, letter
from course_lib.exercises.questions.predictions import PREDICTIONS, Outcome, Prediction

VERDICTS = {"right": "✓ Exactly", "close": "✓ Close", "surprise": "≠ A surprise"}
_cards: dict[str, Card] = {}  # one in a kernel, however often its cell is run


def predict(id: str, guess: Any = None, *, forget: bool = False) -> Shown:
    """Ask for a guess, then show it beside the answer.

    Parameters
    ----------
    id : str
        Such as ``"11.p3"``.
    guess : float, tuple, str, optional
        Your guess, where there is no card to type it in: ``predict("11.p3", 64)``.
    forget : bool
        Forget the guess that you have committed to, and ask again.

    Returns
    -------
    Shown
        In a notebook a card, elsewhere the same as text. Nothing is raised.

    Notes
    -----
    Taught in: lesson 00.
    """
    load_lesson(str(id).split(".")[0])
    asked = PREDICTIONS.get(id) if isinstance(id, str) else None
    if asked is None:
        known = ", ".join(PREDICTIONS) or "none yet"
        return Shown(paragraph(f"There is no prediction {id!r}. There are: {known}."))
    remark = asked.forget() if forget else ""
    if guess is not None:
        remark = asked.commit(guess) or remark
    return Shown(as_text(asked, remark), _card(asked, remark))


# --- as text --------------------------------------------------------------------------


def as_text(asked: Prediction, remark: str = "") -> str:
    """Return the question with how to answer, or with guess and answer."""
    lines = [f"? Predict · {asked.id}", paragraph(asked.question)]
    if asked.guess is None:
        lines += _choice_lines(asked)
        how = f'predict("{asked.id}", {asked.kind.example})'
        lines.append(f"Commit to {asked.kind.how}: {how}")
    else:
        lines += _outcome_lines(asked.reveal())
        lines.append(f'To guess anew: predict("{asked.id}", forget=True)')
    return "\n".join([*lines, *([paragraph(f"! {remark}")] if remark else [])])


def _choice_lines(asked: Prediction) -> list[str]:
    choices = asked.kind.choices if isinstance(asked.kind, Choice) else ()
    places = [(f"  {letter(n)}) ", choice) for n, choice in enumerate(choices)]
    return [paragraph(choice, place, " " * 5) for place, choice in places]


def _outcome_lines(outcome: Outcome) -> list[str]:
    it_is = f"; it is {outcome.it_is}." if outcome.it_is else "."
    verdict = f"{VERDICTS[outcome.name]}." if outcome.name else ""
    said = [verdict, outcome.near, outcome.about]
    lines = [
        f"You said {outcome.said}{it_is}",
        " ".join(filter(None, said)),
        outcome.why,
    ]
    return [paragraph(line) for line in lines if line]


# --- as a card ------------------------------------------------------------------------


def _card(asked: Prediction, remark: str) -> Card | None:
    """Return the card of a prediction, as up to date as the file of progress."""
    ipywidgets = widgets.front_end()
    if ipywidgets is None:
        return None
    card = _cards.get(asked.id)
    if card is None or card.asked is not asked or card.box.comm is None:
        card = _cards[asked.id] = Card(ipywidgets, asked)
    card.refresh(remark)
    return card


class Card:
    """The card of one prediction; `box` is the widget to display."""

    def __init__(self, ipywidgets: Any, asked: Prediction):
        self.asked = asked
        self.is_choice = isinstance(asked.kind, Choice)
        self.field = self._field(ipywidgets)
        self.remark = widgets.Text(ipywidgets, "remark")
        self.outcome = widgets.Text(ipywidgets, "outcome")
        self.button = widgets.button(ipywidgets, "Commit", self.commit)
        self.again = widgets.button(ipywidgets, "Forget my guess", self.forget, "quiet")
        head = widgets.heading(ipywidgets, "? Predict", asked.id, asked.question)
        line = ipywidgets.VBox if self.is_choice else widgets.row(ipywidgets)
        ask = line([self.field, self.button])
        tell = [self.remark.box, self.outcome.box, self.again]
        self.box = widgets.card(ipywidgets, [head, ask, *tell])

    def _field(self, ipywidgets: Any) -> Any:
        if self.is_choice:
            return widgets.radio(ipywidgets, self.asked.kind.choices)
        example = self.asked.kind.how.partition(", ")[2]
        return widgets.field(ipywidgets, "Your guess", example, self.commit)

    def refresh(self, remark: str = "") -> None:
        """Show what is so now."""
        guess = self.asked.guess
        committed = guess is not None
        if committed:
            self.field.value = self.asked.kind.write(guess)
        self.field.disabled = committed
        self.button.description = "✓ Committed" if committed else "Commit"
        self.button.button_style = "" if committed else "primary"
        widgets.show(self.again, committed)
        self.outcome.show(as_html(self.asked) if committed else "")
        self.remark.show(rich(remark))

    def commit(self) -> None:
        """Commit to what stands in the field, and open the answer.

        The button stays where it is and keeps the focus. Once committed, it does
        nothing, so nobody forgets a guess by pressing it twice.
        """
        if self.asked.guess is None:
            value = self.field.value
            remark = "Choose one first." if value is None else self.asked.commit(value)
            self.refresh()
            self.remark.announce(rich(remark))
            if self.asked.guess is not None:
                self.outcome.announce(as_html(self.asked))
                self.button.focus()  # Enter was perhaps pressed in the field

    def forget(self) -> None:
        """Forget the guess and ask again."""
        remark = self.asked.forget()
        self.field.value = None if self.is_choice else ""
        self.refresh(remark)
        (self.button if self.is_choice else self.field).focus()


def as_html(asked: Prediction) -> str:
    """Return the guess beside the answer; what learners wrote is escaped."""
    outcome = asked.reveal()
    pairs = [("you said", outcome.said), ("it is", outcome.it_is)]
    sides = [f"<div>{name}<b>{rich(text)}</b></div>" for name, text in pairs if text]
    look = "words" if isinstance(asked.kind, Choice) else "values"
    verdict = f"<b>{VERDICTS[outcome.name]}.</b>" if outcome.name else ""
    said = " ".join(filter(None, [verdict, rich(outcome.near), rich(outcome.about)]))
    return (
        f'<div class="course-pair course-{look}">{"".join(sides)}</div>'
        f"<p>{said}</p><p>{rich(outcome.why)}</p>"
    )
