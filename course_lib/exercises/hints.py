"""`hint` and `solution`: help for whoever asks, a little at a time."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable

from course_lib.exercises import lessons, progress_file
from course_lib.exercises.cards import Block, Card
from course_lib.exercises.exercise import Exercise

QUIET = "#4a5a78"  # a colour that is no status
_asked: set[str] = set()  # whose solution was asked for once, in this kernel


def hint(id: str = "") -> Card:
    """Show one more hint at each call, below those before it.

    Parameters
    ----------
    id : str
        The exercise, such as ``"11.4"``.

    Returns
    -------
    Card
        All hints so far. How many there were is kept in the progress file.
    """
    try:
        exercise = lessons.find(id)
    except lessons.UnknownExercise as error:
        return _unknown(error)
    total = len(exercise.hints)

    def one_more(entry: dict) -> None:
        entry["hints"] = min(entry.get("hints", 0) + 1, total)

    before = progress_file.read("exercises").get(exercise.id, {}).get("hints", 0)
    count = progress_file.update("exercises", exercise.id, one_more).get("hints", 0)
    shown = [f"{i}. {text}" for i, text in enumerate(exercise.hints[:count], 1)]
    if before >= total:
        more = f'That was the last; `solution("{exercise.id}")` shows ours.'
    elif count == total:
        more = "That is the last."
    else:
        more = f'`hint("{exercise.id}")` gives the next.'
    word = f"Hint {count} of {total}"
    return _card("?", word, exercise, shown, (more, *progress_file.notices()))


def solution(id: str = "") -> Card:
    """Show our solution; asks once more before it does.

    Parameters
    ----------
    id : str
        The exercise, such as ``"11.4"``.

    Returns
    -------
    Card
        At the second call the solution, and the names of other right ways. The
        exercise is then marked as shown in the progress table.
    """
    try:
        exercise = lessons.find(id)
    except lessons.UnknownExercise as error:
        return _unknown(error)
    entry = progress_file.read("exercises").get(exercise.id, {})
    if not entry.get("shown") and exercise.id not in _asked:
        _asked.add(exercise.id)
        return _asks_once_more(exercise)
    entry = progress_file.update("exercises", exercise.id, _mark_as_shown)
    blocks = [Block("Ours", source(exercise.function, exercise.name), open=True)]
    for name, style in exercise.styles.items():
        blocks.append(Block(f"Another way: {name}", source(style, exercise.name)))
    said = ["Read it, close it, and write your own: that is when it is learned."]
    return _card("»", "Solution", exercise, said, progress_file.notices(), blocks)


def _mark_as_shown(entry: dict) -> None:
    entry["shown"] = True


def _asks_once_more(exercise: Exercise) -> Card:
    hints = f'`hint("{exercise.id}")` gives away less.'
    again = f'Call `solution("{exercise.id}")` again to see it.'
    return _card("»", "Solution", exercise, [f"{again} {hints}"])


def source(function: Callable, name: str) -> str:
    """Return the text of a function under this name, without its decorators.

    Examples
    --------
    >>> source(_mark_as_shown, "mark").splitlines()[0]
    'def mark(entry: dict) -> None:'
    """
    text = textwrap.dedent(inspect.getsource(function))
    head = ast.parse(text).body[0]
    lines = text.splitlines()[head.lineno - 1 :]
    lines[0] = lines[0].replace(f" {function.__name__}", f" {name}", 1)
    return "\n".join(lines)


def _unknown(error: Exception) -> Card:
    return Card("!", "Unknown", "#b3261e", "exercise", (str(error),))


def _card(sign, word, exercise, paragraphs, last=(), blocks=()) -> Card:
    return Card(
        *(sign, word, QUIET, f"{exercise.id} · {exercise.title}", tuple(paragraphs)),
        blocks=tuple(blocks),
        last=tuple(last),
    )
