"""How a prediction is written down: question, answer, why, and common wrong guesses.

The type of the answer says what the learner is asked for: a number, a shape, or one of
several choices.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from course_lib.exercises.questions.asking import (
    keep,
    plain,
    recall,
    refusal,
    require_choices,
    require_sentences,
    shuffled,
)
from course_lib.exercises.questions.guesses import Choice, Number, Shape, Unreadable

ROOM = "predictions"  # in the file of progress
PREDICTIONS: dict[str, Prediction] = {}  # what the lesson files have defined so far
KINDS = {"number": (int, float), "shape": (tuple,), "choice": (str,)}


class Outcome(NamedTuple):
    """A guess beside its answer.

    Attributes
    ----------
    said, it_is : str
        The guess and the answer; the answer is empty if it can't be computed.
    name : str
        "right", "close" or "surprise"; empty without an answer.
    near : str
        How near the guess came, in words.
    about : str
        What there is to say to this very guess.
    why : str
        Why the answer is so.
    """

    said: str
    it_is: str = ""
    name: str = ""
    near: str = ""
    about: str = ""
    why: str = ""


@dataclass(frozen=True)
class Prediction:
    """One prediction; `prediction` makes it and explains what it holds.

    `kind` is the `Number`, `Shape` or `Choice` that reads and compares guesses.
    """

    id: str
    question: str
    answer: Any
    why: str
    wrong: Mapping[Any, str]
    kind: Number | Shape | Choice

    @cached_property
    def truth(self) -> Any:
        """The answer, computed if it must be; raises what computing raises."""
        return self.kind.read(self.answer() if callable(self.answer) else self.answer)

    @property
    def guess(self) -> Any:
        """What the learner has committed to, or None."""
        kept = recall(ROOM, self.id, "guess")
        try:
            return self.kind.read(kept) if isinstance(kept, str) else None
        except Unreadable:  # the question has changed since
            return None

    def commit(self, guess: Any) -> str:
        """Keep a guess, the first one only; return what stands against it."""
        try:
            new = self.kind.read(guess)
        except Unreadable as problem:
            return str(problem)
        old = self.guess
        if old is None:
            return keep(ROOM, self.id, "guess", self.kind.keep(new))
        if old == new:
            return ""
        return f"You have committed already, to {plain(self.kind.write(old))}."

    def forget(self) -> str:
        """Forget the guess; return what the learner must know."""
        return keep(ROOM, self.id, "guess", None)

    def reveal(self) -> Outcome:
        """Compare the guess with the answer, which is computed now if it must be."""
        said = self.kind.write(self.guess)
        try:
            truth = self.truth
        except Exception as error:  # in the lesson's own function
            what = f"{type(error).__name__}: {error}"
            return Outcome(said, about=f"The answer can't be computed here ({what}).")
        name, near = self.kind.compare(self.guess, truth)
        about = self._about(self.guess) if name == "surprise" else ""
        return Outcome(said, self.kind.write(truth), name, near, about, self.why)

    def _about(self, guess: Any) -> str:
        known = (text for key, text in self.wrong.items() if self.kind.same(guess, key))
        return next(known, "")


def prediction(
    id: str,
    question: str,
    *,
    answer: Any,
    why: str,
    wrong: Mapping[Any, str] | None = None,
    tolerance: float = 0.0,
    kind: str | None = None,
) -> Prediction:
    """Define a prediction; the type of its answer says what is asked for.

    Parameters
    ----------
    id : str
        Lesson and place in it, such as ``"11.p3"``.
    question : str
        What the learner is asked; what stands between backticks is code.
    answer : float, tuple of int, str or callable
        A number, a shape or the right choice; or a function without arguments that
        computes it when the guess is shown.
    why : str
        One sentence: why it is so.
    wrong : dict
        Guesses that many make, and what a teacher says to each. For a choice, these are
        the other choices; where the answer is computed, all choices.
    tolerance : float
        How far off a number may be and still be close.
    kind : str, optional
        ``"number"``, ``"shape"`` or ``"choice"``; only where `answer` is computed.

    Returns
    -------
    Prediction

    Raises
    ------
    ValueError
        The parts do not fit together.

    Examples
    --------
    >>> prediction(
    ...     "99.p1", "What is 3²?", answer=9, why="3 · 3.", wrong={6: "That is 3 · 2."}
    ... ).kind
    Number(tolerance=0.0)
    >>> PREDICTIONS.pop("99.p1").wrong
    {6: 'That is 3 · 2.'}
    """
    wrong = dict(wrong or {})
    require_sentences("prediction", question=question, why=why)
    for guess, sentence in wrong.items():
        require_sentences("prediction", **{f"wrong[{guess!r}]": sentence})
    _check_id(id, question)
    asks = _kind(id, answer, wrong, tolerance, kind)
    made = Prediction(id, question, answer, why, wrong, asks)
    _check_guesses(made)
    PREDICTIONS[id] = made
    return made


def _check_id(id: str, question: str) -> None:
    if not isinstance(id, str) or not re.fullmatch(r"[0-9]{2}\.p[0-9]+", id):
        raise refusal("prediction", "id", id, "one like '11.p3'")
    other = PREDICTIONS.get(id)
    if other and other.question != question:  # a file that is loaded again repeats it
        raise refusal("prediction", "id", id, f"a free one; it asks “{other.question}”")


def _kind(id, answer, wrong, tolerance, name) -> Number | Shape | Choice:
    """Return the kind that the answer has, or the one named for a computed answer."""
    if callable(answer):
        if name not in KINDS:
            raise refusal("prediction", "kind", name, f"one of {list(KINDS)}")
        return _made(name, id, list(wrong), tolerance)
    for found, types in KINDS.items():
        if isinstance(answer, types) and not isinstance(answer, bool):
            if name not in (None, found):
                raise refusal(
                    "prediction", "kind", name, f"{found!r}, as the answer is"
                )
            return _made(found, id, [answer, *wrong], tolerance)
    raise refusal("prediction", "answer", answer, "a number, a shape or a choice")


def _made(
    name: str, id: str, guesses: list, tolerance: float
) -> Number | Shape | Choice:
    if name == "number":
        if not 0 <= tolerance < math.inf:
            raise refusal("prediction", "tolerance", tolerance, "0 or more")
        return Number(tolerance)
    if tolerance:
        raise refusal("prediction", "tolerance", tolerance, f"none for a {name}")
    if name == "shape":
        return Shape()
    require_choices("prediction", guesses)
    return Choice(shuffled(id, guesses))


def _check_guesses(made: Prediction) -> None:
    """Refuse what would only show when a learner guesses."""
    computed = callable(made.answer)
    for guess in made.wrong if computed else [made.answer, *made.wrong]:
        try:
            made.kind.read(guess)
        except Unreadable as problem:
            raise refusal("prediction", "wrong", guess, f"a guess. {problem}") from None
    for guess in () if computed else made.wrong:
        if made.kind.compare(guess, made.answer).name != "surprise":
            raise refusal("prediction", "wrong", guess, "a guess that is wrong")
