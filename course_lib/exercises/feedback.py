"""What `check` answers: one of five statuses, and what a good teacher would say."""

from __future__ import annotations

from dataclasses import dataclass

from course_lib.exercises.cards import Block, Card, Look
from course_lib.exercises.exercise import Exercise

STATUSES = {  # status → sign, word, and a colour that carries white text
    "correct": ("✓", "Correct", "#1a7f37"),
    "wrong": ("✗", "Not yet", "#9a5b00"),
    "error": ("!", "Error", "#b3261e"),
    "timeout": ("■", "Stopped", "#6b3fa0"),
    "not started": ("○", "Not started", "#5c5c5c"),
}


@dataclass(frozen=True, eq=False, repr=False)
class Feedback:
    """The answer to an answer. Shown as a card in a notebook, as text elsewhere.

    Attributes
    ----------
    status : str
        "not started", "correct", "wrong", "error" or "timeout".
    parts : tuple of str
        The sentences, in order.
    exercise : Exercise, optional
        None if there is no such exercise.
    misconception : str, optional
        Its name, if the answer does exactly what a known misconception does.
    looks : tuple of Look
        What was looked at, in order; the last one is what went wrong.
    blocks : tuple of Block
        The learner's line, and what their function printed.
    notices : tuple of str
        What else they should know, such as that progress can't be kept.
    reads_again, counts : bool
        Whether to point to the section and to the hints; whether it was an attempt.
    """

    status: str
    parts: tuple[str, ...]
    exercise: Exercise | None = None
    misconception: str | None = None
    looks: tuple[Look, ...] = ()
    blocks: tuple[Block, ...] = ()
    notices: tuple[str, ...] = ()
    reads_again: bool = False
    counts: bool = False

    @property
    def message(self) -> str:
        """The heart of it, as plain text."""
        return " ".join(self.parts)

    @property
    def section(self) -> str:
        """The heading of the lesson to read again; empty if there is no exercise."""
        return self.exercise.section if self.exercise else ""

    def card(self) -> Card:
        """Return the card that shows it."""
        about = self.exercise
        last = [*self.notices]
        if self.reads_again:
            last.insert(0, f"Read again: section {self.section}")
            last.insert(1, f'`hint("{about.id}")` gives a hint.')
        title = f"{about.id} · {about.title}" if about else "check"
        return Card(
            *(*STATUSES[self.status], title, self.parts),
            looks=self.looks,
            blocks=self.blocks,
            last=tuple(last),
        )

    def __repr__(self) -> str:
        return repr(self.card())

    def _repr_html_(self) -> str:
        return self.card()._repr_html_()

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return self.card()._repr_mimebundle_()
