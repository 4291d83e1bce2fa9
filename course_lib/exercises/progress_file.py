"""The one file that keeps what a learner has done: ``my_lessons/.progress.json``.

It must not be lost and must not be in the way. It is replaced as a whole, so that being
killed at any point leaves the old one or the new one. Two kernels take turns. A damaged
file is put aside and a new one begun. Where nothing can be written, progress is kept in
memory until the kernel ends, and the learner is told once.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
from collections.abc import Callable
from pathlib import Path

from course_lib import my_lessons

WAIT = 3.0  # seconds; another kernel needs milliseconds
WHAT = "What you have done in the exercises. It stays on this computer."

_memory: dict[str, dict] = {}  # what could not be written, by room
_notices: list[str] = []  # what the learner has not been told yet
_told: set[str] = set()


def path() -> Path:
    """Return where it lies: ``COURSE_PROGRESS``, else in the learner's folder."""
    return Path(
        os.environ.get("COURSE_PROGRESS") or my_lessons.folder() / ".progress.json"
    )


def read(room: str) -> dict[str, dict]:
    """Return the entries of one room of the file, such as ``"exercises"``.

    Parameters
    ----------
    room : str
        The first level of the file.

    Returns
    -------
    dict of str to dict
        A copy; an empty one where nothing can be read.
    """
    try:
        whole = _load()
    except (OSError, ValueError):
        whole = {}
    return whole.get(room, {}) | copy.deepcopy(_memory.get(room, {}))


def update(room: str, key: str, change: Callable[[dict], None]) -> dict:
    """Change one entry while no other kernel can, and write the file.

    Parameters
    ----------
    room, key : str
        As in ``"exercises"`` and ``"11.4"``.
    change : callable
        Is given the entry, ``{}`` if it is new, and changes it in place.

    Returns
    -------
    dict
        The entry as it is now. If the disk refuses, it is kept in memory instead,
        and `notices` says so once.
    """
    try:
        path().parent.mkdir(parents=True, exist_ok=True)
        with _lock():
            whole = _load_or_begin()
            # What could not be written before; late is better than never.
            for name, entries in copy.deepcopy(_memory).items():
                whole.setdefault(name, {}).update(entries)
            entry = whole.setdefault(room, {}).setdefault(key, {})
            change(entry)
            _write(whole)
            _memory.clear()
    except OSError as error:
        entry = read(room).get(key, {})
        change(entry)
        _memory.setdefault(room, {})[key] = entry
        _tell(f"Your progress is not kept: {path()} ({error.strerror or error}).")
    return entry


def notices() -> list[str]:
    """Return what the learner should be told, each only once."""
    said, _notices[:] = list(_notices), []
    return said


def _tell(notice: str) -> None:
    if notice not in _told:
        _told.add(notice)
        _notices.append(notice)


def _lock() -> contextlib.closing:
    """Wait for our turn; the system frees the lock even if this process is killed."""
    import sqlite3  # its locks work on all systems; the file beside ours stays empty

    lock = sqlite3.connect(":memory:")  # no lock where the disk knows of none
    with contextlib.suppress(sqlite3.OperationalError):
        lock = sqlite3.connect(path().with_name(path().name + ".lock"), timeout=WAIT)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            lock.close()
            raise OSError("another notebook is writing there") from error
    return contextlib.closing(lock)


def _load() -> dict:
    """Read the whole file; a missing one is empty, a damaged one a ValueError."""
    try:
        whole = json.loads(path().read_bytes())
    except FileNotFoundError:
        return {}
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(whole, dict):
        raise ValueError("not what was written")
    rooms = {name: room for name, room in whole.items() if name != "what"}
    for room in rooms.values():
        if not isinstance(room, dict) or not all(map(_is_entry, room.values())):
            raise ValueError("not what was written")
    return rooms


def _is_entry(entry: object) -> bool:
    """Whether this program may have written it."""
    wanted = {"status": str, "attempts": int, "hints": int, "shown": bool}
    return isinstance(entry, dict) and all(
        isinstance(entry.get(key, kind()), kind) for key, kind in wanted.items()
    )


def _load_or_begin() -> dict:
    """Read the file; put a damaged one aside and begin anew."""
    try:
        return _load()
    except ValueError:
        aside = _free_name()
        os.replace(path(), aside)
        _tell(
            f"Your progress file was damaged: it is now {aside.name}, beside a new one."
        )
        return {}


def _free_name() -> Path:
    """``.progress.json.corrupt``, or with a number if that is taken."""
    count = 1
    while True:
        end = ".corrupt" if count == 1 else f".corrupt-{count}"
        aside = path().with_name(path().name + end)
        if not aside.exists():
            return aside
        count += 1


def _write(whole: dict) -> None:
    """Write all of it or nothing; whoever does holds the lock, so one name will do."""
    text = json.dumps({"what": WHAT} | whole, indent=1, sort_keys=True) + "\n"
    half = path().with_name(path().name + ".half")
    try:
        half.write_text(text, encoding="utf-8")
        os.replace(half, path())
    finally:
        half.unlink(missing_ok=True)
