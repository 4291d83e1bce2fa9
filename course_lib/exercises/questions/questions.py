"""How a quiz is written down: each wrong choice has an explanation of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from course_lib.exercises.questions.asking import (
    keep,
    recall,
    refusal,
    require_choices,
    require_sentences,
    shuffled,
)
from course_lib.exercises.questions.guesses import Choice

ROOM = "quizzes"  # in the file of progress
QUIZZES: dict[str, dict[str, Question]] = {}  # lesson → text → question, in order


@dataclass(frozen=True)
class Question:
    """One question of a quiz; `question` makes it and explains what it holds."""

    id: str
    text: str
    right: tuple[str, str]
    wrong: Mapping[str, str]

    @cached_property
    def kind(self) -> Choice:
        """The choices in the order in which they are shown."""
        return Choice(shuffled(self.text, [self.right[0], *self.wrong]))

    def is_right(self, choice: str | None) -> bool:
        """Whether this is the right choice."""
        return choice == self.right[0]

    def explain(self, choice: str) -> str:
        """Return why this choice is right, or what is wrong with it."""
        return self.right[1] if self.is_right(choice) else self.wrong[choice]

    @property
    def tried(self) -> list[str]:
        """What the learner has chosen so far, up to the right one."""
        kept = recall(ROOM, self.id, "tried")
        kept = kept if isinstance(kept, list) else []
        return [choice for choice in kept if choice in self.kind.choices]

    @property
    def is_solved(self) -> bool:
        """Whether the learner has found the right choice."""
        return self.right[0] in self.tried

    @property
    def is_solved_at_once(self) -> bool:
        """Whether the right choice was the first."""
        return self.tried == [self.right[0]]

    def choose(self, choice: str) -> str:
        """Keep a choice, unless it is solved; return what the learner must know."""
        tried = self.tried
        if self.is_solved or tried[-1:] == [choice]:
            return ""
        return keep(ROOM, self.id, "tried", [*tried, choice])

    def forget(self) -> str:
        """Forget what was chosen; return what the learner must know."""
        return keep(ROOM, self.id, "tried", None)


def question(
    lesson: str, text: str, *, right: tuple[str, str], wrong: Mapping[str, str]
) -> Question:
    """Define the next question of a lesson's quiz.

    Parameters
    ----------
    lesson : str
        Its number, such as ``"11"``.
    text : str
        The question; what stands between backticks is code.
    right : tuple of str
        The right choice, and why it is right.
    wrong : dict
        Each wrong choice, and what a kind teacher says to whoever chose it.

    Returns
    -------
    Question

    Raises
    ------
    ValueError
        Something is missing, or two choices are the same.

    Examples
    --------
    >>> made = question(
    ...     "99",
    ...     "What is 3²?",
    ...     right=("nine", "3 · 3 = 9."),
    ...     wrong={"six": "That is 3 · 2.", "five": "That is 3 + 2."},
    ... )
    >>> made.id, made.explain("six")
    ('99.q1', 'That is 3 · 2.')
    >>> del QUIZZES["99"]
    """
    if not isinstance(lesson, str) or not re.fullmatch("[0-9]{2}", lesson):
        raise refusal("question", "lesson", lesson, "a number like '11'")
    if not isinstance(right, tuple) or len(right) != 2:
        raise refusal("question", "right", right, "a pair: the choice, and why")
    require_sentences("question", text=text, right=right[1])
    for choice, sentence in wrong.items():
        require_sentences("question", **{f"wrong[{choice!r}]": sentence})
    require_choices("question", [right[0], *wrong])
    asked = QUIZZES.setdefault(lesson, {})
    place = list(asked).index(text) if text in asked else len(asked)
    made = Question(f"{lesson}.q{place + 1}", text, right, dict(wrong))
    asked[text] = made  # a file that is loaded again replaces its own
    return made
