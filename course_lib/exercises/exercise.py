"""How an exercise is written down: answer, ways to be right, and ways to be wrong.

A file `lesson_XX.py` reads like its lesson. For each exercise it holds a function that
is statement and solution in one, then the inputs, hints, other right ways, and
misconceptions: wrong ways, each with the sentence that a good teacher would say.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

KINDS = ("function", "class", "array", "number", "choice")
VALUES = ("array", "number", "choice")  # the answer is a value and not a program
TRIES = 50  # until inputs are drawn that were not the first ones
LEAST_SETS = 5  # sets of inputs in one check, of which some are drawn afresh
REGISTRY: dict[str, Exercise] = {}  # what the lesson files have defined so far


class Misconception(NamedTuple):
    """A wrong way, and what a teacher says to whoever took it."""

    name: str
    sentence: str
    function: Callable


@dataclass(eq=False, repr=False)
class Exercise:
    """One exercise; made by the decorator `exercise`, filled by its own decorators.

    Attributes
    ----------
    id, title, section : str
        As in ``"11.4"``, ``"Scaled scores"``, and the heading to read again.
    function : callable
        The solution as it was written down: for values, a function that returns it.
    kind : str
        What the answer is: "function", "class", "array", "number" or "choice".
    difficulty, minutes : int
        From 1 to 3, and about how long it takes.
    banned : tuple of str
        Dotted names that would do the exercise instead of the learner.
    rtol, atol : float
        A value may be off by `atol`, plus `rtol` times the largest value wanted.
    exact_dtype : bool
        Whether float32 is wrong where float64 is wanted. Its kind always counts.
    needs_torch : bool
        Whether answers are given torch, which takes a while to load.
    learned : str
        One sentence for whoever got it right; may be empty.
    styles, misconceptions : dict
        Other right ways by name, and `Misconception` by name.
    hints : list of str
        From the first nudge to nearly everything.
    """

    id: str
    title: str
    function: Callable
    difficulty: int
    minutes: int
    section: str
    kind: str = "function"
    banned: tuple[str, ...] = ()
    rtol: float = 1e-6
    atol: float = 1e-9
    exact_dtype: bool = False
    needs_torch: bool = False
    learned: str = ""
    styles: dict[str, Callable] = field(default_factory=dict)
    misconceptions: dict[str, Misconception] = field(default_factory=dict)
    hints: list[str] = field(default_factory=list)
    driver: Callable | None = None
    draws: list[Callable] = field(default_factory=list)

    def __post_init__(self):
        if not re.fullmatch(r"\d\d\.\d+", self.id):
            raise ValueError(f"exercise: `id` is {self.id!r}; wanted one like '11.4'")
        if self.kind not in KINDS:
            raise ValueError(
                f"exercise: `kind` is {self.kind!r}; wanted one of {KINDS}"
            )
        if self.difficulty not in (1, 2, 3):
            raise ValueError(
                f"exercise: `difficulty` is {self.difficulty!r}; wanted 1-3"
            )
        if not self.minutes > 0:
            raise ValueError(f"exercise: `minutes` is {self.minutes!r}; wanted above 0")

    def __repr__(self) -> str:
        return f"<Exercise {self.id} {self.title}>"

    # --- what a lesson file says ------------------------------------------------------

    def inputs(self, draw: Callable) -> Callable:
        """Decorate a function that draws arguments from a NumPy generator.

        It returns the arguments as a tuple (or the only one as it is), or yields
        several sets. Different primes as sizes let no swapped axes pass.
        """
        self.draws.append(draw)
        return draw

    def hint(self, text: str) -> None:
        """Add a hint; they are shown one by one, in this order."""
        self.hints.append(text)

    def style(self, name: str) -> Callable:
        """Decorate another right answer."""

        def add(function: Callable) -> Callable:
            self.styles[name] = function
            return function

        return add

    def misconception(self, sentence: str) -> Callable:
        """Decorate a wrong answer; `sentence` is what a good teacher says to it."""

        def add(function: Callable) -> Callable:
            name = function.__name__
            self.misconceptions[name] = Misconception(name, sentence, function)
            return function

        return add

    def use(self, driver: Callable) -> Callable:
        """Decorate a function ``(answer, *arguments)`` that puts an answer to use.

        For classes and whatever keeps a state: what it returns is compared.
        """
        self.driver = driver
        return driver

    # --- what the engine asks ---------------------------------------------------------

    @property
    def lesson(self) -> str:
        """The number of its lesson, such as ``"11"``."""
        return self.id.split(".")[0]

    @property
    def name(self) -> str:
        """What the learner has to define."""
        return self.function.__name__

    @property
    def statement(self) -> str:
        """One or two sentences: what is to be done."""
        return inspect.cleandoc(self.function.__doc__ or "")

    @property
    def is_value(self) -> bool:
        """Whether the answer is a value and not a program."""
        return self.kind in VALUES

    @property
    def choices(self) -> list[str]:
        """What can be chosen, where the answer is a choice."""
        wrong = [self.as_answer(m.function) for m in self.misconceptions.values()]
        return sorted({self.solution, *wrong})

    @cached_property
    def solution(self) -> Any:
        """A right answer as a learner would hand it over."""
        return self.as_answer(self.function)

    def as_answer(self, function: Callable) -> Any:
        """What a learner hands over who took this way: the function, or its value."""
        return function(*self.seeded_calls()[0]) if self.is_value else function

    def apply(self, answer: Callable, args: tuple) -> Any:
        """Call an answer, or put it to use, with one set of inputs."""
        return self.driver(answer, *args) if self.driver else answer(*args)

    @property
    def parameters(self) -> list[str]:
        """The names of the inputs, in order."""
        source = self.driver or self.function
        names = list(inspect.signature(source).parameters)
        return names[1:] if self.driver else names

    def calls(self, rng: np.random.Generator) -> list[tuple]:
        """Draw one round of inputs: the arguments of one call for each shape."""
        drawn = []
        for draw in self.draws:
            result = draw(rng)
            several = inspect.isgenerator(result)
            drawn += result if several else [result]
        sets = [args if isinstance(args, tuple) else (args,) for args in drawn]
        return sets or [()]

    def seeded_calls(self) -> list[tuple]:
        """The first round, the same at every check: what is printed comes from it."""
        return self.calls(np.random.default_rng(list(self.id.encode())))

    def all_calls(self) -> list[tuple]:
        """The first round, then fresh ones that no answer can know beforehand."""
        sets = self.seeded_calls()
        if not self.draws:
            return sets
        fresh = np.random.default_rng()
        sets += self._unlike(sets, fresh)
        while len(sets) < LEAST_SETS:
            sets += self.calls(fresh)
        return sets

    def _unlike(self, known: list[tuple], fresh: np.random.Generator) -> list[tuple]:
        """Draw a round that is not the known one, though there be few to draw."""
        seen = {repr(args) for args in known}
        for _ in range(TRIES):
            drawn = self.calls(fresh)
            if any(repr(args) not in seen for args in drawn):
                break
        return drawn


def exercise(id: str, title: str, **about) -> Callable:
    """Make an `Exercise` of a solution; its docstring is the statement.

    Parameters
    ----------
    id, title : str
        As in ``"11.4"``: lesson, then place in it.
    **about
        `difficulty`, `minutes` and `section` are needed; see `Exercise` for the rest.

    Raises
    ------
    ValueError
        Something is out of range, or another exercise has this `id`.

    Examples
    --------
    >>> @exercise("99.1", "Double", difficulty=1, minutes=1, section="1 · Twice")
    ... def double(x):
    ...     '''Twice the number.'''
    ...     return 2 * x
    >>> double
    <Exercise 99.1 Double>
    >>> REGISTRY.pop("99.1").solution(4)
    8
    """
    about["banned"] = tuple(about.get("banned", ()))

    def make(function: Callable) -> Exercise:
        if isinstance(function, type):
            about["kind"] = "class"
        made = Exercise(id, title, function, **about)
        other = REGISTRY.get(id)
        # A lesson file that is loaded again may replace its own.
        if other and _origin(other.function) != _origin(function):
            raise ValueError(f"exercise: `id` {id} is taken by {other.name}")
        REGISTRY[id] = made
        return made

    return make


def _origin(function: Callable) -> tuple[str, str]:
    return function.__module__, function.__qualname__
