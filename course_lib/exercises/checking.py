"""`check`: try an answer beside ours, and say what a good teacher would say."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from course_lib.exercises import answers, lessons, progress_file, verdict, worker
from course_lib.exercises.exercise import Exercise
from course_lib.exercises.feedback import Feedback
from course_lib.exercises.replies import Run, reply

SORRY = "That says nothing about your answer."
_told: set[str] = set()


def check(
    id: str = "", answer: Any = answers.MISSING, *, keep: bool = True
) -> Feedback:
    """Compare an answer with what is wanted, and say what helps.

    Parameters
    ----------
    id : str
        The exercise, such as ``"11.4"``.
    answer : function, class, array, number or str
        What the exercise asks for. A function is run in a process of its own, on
        inputs drawn for this check; it can neither harm the notebook nor hang it.
    keep : bool
        Whether the attempt counts in `progress`; not for one that only shows something.

    Returns
    -------
    Feedback
        `status` is "not started", "correct", "wrong", "error" or "timeout". Never an
        exception, whatever the answer is or does.

    Notes
    -----
    The first sets of inputs are the same at every check, so that what is printed stays
    the same; the others are new each time, so that no answer can know them.
    """
    try:
        feedback = _check(id, answer)
        if keep:
            _record(feedback)
        return dataclasses.replace(feedback, notices=(*feedback.notices, *_notices()))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # an exit too: no answer may end the notebook
        return Feedback("error", (f"This check failed itself ({_said(error)}).", SORRY))


def _check(id: str, answer: Any) -> Feedback:
    try:
        exercise = lessons.find(id)
    except lessons.UnknownExercise as error:
        return Feedback("error", (str(error),))
    if not answers.is_started(exercise, answer):
        return _not_started(exercise)
    objection = answers.objection(exercise, answer)
    if objection:
        return Feedback("error", (objection,), exercise)
    return (_check_value if exercise.is_value else _check_program)(exercise, answer)


def _not_started(exercise: Exercise) -> Feedback:
    what = "Put your answer there" if exercise.is_value else None
    what = what or f"Write {answers.task(exercise)}"
    said = f"Nothing here yet. {what}, then run the cell again."
    hint = f'`hint("{exercise.id}")` gives a hint.'
    return Feedback("not started", (said,), exercise, notices=(hint,))


def _said(error: BaseException) -> str:
    """An error in short; a text that is not plain might be a learner's, and do more."""
    kind = answers.type_name(type(error))
    plain = all(type(argument) is str for argument in error.args)
    return f"{kind}: {' '.join(error.args)}" if plain and error.args else kind


def _check_value(exercise: Exercise, answer: Any) -> Feedback:
    """A value runs nothing, so it needs no process of its own."""
    if exercise.kind == "choice" and type(answer) is str:
        answer = _choice(exercise, answer)
    calls = exercise.seeded_calls()[:1]
    wanted = [verdict.as_returned(exercise.solution)]
    outcome = worker.Outcome("returned", [answer], 0, "", "", 0, "", False, 0.0)
    return reply(Run(exercise, answer, calls, 1, wanted, outcome, 0.0))


def _choice(exercise: Exercise, answer: str) -> str:
    """The choice that was meant, however it is written."""
    meant = {choice.casefold(): choice for choice in exercise.choices}
    return meant.get(answer.strip().casefold(), answer)


def _check_program(exercise: Exercise, answer: Any) -> Feedback:
    calls, seeded = exercise.all_calls(), len(exercise.seeded_calls())
    started = time.perf_counter()
    ours = verdict.try_here(exercise, exercise.function, calls)
    limit = verdict.slowest_allowed(time.perf_counter() - started)
    if ours.error:
        raise RuntimeError(f"the solution of {exercise.id} raised {ours.error}")
    try:
        outcome = worker.run(
            answer,
            calls,
            use=exercise.driver,
            banned=exercise.banned,
            seconds=limit,
            needs_torch=exercise.needs_torch,
        )
    except Exception as error:
        return _no_worker(exercise, error)
    return reply(Run(exercise, answer, calls, seeded, ours.values, outcome, limit))


def _no_worker(exercise: Exercise, error: Exception) -> Feedback:
    said = "The process in which answers are tried could not be started"
    more = "Run the cell again; if it stays so, restart the kernel."
    return Feedback("error", (f"{said} ({error}).", more), exercise)


def _record(feedback: Feedback) -> None:
    """Count an attempt; what was once right stays right."""
    if not feedback.counts:
        return

    def change(entry: dict) -> None:
        entry["attempts"] = entry.get("attempts", 0) + 1
        if entry.get("status") != "correct":
            entry["status"] = feedback.status

    progress_file.update("exercises", feedback.exercise.id, change)


def _notices() -> list[str]:
    """What else the learner should know, each thing once."""
    missing = worker.missing_limits()
    said = f"On this computer the checker can't limit: {', '.join(missing)}."
    if not missing or said in _told:
        return progress_file.notices()
    _told.add(said)
    return [said, *progress_file.notices()]
