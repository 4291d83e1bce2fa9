"""The learner's copy: what is brought, what is kept, and that nothing is ever lost."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from course_lib import my_lessons
from course_lib.environment import SetupError

pytestmark = pytest.mark.slow  # thousands of small files

LESSONS = [
    "00_start_here.ipynb",
    "1_attention/11_scaled.ipynb",
    "1_attention/12_heads.ipynb",
    "2_pretraining/21_masked.ipynb",
    "61_bug_museum.ipynb",
]
LESSON = LESSONS[1]
UPDATED = "1_attention/11_scaled.updated.ipynb"
KEPT = "1_attention/11_scaled.before-reset.ipynb"


def notebook(text):
    """A notebook that was run, with `text` in its source and its output."""
    output = {"output_type": "stream", "name": "stdout", "text": [f"out of {text}"]}
    return {
        "cells": [
            {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# 缩放"]},
            {
                "cell_type": "code",
                "execution_count": 7,
                "id": "b",
                "metadata": {"tags": ["x"]},
                "outputs": [output],
                "source": [f"print('{text}')"],
            },
        ],
        "metadata": {"kernelspec": {"name": "python3"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


class Place:
    """A course and a learner's copy of it."""

    def __init__(self, root):
        self.course, self.mine = root / "notebooks", root / "my_lessons"
        for number, name in enumerate(LESSONS):
            self.publish(name, f"first {number}")

    def publish(self, name, text):
        path = self.course / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = json.dumps(notebook(text)).encode()
        path.write_bytes(data if name.endswith(".ipynb") else text.encode())

    def edit(self, name, text):
        path = self.mine / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def read(self, name):
        return (self.mine / name).read_text(encoding="utf-8")

    def deliver(self):
        return my_lessons.deliver(self.course, self.mine)

    def reset(self, number):
        return my_lessons.reset(number, self.course, self.mine)

    def files(self):
        """All that lies in the learner's copy, bookkeeping apart."""
        return {
            path.relative_to(self.mine).as_posix(): path.read_bytes()
            for path in self.mine.rglob("*")
            if path.is_file() and path.name != ".delivered.json"
        }


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


# --- what deliver does ----------------------------------------------------------------


def test_new_lessons_come_without_outputs_and_counts(place):
    place.deliver()
    mine = json.loads(place.read(LESSON))
    want = notebook("first 1")
    want["cells"][1].update(outputs=[], execution_count=None)
    assert mine == want
    assert "缩放" in place.read(LESSON)
    assert place.read(LESSON).endswith("}\n")


def test_each_new_lesson_is_reported_in_one_line(place):
    assert sorted(place.deliver()) == sorted(f"new lesson: {name}" for name in LESSONS)
    assert set(place.files()) == set(LESSONS)


def test_a_second_time_nothing_happens(place):
    place.deliver()
    before = {path: path.stat().st_mtime_ns for path in place.mine.rglob("*")}
    assert place.deliver() == []
    assert {path: path.stat().st_mtime_ns for path in place.mine.rglob("*")} == before


def test_forty_unchanged_lessons_take_no_time(place):
    for number in range(40):
        place.publish(f"5_more/{number}_lesson.ipynb", "x" * 200_000)
    place.deliver()
    started = time.perf_counter()
    assert place.deliver() == []
    assert time.perf_counter() - started < 0.2


def test_other_files_are_copied_as_they_are(place):
    (place.course / "1_attention" / "figure.png").write_bytes(b"\x89PNG\r\n\x00")
    assert "new file: 1_attention/figure.png" in place.deliver()
    assert place.files()["1_attention/figure.png"] == b"\x89PNG\r\n\x00"


def test_hidden_files_and_folders_stay_behind(place):
    for name in (
        ".ipynb_checkpoints/00_start_here-checkpoint.ipynb",
        "1_attention/.ipynb_checkpoints/x.ipynb",
        "1_attention/.DS_Store",
    ):
        place.publish(name, "hidden")
    place.deliver()
    assert set(place.files()) == set(LESSONS)


def test_an_untouched_lesson_is_replaced(place):
    place.deliver()
    place.publish(LESSON, "second")
    assert place.deliver() == [f"updated, since you had not changed it: {LESSON}"]
    assert "second" in place.read(LESSON)
    assert set(place.files()) == set(LESSONS)


def test_a_changed_lesson_is_kept_and_the_new_one_lies_beside_it(place):
    place.deliver()
    place.edit(LESSON, "mine")
    place.publish(LESSON, "second")
    said = place.deliver()
    assert said == [
        f"you have changed {LESSON}; its new version lies beside it: "
        "11_scaled.updated.ipynb"
    ]
    assert place.read(LESSON) == "mine"
    assert "second" in place.read(UPDATED)
    assert place.deliver() == []  # said once


def test_an_untouched_update_makes_room_for_the_next(place):
    place.deliver()
    place.edit(LESSON, "mine")
    for text in ("second", "third"):
        place.publish(LESSON, text)
        place.deliver()
    assert "third" in place.read(UPDATED)
    assert len(place.files()) == len(LESSONS) + 1


def test_an_edited_update_is_kept_too(place):
    place.deliver()
    place.edit(LESSON, "mine")
    place.publish(LESSON, "second")
    place.deliver()
    place.edit(UPDATED, "mine too")
    place.publish(LESSON, "third")
    place.deliver()
    assert place.read(LESSON) == "mine"
    assert place.read(UPDATED) == "mine too"
    assert "third" in place.read(UPDATED.replace("updated", "updated-2"))


def test_a_change_of_outputs_alone_brings_nothing(place):
    place.deliver()
    place.edit(LESSON, "mine")
    run_again = notebook("first 1")
    run_again["cells"][1].update(outputs=[], execution_count=1)
    (place.course / LESSON).write_text(json.dumps(run_again))
    assert place.deliver() == []


def test_a_deleted_lesson_is_brought_back(place):
    place.deliver()
    shutil.rmtree(place.mine / "1_attention")
    assert place.deliver() == [f"brought back: {name}" for name in LESSONS[1:3]]


def test_a_lesson_that_left_the_course_is_left_alone(place):
    place.deliver()
    (place.course / LESSON).unlink()
    assert place.deliver() == []
    assert LESSON in place.files()


@pytest.mark.parametrize(
    "book", [None, b"", b"{", b"[]", b"5", b'{"hashes": 5}', b"\xff\xfe", b"{}"]
)
def test_without_its_book_every_different_file_is_the_learners(place, book):
    place.deliver()
    place.edit(LESSON, "mine")
    for name in LESSONS[1:3]:
        place.publish(name, "second")
    path = place.mine / ".delivered.json"
    path.write_bytes(book) if book is not None else path.unlink()
    assert len(place.deliver()) == 2
    assert place.read(LESSON) == "mine"
    assert "first 2" in place.read(LESSONS[2])
    assert "second" in place.read(UPDATED)
    assert place.deliver() == []


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[]", b'{"cells": 5}', b'{"cells": [{}]}', b"\xff", b'"\\ud800"'),
        b'{"cells": [{"cell_type": "raw", "source": "\\ud800"}]}',
        b"[" * 99_999,
    ],
)
def test_a_broken_lesson_of_the_course_is_left_out_and_the_others_come(place, data):
    (place.course / LESSON).write_bytes(data)
    said = place.deliver()
    assert f"left out: the course's {LESSON} is no valid notebook" in said
    assert set(place.files()) == set(LESSONS) - {LESSON}


def test_a_broken_lesson_of_the_learner_is_theirs(place):
    place.deliver()
    (place.mine / LESSON).write_bytes(b"\xff{")
    place.publish(LESSON, "second")
    place.deliver()
    assert place.files()[LESSON] == b"\xff{"


# --- reset ----------------------------------------------------------------------------


def test_reset_restores_one_lesson_and_keeps_the_learners(place):
    place.deliver()
    for count, ending in ((1, ""), (2, "-2"), (3, "-3")):
        place.edit(LESSON, f"mine {count}")
        kept = KEPT.replace("reset", f"reset{ending}")
        assert place.reset("11") == [
            f"your version is kept: {kept}",
            f"restored {LESSON}",
        ]
        assert place.read(kept) == f"mine {count}"
        assert "first 1" in place.read(LESSON)
    assert place.deliver() == []


def test_reset_of_an_unchanged_lesson_says_so(place):
    place.deliver()
    assert place.reset(11) == [f"{LESSON} is as the course has it; nothing to restore"]
    place.publish(LESSON, "second")
    assert place.reset("11") == [f"restored {LESSON}"]  # nothing of theirs to keep
    assert set(place.files()) == set(LESSONS)


def test_reset_brings_a_lesson_that_is_not_there(place):
    assert place.reset("00") == ["restored 00_start_here.ipynb"]
    (place.mine / "00_start_here.ipynb").unlink()
    assert place.reset(" 00 ") == ["restored 00_start_here.ipynb"]


def test_after_a_reset_an_update_replaces_the_lesson(place):
    place.deliver()
    place.edit(LESSON, "mine")
    place.reset("11")
    place.publish(LESSON, "second")
    assert place.deliver() == [f"updated, since you had not changed it: {LESSON}"]


@pytest.mark.parametrize("number", ["99", "", "1", "11_scaled", "../x", None])
def test_an_unknown_number_is_answered_with_the_lessons(place, number):
    place.deliver()
    before = place.files()
    with pytest.raises(ValueError, match="reset: `number` is ") as error:
        place.reset(number)
    assert all(name.split("/")[-1] in str(error.value) for name in LESSONS)
    assert place.files() == before


# --- what can go wrong ----------------------------------------------------------------


def test_a_missing_course_is_one_clear_error(place):
    shutil.rmtree(place.course)
    with pytest.raises(SetupError, match="notebooks is no folder"):
        place.deliver()


def test_a_file_in_the_way_is_one_clear_error(place):
    place.mine.write_text("a file")
    with pytest.raises(SetupError, match="File exists"):
        place.deliver()
    assert place.mine.read_text() == "a file"


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_a_read_only_folder_is_one_clear_error():
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder))
        place.deliver()
        place.edit(LESSON, "mine")
        place.publish(LESSON, "second")
        os.chmod(folder, 0o755)
        for path in place.mine.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
        place.mine.chmod(0o555)
        before, root = place.files(), os.geteuid() == 0
        try:
            if root:  # whom no permission stops
                os.seteuid(65534)
            with pytest.raises(
                SetupError, match=r"Permission denied.*COURSE_MY_LESSONS"
            ):
                place.deliver()
            with pytest.raises(SetupError, match="Permission denied"):
                place.reset("11")
        finally:
            if root:
                os.seteuid(0)
            for path in [place.mine, *place.mine.rglob("*")]:
                path.chmod(0o755)
        assert place.files() == before


def stop_at(monkeypatch, count, error, late):
    """Raise `error` before or after the `count`-th change to the disk."""
    left = [count]

    def guarded(change):
        def changed(*arguments, **options):
            left[0] -= 1
            if left[0] == 0 and not late:
                raise error
            result = change(*arguments, **options)
            if left[0] == 0:
                raise error
            return result

        return changed

    monkeypatch.setattr(os, "replace", guarded(os.replace))
    monkeypatch.setattr(Path, "rename", guarded(Path.rename))
    monkeypatch.setattr(Path, "write_bytes", guarded(Path.write_bytes))
    return left


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left")])
@pytest.mark.parametrize("late", [False, True])
def test_being_stopped_anywhere_loses_nothing_and_the_next_start_finishes(
    tmp_path, error, late
):
    for count in range(1, 99):
        place = Place(tmp_path / str(count))
        place.deliver()
        place.edit(LESSONS[0], "mine")
        place.edit(LESSON, "mine too")
        for name in LESSONS[:4]:
            place.publish(name, "second")
        with pytest.MonkeyPatch.context() as patch:
            left = stop_at(patch, count, error, late)
            try:
                place.deliver()
                place.reset("11")
            except (KeyboardInterrupt, SetupError):
                pass
        kept = set(place.files().values())
        assert {b"mine", b"mine too"} <= kept
        assert all(data.endswith((b"}\n", b"mine", b"mine too")) for data in kept)
        place.deliver()
        assert place.read(LESSONS[0]) == "mine"
        assert "second" in place.read("00_start_here.updated.ipynb")
        assert all("second" in place.read(name) for name in LESSONS[2:4])
        assert place.deliver() == []
        if left[0] > 0:
            break  # nothing was left to stop
    assert 8 < count < 98


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_no_bytes_of_the_learner_are_lost(tmp_path, seed):
    rng, place = random.Random(seed), Place(tmp_path)
    written = set()  # all that the learner ever wrote

    def theirs():
        return {data for data in place.files().values() if data in written}

    def some_file():
        return rng.choice([*place.files(), *LESSONS])

    def learner_writes(name):
        text = f"mine {len(written)}"
        written.add(text.encode())
        place.edit(name, text)

    for step in range(60):
        action = rng.choice(["publish", "publish", "edit", "delete", "copy", "book"])
        if action == "publish":
            place.publish(rng.choice(LESSONS), f"version {step}")
        elif action == "edit":
            learner_writes(some_file())
        elif action == "delete":
            (place.mine / some_file()).unlink(missing_ok=True)
        elif action == "copy" and place.files():
            data = place.files()[rng.choice([*place.files()])]
            place.edit(some_file(), data.decode())
        elif place.mine.exists() and rng.random() < 0.2:
            (place.mine / ".delivered.json").write_bytes(b"{")
        before = theirs()
        with pytest.MonkeyPatch.context() as patch:
            stop_at(patch, rng.randint(1, 12), KeyboardInterrupt, rng.random() < 0.5)
            try:
                if rng.random() < 0.3:
                    place.reset(rng.choice(["00", "11", "12", "21", "61"]))
                else:
                    place.deliver()
            except KeyboardInterrupt:
                pass
        assert before <= theirs()
    place.deliver()
    assert place.deliver() == []
    assert set(place.files()) >= set(LESSONS)


def test_names_are_fit_for_windows(place):
    place.deliver()
    place.edit(LESSON, "mine")
    place.publish(LESSON, "second")
    place.deliver()
    place.reset("11")
    for path in place.mine.rglob("*"):
        assert not set(path.name) & set('<>:"\\|?*')
        assert path.name == path.name.rstrip(". ")


def test_the_environment_names_another_folder(place, tmp_path):
    code = (
        "import sys; from course_lib import my_lessons\n"
        "my_lessons.deliver(sys.argv[1])\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'numpy', 'torch', 'matplotlib', 'nbformat'}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(place.course)],
        env=os.environ | {"COURSE_MY_LESSONS": str(tmp_path / "elsewhere")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "elsewhere" / LESSON).is_file()
    assert run.stdout == "[]\n"  # nothing but the standard library
