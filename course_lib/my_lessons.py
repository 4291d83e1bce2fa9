"""The learner's own copy of the lessons, which no update ever writes over.

The course keeps its lessons in ``notebooks/``, with outputs. The learner works in
``my_lessons/``, in copies without outputs. `deliver` brings new and changed lessons
there; `reset` restores one. Both obey one law: *bytes that only the learner can have
made are never deleted and never written over.*

How can they know? The file ``.delivered.json`` keeps the hash of everything that was
ever delivered. A file whose hash is in there holds nothing of the learner's; any other
is theirs, and so is every file if ``.delivered.json`` is lost. The hashes are written
down before the files, so that being stopped at any point does no harm.

Both functions run before anything is installed, on the standard library alone.
"""

import hashlib
import json
import os
from pathlib import Path

from course_lib.environment import COURSE, SetupError, write_atomically

BOOK = ".delivered.json"


def deliver(course=None, mine=None):
    """Bring new and changed lessons into the learner's copy.

    Parameters
    ----------
    course : Path, optional
        Folder of the course's lessons. Default: ``notebooks/``.
    mine : Path, optional
        Folder of the learner's copy. Default: the environment variable
        ``COURSE_MY_LESSONS``, else ``my_lessons/`` beside the package.

    Returns
    -------
    list of str
        One line for each file that was brought or could not be; often none.

    Raises
    ------
    SetupError
        A folder can't be read or written; what was there before is still there.
    """
    course, mine = _folders(course, mine)
    try:
        mine.mkdir(parents=True, exist_ok=True)
        return list(_deliver(course, mine))
    except OSError as error:
        raise _cannot(error, mine) from error


def reset(number, course=None, mine=None):
    """Restore the lesson with this number from the course.

    The learner's version, if it differs, is kept beside it under the name
    ``….before-reset.ipynb``, then ``….before-reset-2.ipynb`` and so on.

    Parameters
    ----------
    number : str
        The number its name begins with, such as ``"11"``.
    course, mine : Path, optional
        As in `deliver`.

    Returns
    -------
    list of str
        What happened, in one or two lines.

    Raises
    ------
    ValueError
        No lesson has this number; the message lists the lessons.
    SetupError
        A folder can't be read or written.
    """
    course, mine = _folders(course, mine)
    try:
        name = _find(str(number).strip(), course)
        wanted = _without_outputs(course / name)
        return list(_reset(wanted, course, mine, name))
    except OSError as error:
        raise _cannot(error, mine) from error


def folder():
    """Return the folder of the learner's own copy, as a Path."""
    return Path(os.environ.get("COURSE_MY_LESSONS") or COURSE / "my_lessons")


def _deliver(course, mine):
    """Deliver file by file, yielding what is worth a line."""
    book = _Book(mine)
    stamps = {name: _stamp(course / name) for name in _files(course)}
    wanted = {}
    for name, stamp in stamps.items():
        if book.stamps.get(name) == stamp and (mine / name).exists():
            continue  # looked at before, and as it was then: no need to read it
        try:
            wanted[name] = _without_outputs(course / name)
        except ValueError:
            yield f"left out: the course's {name} is no valid notebook"
    book.expect(wanted.values())
    try:
        for name, data in wanted.items():
            yield from _bring(data, mine / name, name, book)
            book.note(name, data, stamps[name])
    finally:
        book.save()


def _bring(data, path, name, book):
    """Put `data` where the learner finds it, and not where the learner has written."""
    now = _read(path)
    if now == data:
        return
    if now is None:
        write_atomically(path, data)
        kind = "lesson" if path.suffix == ".ipynb" else "file"
        yield f"{'brought back' if name in book.latest else f'new {kind}'}: {name}"
    elif book.delivered(now):
        write_atomically(path, data)
        yield f"updated, since you had not changed it: {name}"
    elif book.latest.get(name) != _hash(data):
        beside = _free_name(
            path, "updated", lambda old: old == data or book.delivered(old)
        )
        if _read(beside) != data:
            write_atomically(beside, data)
        yield f"you have changed {name}; its new version lies beside it: {beside.name}"


def _reset(wanted, course, mine, name):
    """Keep the learner's version under another name, then write the course's."""
    book, path, stamp = _Book(mine), mine / name, _stamp(course / name)
    now = _read(path)
    if now == wanted:
        yield f"{name} is as the course has it; nothing to restore"
        return
    book.expect([wanted])
    if now is not None and not book.delivered(now):
        kept = _free_name(path, "before-reset", lambda old: False)
        path.rename(kept)
        yield f"your version is kept: {kept.relative_to(mine).as_posix()}"
    write_atomically(path, wanted)
    book.note(name, wanted, stamp)
    book.save()
    yield f"restored {name}"


class _Book:
    """What was delivered so far, kept in ``.delivered.json``.

    Attributes
    ----------
    hashes : set of str
        Of all bytes ever delivered.
    latest : dict of str to str
        For each name, the hash of the course's version that the learner was given.
    stamps : dict of str to list
        For each name, size and time of the course's file when it was last looked at.
    """

    def __init__(self, mine):
        self.path = mine / BOOK
        self.hashes, self.latest, self.stamps = set(), {}, {}
        try:
            kept = json.loads(self.path.read_bytes())
            self.hashes = {str(entry) for entry in kept["hashes"]}
            self.latest, self.stamps = dict(kept["latest"]), dict(kept["stamps"])
        except (FileNotFoundError, ValueError, TypeError, LookupError):
            pass  # missing or damaged: everything counts as the learner's

    def delivered(self, data):
        return _hash(data) in self.hashes

    def expect(self, data):
        """Write down what is about to be delivered, before it is."""
        new = {_hash(entry) for entry in data} - self.hashes
        if new:
            self.hashes |= new
            self.save()

    def note(self, name, data, stamp):
        self.latest[name], self.stamps[name] = _hash(data), stamp

    def save(self):
        kept = {
            "what": "What the course has put here. Without this file, updates still "
            "work, but take every lesson for one that you have changed.",
            "hashes": sorted(self.hashes),
            "latest": self.latest,
            "stamps": self.stamps,
        }
        text = json.dumps(kept, indent=1, ensure_ascii=False) + "\n"
        if _read(self.path) != text.encode():
            write_atomically(self.path, text.encode())


def _folders(course, mine):
    course = Path(course or COURSE / "notebooks")
    if not course.is_dir():
        raise SetupError(f"the lessons are missing: {course} is no folder")
    return course, Path(mine or folder())


def _files(course):
    """Names of all files of the course, as in ``1_attention/11_….ipynb``, in order."""
    for folder, subfolders, files in os.walk(course):
        subfolders[:] = sorted(name for name in subfolders if name[0] != ".")
        for name in sorted(files):
            if name[0] != ".":
                yield (Path(folder) / name).relative_to(course).as_posix()


def _find(number, course):
    """Name of the lesson with this number."""
    lessons = [name for name in _files(course) if name.endswith(".ipynb")]
    for name in lessons:
        if name.split("/")[-1].split("_")[0] == number:
            return name
    there = "\n".join(f"  {name.split('/')[-1]}" for name in lessons) or "  none"
    raise ValueError(
        f"reset: `number` is {number!r}; wanted that of a lesson:\n{there}"
    )


def _without_outputs(path):
    """Bytes of the file as the learner gets it: a notebook has not been run yet."""
    data = path.read_bytes()
    if path.suffix != ".ipynb":
        return data
    try:
        notebook = json.loads(data)
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell.update(outputs=[], execution_count=None)
        text = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        return text.encode()
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        raise ValueError(f"the course's {path.name} is no valid notebook") from error


def _stamp(path):
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _hash(data):
    return hashlib.sha256(data).hexdigest()


def _read(path):
    """Bytes of the file, None if there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _free_name(path, word, may_replace):
    """First of ``name.word.ext``, ``name.word-2.ext``, … that may be written."""
    count = 1
    while True:
        end = word if count == 1 else f"{word}-{count}"
        beside = path.with_name(f"{path.stem}.{end}{path.suffix}")
        if not beside.exists() or may_replace(_read(beside)):
            return beside
        count += 1


def _cannot(error, mine):
    """The one error for all that a disk can refuse."""
    where = error.filename or mine
    return SetupError(
        f"can't bring your lessons in {mine} up to date ({where}: {error.strerror}). "
        "Nothing of yours was changed. Make that folder writable, or name another one "
        "in the environment variable COURSE_MY_LESSONS."
    )
