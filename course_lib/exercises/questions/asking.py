"""What predictions and quiz questions share: being found, shuffled, kept and shown."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import textwrap
from collections.abc import Iterable
from typing import Any

from course_lib.exercises import progress_file
from course_lib.exercises.cards import WIDTH, printable

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class Shown:
    """What `predict` and `quiz` return: text everywhere, a card in a notebook.

    The text is the same at every run with the same guesses, so a committed notebook can
    keep it. The card's name is new in every kernel.
    """

    def __init__(self, text: str, card: Any = None):
        self.text, self.card = text, card

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, Any]:
        bundle: dict[str, Any] = {"text/plain": self.text}
        if self.card is not None:
            version = {"version_major": 2, "version_minor": 0}
            bundle[WIDGET_VIEW] = version | {"model_id": self.card.box.model_id}
        return bundle


# --- found ----------------------------------------------------------------------------


def load_lesson(number: str) -> None:
    """Import the file that defines this lesson's questions, if there is one."""
    name = f"course_lib.exercises.lesson_{number}_questions"
    if re.fullmatch(r"[0-9]{2}", number) and importlib.util.find_spec(name):
        importlib.import_module(name)


def refusal(function: str, argument: str, came: object, wanted: str) -> ValueError:
    """Return the error for a definition that makes no sense."""
    return ValueError(f"{function}: `{argument}` is {came!r}; wanted {wanted}")


def require_sentences(function: str, **texts: object) -> None:
    """Refuse a definition in which one of these says nothing."""
    for argument, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise refusal(function, argument, text, "a sentence")


def require_choices(function: str, choices: Iterable[object]) -> None:
    """Refuse choices that can't be told apart, or are mistaken for their letters."""
    choices = list(choices)
    for choice in choices:
        if not isinstance(choice, str) or len(plain(choice).strip()) < 1:
            raise refusal(function, "wrong", choice, "texts to choose from")
        if len(choice) == 1 and choice.isalpha():
            raise refusal(function, "wrong", choice, "no lone letter: it names a place")
    if len({plain(choice).strip().lower() for choice in choices}) < max(
        2, len(choices)
    ):
        raise refusal(function, "wrong", choices, "two choices or more, all different")


def shuffled(seed: str, choices: Iterable[str]) -> tuple[str, ...]:
    """Return the choices in an order that is always the same and gives nothing away.

    Examples
    --------
    >>> shuffled("11.p1", ["right", "wrong", "also wrong"])
    ('also wrong', 'right', 'wrong')
    """

    def place(choice: str) -> bytes:
        return hashlib.sha256(f"{seed} {choice}".encode()).digest()

    return tuple(sorted(choices, key=place))


# --- kept -----------------------------------------------------------------------------


def recall(room: str, id: str, key: str) -> Any:
    """Return what was kept under this key, or None."""
    entry = progress_file.read(room).get(id)
    return entry.get(key) if isinstance(entry, dict) else None


def keep(room: str, id: str, key: str, value: Any) -> str:
    """Keep a value, or forget it if it is None; return what the learner must know."""

    def change(entry: dict) -> None:
        entry[key] = value
        if value is None:
            del entry[key]

    progress_file.update(room, id, change)
    return " ".join(progress_file.notices())


# --- shown ----------------------------------------------------------------------------


def plain(text: str) -> str:
    """Return the text without the backticks that mark code."""
    return text.replace("`", "")


def paragraph(text: str, begin: str = "", hang: str = "") -> str:
    """Break a text into lines as wide as a terminal; `hang` begins the later ones."""
    return textwrap.fill(
        printable(text),
        WIDTH,
        initial_indent=begin,
        subsequent_indent=hang,
        break_long_words=False,
        break_on_hyphens=False,
    )
