"""What is said to an answer, once it is known what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from course_lib.exercises import answers, verdict, worker
from course_lib.exercises.advice import advise
from course_lib.exercises.cards import Block, Look
from course_lib.exercises.exercise import REGISTRY, Exercise
from course_lib.exercises.feedback import Feedback

TAIL = 1200  # characters of what was printed; its end says most
LONGEST = 400  # characters of an exception's message


class Run(NamedTuple):
    """One answer on its way to a verdict."""

    exercise: Exercise
    answer: Any
    calls: Sequence[tuple]
    seeded: int  # so many of them are the same at every check
    wanted: Sequence
    outcome: worker.Outcome
    limit: float  # in seconds

    @property
    def trial(self) -> verdict.Trial:
        """What came back, in the form in which misconceptions are tried."""
        values = [verdict.as_returned(value) for value in self.outcome.values]
        raised = self.outcome.kind == "raised"
        return verdict.Trial(values, self.outcome.error if raised else "")


def reply(run: Run) -> Feedback:
    """Return what to say to an answer that has been tried."""
    return REPLIES[run.outcome.kind](run)


def _judged(run: Run) -> Feedback:
    """The function returned: is it right?"""
    found = verdict.judge(run.trial.values, run.wanted, verdict.rule_of(run.exercise))
    if found:
        return _wrong(run, *found)
    if run.outcome.mutated:
        said = f"The result is right, but your function changed {_changed(run)}."
        more = "It still belongs to whoever called: make a new one instead."
        return _answer(run, "wrong", (said, more))
    return _correct(run)


def _correct(run: Run) -> Feedback:
    count, fresh = len(run.calls), len(run.calls) - run.seeded
    said = "That is right."
    if fresh > 0:
        said = f"Right for all {count} sets of inputs, {fresh} of them drawn just now."
    learned = run.exercise.learned
    parts = tuple(filter(None, (said, learned)))
    return Feedback("correct", parts, run.exercise, counts=True)


def _wrong(run: Run, place: int, finding: verdict.Finding) -> Feedback:
    known = verdict.recognise(run.exercise, run.calls, run.trial)
    sentence, detail = finding.sentence, finding.detail
    if place >= run.seeded and finding.stage in ("finite", "values"):
        # These inputs are never the same again: their numbers would say nothing.
        sentence = "Right for the first inputs, but not for others of the same kind."
        detail = "right for the first inputs, wrong for fresh ones"
    if run.exercise.kind == "choice" and run.answer not in run.exercise.choices:
        sentence += f" The choices: {', '.join(run.exercise.choices)}."
    if run.outcome.values[place] is None and not run.exercise.is_value:
        sentence = _returned_none(run)
    shape = dict(finding.passed).get("shape")
    if known and known.sentence.startswith(sentence.rstrip(".")):
        sentence = ""  # the teacher says it too
    parts = [f"Shape {shape} is right. {sentence}".strip() if shape else sentence]
    if known:
        parts.append(known.sentence)
    else:
        args = run.exercise, run.calls, run.trial.values, run.wanted
        parts += [verdict.remark(*args), _other_name(run)]
    if run.outcome.mutated:
        parts.append(f"It also changed {_changed(run)}.")
    looks = [Look(True, *passed) for passed in finding.passed]
    looks = (*looks, Look(False, finding.stage, detail))
    return _answer(run, "wrong", parts, known, looks, place)


def _returned_none(run: Run) -> str:
    if run.outcome.printed:
        return "Your function printed its result, but returned None: use `return`."
    return "Your function returned None; did you forget `return`?"


def _raised(run: Run) -> Feedback:
    error = run.outcome.error[:LONGEST]
    known = verdict.recognise(run.exercise, run.calls, run.trial)
    advice = known.sentence if known else advise(error)
    if run.outcome.mutated and not known:
        advice = f"It tries to change {_changed(run)}: make a new one instead."
    blocks = ()
    if run.outcome.line:
        title = f"Line {run.outcome.lineno} of your function"
        blocks = (Block(title, run.outcome.line.strip(), open=True),)
    said = f"Your function raised {error.rstrip('.')}."
    return _answer(
        run, "error", (said, advice), known, place=run.outcome.call, blocks=blocks
    )


def _timed_out(run: Run) -> Feedback:
    said = f"Stopped after {run.limit:g} s; an endless loop?"
    return _answer(run, "timeout", (said,), place=run.outcome.call)


def _crashed(run: Run) -> Feedback:
    why = run.outcome.error.partition(" (")[0]  # without the number of the signal
    why = f" ({why})" if why else ""
    said = f"Your function crashed Python{why}; your notebook is unharmed."
    return _answer(run, "error", (said,), place=run.outcome.call)


def _refused(run: Run) -> Feedback:
    return _answer(run, "error", (run.outcome.error,))


def _used_what_is_banned(run: Run) -> Feedback:
    said = (
        "This exercise is about writing it yourself; "
        f"your function uses `{run.outcome.error}`."
    )
    return _answer(run, "wrong", (said,))


REPLIES = {  # what the worker says → what to do
    "returned": _judged,
    "raised": _raised,
    "timeout": _timed_out,
    "crashed": _crashed,
    "refused": _refused,
    "banned": _used_what_is_banned,
}


def _answer(
    run: Run,
    status: str,
    parts: Sequence[str],
    known: verdict.Misconception | None = None,
    looks: tuple[Look, ...] = (),
    place: int | None = None,
    blocks: tuple[Block, ...] = (),
) -> Feedback:
    """Add what every answer but a right one has: the inputs, and what was printed."""
    if place is not None and run.exercise.draws:
        blocks += (Block("The inputs", _inputs(run, place)),)
    if run.outcome.printed:
        tail = run.outcome.printed[-TAIL:]
        cut = "…" if len(tail) < len(run.outcome.printed) else ""
        blocks += (Block("What it printed", cut + tail, open=True),)
    return Feedback(
        status,
        tuple(filter(None, parts)),
        run.exercise,
        known.name if known else None,
        looks,
        blocks,
        reads_again=True,
        counts=True,
    )


def _inputs(run: Run, place: int) -> str:
    """The arguments in short: shapes of arrays; numbers, unless drawn just now."""
    lines = []
    for name, value in zip(run.exercise.parameters, run.calls[place], strict=False):
        if isinstance(value, np.ndarray):
            said = f"shape {value.shape}, {value.dtype}"
        else:
            kind = type(value).__name__
            said = repr(value)[:200] if place < run.seeded else f"some {kind}"
        lines.append(f"{name}: {said}")
    return "\n".join(lines)


def _changed(run: Run) -> str:
    """Name the argument that was changed, if there is only one that can be."""
    pairs = zip(run.exercise.parameters, run.calls[0], strict=False)
    fixed = (bool, int, float, complex, str, tuple, type(None))
    names = [name for name, value in pairs if not isinstance(value, fixed)]
    return f"its argument `{names[0]}`" if len(names) == 1 else "one of its arguments"


def _other_name(run: Run) -> str:
    """Say so if the answer to another exercise of the lesson was handed over."""
    name = answers.name_of(run.answer)
    for other in REGISTRY.values():
        if (
            other.name == name != run.exercise.name
            and other.lesson == run.exercise.lesson
        ):
            mine = answers.task(run.exercise)
            return f"`{name}` answers exercise {other.id}; here, {mine} is wanted."
    return ""
