"""`progress`: a small table of what is done, by lesson and exercise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from course_lib.environment import COURSE
from course_lib.exercises import cards, lessons, progress_file
from course_lib.exercises.exercise import Exercise
from course_lib.exercises.feedback import STATUSES

QUIET = "#4a5a78"  # a colour that is no status
SEGMENT = (
    "display:inline-block;width:1.7em;margin-right:2px;border-radius:3px;"
    "text-align:center;color:#ffffff;font-weight:600"
)
TABLE = "border-collapse:collapse;border:0;margin:4px 0 0;font-size:92%"
CELL = (
    "padding:1px 14px 1px 0;text-align:left;background:none;border:0;vertical-align:top"
)


class Row(NamedTuple):
    """One exercise: what it is, and what the learner has done."""

    exercise: Exercise
    status: str
    attempts: int
    hints: int
    shown: bool

    @property
    def sign(self) -> str:
        """The sign of the status."""
        return STATUSES[self.status][0]

    @property
    def said(self) -> str:
        """The status, with tries and hints, and whether the solution was seen."""
        parts = [STATUSES[self.status][1]]
        parts.append(_count(self.attempts, "try", "tries"))
        parts.append(_count(self.hints, "hint", "hints"))
        parts.append("solution seen" if self.shown else "")
        return ", ".join(filter(None, parts))


@dataclass(frozen=True, eq=False, repr=False)
class Progress:
    """The table; shown as a card in a notebook, as text elsewhere.

    Attributes
    ----------
    rows : tuple of Row
        Every exercise of the course, in order.
    notices : tuple of str
        Such as that progress can't be kept.
    """

    rows: tuple[Row, ...]
    notices: tuple[str, ...] = ()

    @property
    def lessons(self) -> list[tuple[str, list[Row]]]:
        """The rows of each lesson, with its name."""
        groups = groupby(self.rows, key=lambda row: row.exercise.lesson)
        return [(lesson_name(number), list(rows)) for number, rows in groups]

    @property
    def summary(self) -> str:
        """How many are done, in one line."""
        return f"{_done(self.rows)} of {len(self.rows)} exercises done"

    def __repr__(self) -> str:
        lines = [self.summary]
        for name, rows in self.lessons:
            bar = "".join(row.sign for row in rows)
            lines += ["", f"{name}  [{bar}]  {_done(rows)} of {len(rows)}"]
            wide = max(len(row.exercise.title) for row in rows)
            for row in rows:
                about = row.exercise
                said = f"  {row.sign} {about.id:6}{about.title:{wide}}  {_stars(row)}"
                lines.append(f"{said}  {about.minutes:2} min  {row.said}")
        return "\n".join([*lines, *self.notices])

    def _repr_html_(self) -> str:
        body = f'<div style="font-weight:600">{self.summary}</div>'
        body += "".join(_lesson_html(name, rows) for name, rows in self.lessons)
        for notice in self.notices:
            body += (
                f'<div style="{cards.SMALL};margin-top:8px">{cards.rich(notice)}</div>'
            )
        return cards.framed(body, QUIET, self.summary)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def progress() -> Progress:
    """Show which exercises are done, with tries and hints.

    Returns
    -------
    Progress
        A table of all exercises. It is read from one file on this computer.
    """
    kept = progress_file.read("exercises")
    rows = [_row(about, kept.get(about.id, {})) for about in lessons.all_exercises()]
    return Progress(tuple(rows), tuple(progress_file.notices()))


def lesson_name(number: str) -> str:
    """Return number and title of a lesson, as its file is named."""
    found = sorted((COURSE / "notebooks").rglob(f"{number}_*.ipynb"))
    if not found:
        return f"Lesson {number}"
    return f"{number} · {found[0].stem[3:].replace('_', ' ').capitalize()}"


def _row(exercise: Exercise, entry: dict) -> Row:
    status = entry.get("status")
    return Row(
        exercise,
        status if status in STATUSES else "not started",
        entry.get("attempts", 0),
        entry.get("hints", 0),
        entry.get("shown", False),
    )


def _done(rows) -> int:
    return sum(row.status == "correct" for row in rows)


def _stars(row: Row) -> str:
    return "★" * row.exercise.difficulty + "☆" * (3 - row.exercise.difficulty)


def _count(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}" if number else ""


# --- as HTML --------------------------------------------------------------------------


def _lesson_html(name: str, rows: list[Row]) -> str:
    bar = "".join(map(_segment, rows))
    said = f"{_done(rows)} of {len(rows)}"
    lines = "".join(map(_row_html, rows))
    return (
        f'<div style="margin:12px 0 4px">{cards.escape(name)}</div>'
        f'<div style="margin:0 0 4px"><span role="img" aria-label="{said} done">{bar}'
        f'</span><span style="margin-left:8px">{said}</span></div>'
        f'<div style="overflow-x:auto"><table style="{TABLE}"><tbody>{lines}</tbody>'
        "</table></div>"
    )


def _segment(row: Row) -> str:
    sign, _, colour = STATUSES[row.status]
    title = cards.escape(f"{row.exercise.id} {row.said}")
    style = f"{SEGMENT};background:{colour}"
    return f'<span aria-hidden="true" title="{title}" style="{style}">{sign}</span>'


def _row_html(row: Row) -> str:
    about = row.exercise
    stars = (
        f'<span aria-label="difficulty {about.difficulty} of 3">{_stars(row)}</span>'
    )
    cells = [
        f'<span aria-hidden="true">{row.sign}</span>',
        cards.escape(f"{about.id} · {about.title}"),
        stars,
        f"{about.minutes} min",
    ]
    tds = "".join(
        f'<td style="{CELL};white-space:nowrap">{cell}</td>' for cell in cells
    )
    said = cards.escape(row.said)
    return f'<tr style="background:none">{tds}<td style="{CELL}">{said}</td></tr>'
