"""The verdict: is it right, and if not, which misconception is it?

Everything here runs in the learner's kernel, on arrays that came back from the worker,
so nothing that the learner's function has done can reach it.
"""

from __future__ import annotations

import copy
import math
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from course_lib.exercises.advice import alike
from course_lib.exercises.answers import type_name
from course_lib.exercises.differences import Finding, Rule, compare
from course_lib.exercises.exercise import Exercise, Misconception
from course_lib.exercises.worker.wire import Foreign, Tensor

SCALARS = {kind for kind in np.sctypeDict.values() if np.dtype(kind).kind in "biufc"}
PYTHON = {"b": bool, "i": int, "u": int, "f": float, "c": complex}
KNOWN = (np.ndarray, bool, int, float, complex, str, type(None), Foreign, Tensor)


class Trial(NamedTuple):
    """What a function gave for each set of inputs, up to the first that it raised at.

    Attributes
    ----------
    values : list
        As the worker would return them.
    error : str
        ``"ValueError: …"`` at the set after the last value; empty if there was none.
    """

    values: list
    error: str = ""


class Verdict(NamedTuple):
    """Which set of inputs was the first to go wrong, and how."""

    place: int
    finding: Finding


def try_here(exercise: Exercise, function: Callable, calls: Sequence[tuple]) -> Trial:
    """Run one of the course's own functions on all sets of inputs, in this process.

    It gets copies that can't be written to, as the learner's function does.
    """
    values = []
    for args in calls:
        args = frozen(args)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                result = exercise.apply(function, args)
            except Exception as error:  # misconceptions may fail as learners do
                return Trial(values, f"{type(error).__name__}: {error}")
        values.append(as_returned(result))
    return Trial(values)


def frozen(value: Any) -> Any:
    """Return a deep copy in which no array can be written to."""
    if isinstance(value, tuple | list):
        return type(value)(frozen(item) for item in value)
    value = copy.deepcopy(value)
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    return value


def as_returned(value: Any) -> Any:
    """Return `value` as it would come back from the worker.

    Arrays, numbers, text, None, and lists and tuples of these stay; a torch tensor
    becomes `Tensor`, anything else `Foreign`.
    """
    kind = type(value)  # exactly: a subclass may be a learner's, and do anything
    if kind in (list, tuple):
        return kind(as_returned(item) for item in value)
    if kind in SCALARS:
        return PYTHON[value.dtype.kind](value)
    torch = sys.modules.get("torch")
    if torch and kind is torch.Tensor:
        return Tensor(value.detach().cpu().numpy())
    return value if kind in KNOWN else Foreign(type_name(kind))


def judge(values: Sequence, wanted: Sequence, rule: Rule) -> Verdict | None:
    """Return the first difference over all sets of inputs, None if all are right.

    Examples
    --------
    >>> judge([2.0, 3.0], [2.0, 4.0], Rule())[0]
    1
    """
    for place, (got, asked) in enumerate(zip(values, wanted, strict=True)):
        finding = compare(got, asked, rule)
        if finding:
            return Verdict(place, finding)
    return None


def recognise(
    exercise: Exercise, calls: Sequence[tuple], trial: Trial
) -> Misconception | None:
    """Return the first misconception that does the same on all these inputs.

    Two that raise are alike if they raise a like exception at the same set; the one
    with the same message goes first.
    """
    found = []
    for misconception in exercise.misconceptions.values():
        theirs = try_here(exercise, misconception.function, calls)
        if _same(trial, theirs, rule_of(exercise)):
            found.append((theirs.error != trial.error, misconception))
    return min(found, key=lambda pair: pair[0])[1] if found else None


def rule_of(exercise: Exercise) -> Rule:
    """Return what counts as equal in this exercise."""
    about = exercise
    return Rule(about.rtol, about.atol, about.exact_dtype, secret=about.is_value)


def _same(one: Trial, other: Trial, rule: Rule) -> bool:
    rule = rule._replace(lenient=True, exact_dtype=False)
    return (
        len(one.values) == len(other.values)
        and alike(one.error, other.error)
        and judge(one.values, other.values, rule) is None
    )


def remark(
    exercise: Exercise, calls: Sequence[tuple], values: Sequence, wanted: Sequence
) -> str:
    """Say what is odd about wrong results that no misconception explains.

    They may be one of the arguments, or the same for all inputs; else it is empty.
    """
    for place, name in enumerate(exercise.parameters):
        given = [as_returned(args[place]) for args in calls]
        if all(map(_identical, values, given)):
            return f"You returned the argument `{name}` as it came."
    if _constant(values) and not _constant(wanted):
        return "The result is the same whatever comes in: use the arguments."
    return ""


def _constant(values: Sequence) -> bool:
    return len(values) > 1 and all(_identical(values[0], v) for v in values[1:])


def _identical(one: Any, other: Any) -> bool:
    return compare(one, other, Rule(rtol=0, atol=0)) is None


def slowest_allowed(seconds: float) -> float:
    """Return the time limit in seconds for what takes the solution `seconds` here."""
    return max(5.0, math.ceil(20 * seconds))
