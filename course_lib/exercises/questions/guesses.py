"""The kinds of guesses: how a learner may write one, and how near it came.

Each kind reads a guess from text, writes it back in one form, and compares it with the
answer. `read` raises `Unreadable`, whose message tells the learner how to write it.
"""

from __future__ import annotations

import math
import operator
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

LONGEST = 200  # characters; nobody means more than that as a guess
NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
THOUSANDS = re.compile(r"(?<=\d)[\s_'’](?=\d{3}(?!\d))")  # 20 000 and 20_000
SAME = 0.01  # a guess within 1 % of a wrong number that the lesson knows is that one


class Unreadable(ValueError):
    """A guess that can't be understood; the message says what can."""


class Nearness(NamedTuple):
    """How near a guess came: "right", "close" or "surprise", and more in words."""

    name: str
    words: str


@dataclass(frozen=True)
class Number:
    """A number; a guess that is off by at most `tolerance` counts as close."""

    tolerance: float = 0.0
    how = "a number, such as 0.5, 1e-3 or 1/2"
    example = "0.5"

    def read(self, guess: Any) -> float:
        """Return the number that a text or a number stands for."""
        value = read_number(guess) if isinstance(guess, str) else self._convert(guess)
        if math.isnan(value):
            raise Unreadable(f"NaN can't be compared. Give {self.how}.")
        return value

    def _convert(self, guess: Any) -> float:
        try:
            if isinstance(guess, bool):
                raise TypeError
            return float(guess)
        except Exception:  # an array of several numbers has its own ways to refuse
            came = f"A {type(guess).__name__} came"
            raise Unreadable(f"{came}; wanted was {self.how}.") from None

    def write(self, value: float) -> str:
        """Return the number with at most four digits that count."""
        if not math.isfinite(value):
            return "∞" if value > 0 else "−∞"
        whole = value == int(value) and abs(value) < 1e15
        return f"{int(value):,}" if whole else f"{value:.4g}"

    def keep(self, value: float) -> str:
        """Return the text from which `read` makes exactly this number again."""
        return repr(float(value))

    def compare(self, guess: float, answer: float) -> Nearness:
        """Return how near the guess is, as a factor where that says more."""
        if guess == answer:
            return Nearness("right", "")
        off = abs(guess - answer)
        side = "high" if guess > answer else "low"
        if off <= self.tolerance * (1 + 1e-9):  # 8.5 is within 0.5 of 8 after rounding
            return Nearness("close", f"Your guess is {self.write(off)} too {side}.")
        return Nearness("surprise", self._distance(guess, answer, off, side))

    def _distance(self, guess: float, answer: float, off: float, side: str) -> str:
        if not math.isfinite(off):
            return "One of the two is infinite, the other is not."
        if guess * answer > 0:
            times = max(guess / answer, answer / guess)
            if times >= 2:
                times = self.write(float(f"{times:.2g}"))
                if abs(guess) > abs(answer):
                    return f"Your guess is {times} times the answer."
                return f"The answer is {times} times your guess."
        return f"Your guess is {self.write(off)} too {side}."

    def same(self, guess: float, other: float) -> bool:
        """Whether a guess is the common wrong one that a lesson knows of."""
        return math.isclose(guess, other, rel_tol=SAME, abs_tol=1e-12)


@dataclass(frozen=True)
class Shape:
    """The shape of an array."""

    how = "a shape, such as (2, 3) or 2 x 3"
    example = '"2 x 3"'

    def read(self, guess: Any) -> tuple[int, ...]:
        """Return the shape that a text, a number or a row of numbers stands for."""
        if isinstance(guess, str):
            return read_shape(guess)
        axes = guess if isinstance(guess, Iterable) else (guess,)
        try:
            shape = tuple(map(operator.index, axes))
        except Exception:  # as above
            raise Unreadable(f"Give {self.how}.") from None
        if any(n < 0 for n in shape):
            raise Unreadable("No axis has a length below 0.")
        return shape

    def write(self, shape: tuple[int, ...]) -> str:
        """Return the shape as NumPy prints it."""
        return str(tuple(shape))

    keep = write

    def compare(self, guess: tuple[int, ...], answer: tuple[int, ...]) -> Nearness:
        """Return how many axes agree, or that only their order differs."""
        if guess == answer:
            return Nearness("right", "")
        if len(guess) != len(answer):
            axes = "axis" if len(answer) == 1 else "axes"
            words = f"It has {len(answer)} {axes}; you gave {len(guess)}."
        elif sorted(guess) == sorted(answer):
            words = "The same lengths, in another order."
        else:
            agree = sum(map(operator.eq, guess, answer))
            words = f"{agree} of {len(answer)} axes agree."
        return Nearness("surprise", words)

    same = staticmethod(operator.eq)


@dataclass(frozen=True)
class Choice:
    """One of several texts, in the order in which they are shown."""

    choices: tuple[str, ...]

    @property
    def how(self) -> str:
        """What to answer with."""
        return f"a letter, a to {letter(len(self.choices) - 1)}"

    example = '"a"'

    def read(self, guess: Any) -> str:
        """Return the choice that its letter or its text stands for."""
        if isinstance(guess, str):
            said = _plain(guess)
            for position, choice in enumerate(self.choices):
                if said == _plain(choice) or said.strip("(). ") == letter(position):
                    return choice
        raise Unreadable(f"Give {self.how}.")

    def write(self, choice: str) -> str:
        """Return the choice."""
        return choice

    keep = write

    def compare(self, guess: str, answer: str) -> Nearness:
        """Return whether it is the right one."""
        if guess == answer:
            return Nearness("right", "")
        return Nearness("surprise", "")

    same = staticmethod(operator.eq)


def letter(position: int) -> str:
    """Return the letter before a choice: a, b, c …"""
    return chr(ord("a") + position)


def read_number(text: str) -> float:
    """Read a number as people write it.

    Parameters
    ----------
    text : str
        Such as ``0,5``, ``1e-3``, ``1/2``, ``50 %``, ``√64``, ``2^10``, ``~8``, ``∞``.

    Returns
    -------
    float

    Raises
    ------
    Unreadable
        It is no number, or it may mean two: is ``1,000`` a thousand or one?

    Examples
    --------
    >>> [read_number(text) for text in ("0,5", "1e-3", "1/2", "√64", "20_000", "−3")]
    [0.5, 0.001, 0.5, 8.0, 20000.0, -3.0]
    """
    said = re.sub(r"^(about|around|ca\.?|circa|[~≈=])\s*", "", _plain(text))
    said = THOUSANDS.sub("", _decimal_point(said))
    said = re.sub(r"\s*(?:\*|×|·)\s*10\s*(?:\^|\*\*)\s*", "e", said)  # 2 × 10^3
    said = re.sub(r"\s*(\*\*|[/^%√])\s*", r"\1", said)
    if re.fullmatch(r"[+-]?(inf|infinity|infinite|∞)", said):
        return -math.inf if said[0] == "-" else math.inf
    try:
        value = _value(said)
    except ArithmeticError:
        raise Unreadable(f"“{text.strip()}” has no finite value.") from None
    if not isinstance(value, float):  # such as the root of a negative number
        raise Unreadable(_not_read(text, Number))
    return value


def _value(said: str) -> float | complex | None:
    """Evaluate a number, a percentage, a root, a fraction or a power."""
    if re.fullmatch(NUMBER, said):
        return float(said)
    if found := re.fullmatch(rf"({NUMBER})%", said):
        return float(found[1]) / 100
    if found := re.fullmatch(r"(?:√|sqrt ?)\(?(\d+\.?\d*)\)?", said):
        return math.sqrt(float(found[1]))
    if found := re.fullmatch(rf"({NUMBER})(/|\^|\*\*)\(?({NUMBER})\)?", said):
        left, right = float(found[1]), float(found[3])
        return left / right if found[2] == "/" else left**right
    return None


def _decimal_point(said: str) -> str:
    """Turn a decimal comma into a point, and refuse to guess where it may be either."""
    if re.search(r"(?<![\d.,])[1-9]\d{0,2},\d{3}(?![\d,.])", said):
        whole, part = said.replace(",", ""), said.replace(",", ".")
        raise Unreadable(f"Do you mean {whole} or {part}? Write it without the comma.")
    if re.search(r"\d,\d{3},\d{3}|\d,\d{3}\.", said):  # 1,234,567 and 1,234.5
        return said.replace(",", "")
    return said.replace(",", ".")


def read_shape(text: str) -> tuple[int, ...]:
    """Read the shape of an array as people write it.

    Parameters
    ----------
    text : str
        Such as ``(15, 7)``, ``15 x 7``, ``[15 7]``, ``torch.Size([15, 7])``, ``15,``.

    Returns
    -------
    tuple of int

    Raises
    ------
    Unreadable
        It is no shape.

    Examples
    --------
    >>> [read_shape(text) for text in ("(15, 7)", "15 x 7", "15 by 7", "5", "()")]
    [(15, 7), (15, 7), (15, 7), (5,), ()]
    """
    said = re.sub(r"^(shape|torch\.size|size)\s*=?\s*", "", _plain(text))
    said = re.sub(r"[()\[\]]", " ", said).strip()
    empty = not said and re.search(r"[(\[]\s*[)\]]", text)
    axes = r"\d+(?:(?:\s*(?:,|;|x|×|\*|by)\s*|\s+)\d+)*\s*,?"
    if not empty and not re.fullmatch(axes, said):
        raise Unreadable(_not_read(text, Shape))
    return tuple(map(int, re.findall(r"\d+", said)))


def _plain(text: str) -> str:
    """Digits, fractions, dashes and letters in their simplest form; no backticks."""
    if len(text) > LONGEST:
        raise Unreadable(f"That is {len(text)} characters long. Write a short guess.")
    simple = unicodedata.normalize("NFKC", text.replace("`", "")).replace("\u2044", "/")
    return re.sub(r"[−–—]", "-", simple).strip().lower()


def _not_read(text: str, kind: type) -> str:
    said = text.strip()
    if not said:
        return f"There is no guess yet. Write {kind.how}."
    short = said if len(said) <= 24 else said[:23] + "…"
    wanted = kind.__name__.lower()
    return f"I can't read “{short}” as a {wanted}. Write {kind.how}."
