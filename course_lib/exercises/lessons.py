"""Where exercises are found: each lesson's in its own file, loaded when asked for."""

from __future__ import annotations

import difflib
import importlib
import re
from pathlib import Path

from course_lib.exercises.exercise import REGISTRY, Exercise

HERE = Path(__file__).parent
WHICH = 'Which exercise? Its id is text, such as "11.4".'
LONGEST = 20  # characters of an id; nobody means more


class UnknownExercise(LookupError):
    """No exercise has this id; the message names the nearest."""


def all_exercises() -> list[Exercise]:
    """Return every exercise of the course, in order.

    Returns
    -------
    list of Exercise
        Sorted by lesson, then by place in it: 11.2 comes before 11.10.
    """
    for lesson in _lessons():
        _load(lesson)
    return sorted(REGISTRY.values(), key=_place)


def find(id: object) -> Exercise:
    """Return the exercise with this id, loading its lesson's file at first use.

    Raises
    ------
    UnknownExercise
        There is none.
    """
    if type(id) is not str:  # not isinstance: a learner's subclass may do anything
        raise UnknownExercise(WHICH)
    id = id.strip()[:LONGEST]
    if not id:
        raise UnknownExercise(WHICH)
    lesson = id.split(".")[0]
    if id not in REGISTRY and lesson in _lessons():
        _load(lesson)
    if id not in REGISTRY:
        raise UnknownExercise(_nearest(id))
    return REGISTRY[id]


def _lessons() -> list[str]:
    """Numbers of the lessons that have a file of exercises."""
    names = [path.stem.removeprefix("lesson_") for path in HERE.glob("lesson_*.py")]
    return sorted(name for name in names if re.fullmatch(r"\d\d", name))


def _load(lesson: str) -> None:
    importlib.import_module(f"course_lib.exercises.lesson_{lesson}")


def _place(exercise: Exercise) -> tuple[int, ...]:
    return tuple(map(int, exercise.id.split(".")))


def _nearest(id: str) -> str:
    known = [exercise.id for exercise in all_exercises()]
    near = difflib.get_close_matches(id, known, n=3, cutoff=0.3) or known[:3]
    there = ", ".join(near) or "none yet"
    return f"There is no exercise {id!r}. The nearest: {there}."
