"""The file of progress: it is never half-written, never in the way, and never lost."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from course_lib import my_lessons
from course_lib.exercises import progress_file
from course_lib.exercises.progress_file import notices, path, read, update

COUNT = [
    "import sys",
    "from course_lib.exercises import progress_file as p",
    "def one_more(entry): entry['attempts'] = entry.get('attempts', 0) + 1",
    "for _ in range(int(sys.argv[2])): p.update('exercises', sys.argv[1], one_more)",
]


def one_more(entry):
    entry["attempts"] = entry.get("attempts", 0) + 1


def counting(id, times):
    """Another kernel that counts up."""
    words = [sys.executable, "-c", "\n".join(COUNT), id, str(times)]
    return subprocess.Popen(words, stderr=subprocess.PIPE)


def there(progress_path):
    """What lies in the folder, the lock apart."""
    names = {p.name for p in progress_path.parent.iterdir()}
    return names - {"progress.json.lock"}


def test_where_it_lies(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "p.json"))
    assert path() == tmp_path / "p.json"
    monkeypatch.delenv("COURSE_PROGRESS")
    assert path() == my_lessons.folder() / ".progress.json"
    monkeypatch.setenv("COURSE_MY_LESSONS", str(tmp_path))
    assert path() == tmp_path / ".progress.json"


def test_what_is_written_is_read(progress_path):
    assert read("exercises") == {}
    assert update("exercises", "11.4", one_more) == {"attempts": 1}
    update("exercises", "11.4", one_more)
    update("predictions", "11.p3", lambda entry: entry.update(guess="8 缩放"))
    assert read("exercises") == {"11.4": {"attempts": 2}}
    assert read("predictions") == {"11.p3": {"guess": "8 缩放"}}
    assert read("quizzes") == {}
    assert there(progress_path) == {"progress.json"}
    assert notices() == []


def test_a_person_can_read_it(progress_path):
    update("exercises", "11.4", one_more)
    kept = json.loads(progress_path.read_text("utf-8"))
    assert kept == {
        "what": progress_file.WHAT,
        "exercises": {"11.4": {"attempts": 1}},
    }
    assert progress_path.read_text("utf-8").endswith("}\n")


def test_changing_what_was_read_changes_nothing(progress_path):
    update("exercises", "11.4", one_more)
    read("exercises")["11.4"]["attempts"] = 9
    assert read("exercises") == {"11.4": {"attempts": 1}}


def test_a_change_that_raises_changes_nothing(progress_path):
    update("exercises", "11.4", one_more)
    before = progress_path.read_bytes()
    with pytest.raises(ZeroDivisionError):
        update("exercises", "11.4", lambda entry: 1 / 0)
    assert progress_path.read_bytes() == before
    update("exercises", "11.4", one_more)  # the lock is free again


def test_what_a_newer_version_has_written_stays(progress_path):
    progress_path.parent.mkdir()
    kept = {"exercises": {"11.4": {"status": "correct", "new": [1]}}, "more": {}}
    progress_path.write_text(json.dumps(kept))
    update("exercises", "11.4", one_more)
    update("exercises", "11.5", one_more)
    now = json.loads(progress_path.read_text())
    assert now["exercises"]["11.4"] == {"status": "correct", "new": [1], "attempts": 1}
    assert now["more"] == {}


# --- damage ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        *(b"", b"{", b"\x00" * 100, b"\xff\xfe", b"[]", b"3", b"null", b'"a"'),
        b'{"exercises": []}',
        b'{"exercises": {"11.4": 5}}',
        b'{"exercises": {"11.4": {"attempts": "many"}}}',
        b'{"exercises": {"11.4": {"status": 1}}}',
        b'{"exercises": {"11.4": {"shown": "yes"}}}',
        b'{"predictions": 5}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_put_aside_and_that_is_said_once(progress_path, damage):
    progress_path.parent.mkdir()
    progress_path.write_bytes(damage)
    assert read("exercises") == {}
    assert progress_path.read_bytes() == damage  # reading alone changes nothing
    update("exercises", "11.4", one_more)
    assert read("exercises") == {"11.4": {"attempts": 1}}
    aside = progress_path.with_name("progress.json.corrupt")
    assert aside.read_bytes() == damage
    (said,) = notices()
    assert "progress.json.corrupt" in said
    update("exercises", "11.4", one_more)
    assert notices() == []


def test_no_damaged_file_is_written_over(progress_path):
    progress_path.parent.mkdir()
    for damage in ("one", "two", "three"):
        progress_path.write_text(damage)
        update("exercises", "11.4", one_more)
    texts = {p.name: p.read_text() for p in progress_path.parent.glob("*.corrupt*")}
    assert texts == {
        "progress.json.corrupt": "one",
        "progress.json.corrupt-2": "two",
        "progress.json.corrupt-3": "three",
    }


def test_what_a_killed_kernel_left_is_in_nobodys_way(progress_path):
    progress_path.parent.mkdir()
    progress_path.with_name("progress.json.half").write_text("{ha")
    update("exercises", "11.4", one_more)
    assert there(progress_path) == {"progress.json"}


# --- a disk that refuses --------------------------------------------------------------


def refusing_places(tmp_path):
    """Paths at which nothing can be written, also for root."""
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.json").mkdir()
    return [
        tmp_path / "file" / "p.json",
        tmp_path / "folder.json",
        Path("/proc/p.json"),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_progress_is_kept_in_memory_then_and_that_is_said_once(
    monkeypatch, tmp_path, which
):
    place = refusing_places(tmp_path)[which]
    monkeypatch.setenv("COURSE_PROGRESS", str(place))
    assert update("exercises", "11.4", one_more) == {"attempts": 1}
    assert update("exercises", "11.4", one_more) == {"attempts": 2}
    assert read("exercises") == {"11.4": {"attempts": 2}}
    (said,) = notices()
    assert said.startswith(f"Your progress is not kept: {place} (")


@contextlib.contextmanager
def read_only(folder):
    """A folder in which even root can't write, since root is nobody for a while."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.mark.parametrize("has_lock", [True, False])
def test_a_folder_that_may_only_be_read(monkeypatch, has_lock):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        monkeypatch.setenv("COURSE_PROGRESS", str(folder / "p.json"))
        update("exercises", "11.4", one_more)
        if not has_lock:
            (folder / "p.json.lock").unlink()
        with read_only(folder):
            assert update("exercises", "11.4", one_more) == {"attempts": 2}
            assert update("exercises", "11.4", one_more) == {"attempts": 3}
        assert notices() == [
            f"Your progress is not kept: {folder / 'p.json'} (Permission denied)."
        ]
        kept = json.loads((folder / "p.json").read_text())
        assert kept["exercises"] == {"11.4": {"attempts": 1}}


def test_what_could_not_be_written_is_written_later(progress_path, monkeypatch):
    update("exercises", "11.4", one_more)

    def refuse(*args, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert update("exercises", "11.4", one_more) == {"attempts": 2}
    assert notices() == [
        f"Your progress is not kept: {progress_path} (Permission denied)."
    ]
    monkeypatch.undo()
    monkeypatch.setenv("COURSE_PROGRESS", str(progress_path))
    assert json.loads(progress_path.read_text())["exercises"]["11.4"]["attempts"] == 1
    update("exercises", "11.5", one_more)  # now the rest is written as well
    kept = json.loads(progress_path.read_text())["exercises"]
    assert kept == {"11.4": {"attempts": 2}, "11.5": {"attempts": 1}}
    assert progress_file._memory == {}


def test_a_disk_without_locks_goes_without(progress_path):
    progress_path.with_name("progress.json.lock").mkdir(parents=True)
    assert update("exercises", "11.4", one_more) == {"attempts": 1}
    assert notices() == []


def test_a_kernel_that_holds_the_lock_for_ever(progress_path, monkeypatch):
    monkeypatch.setattr(progress_file, "WAIT", 0.1)
    with progress_file._lock():  # the folder is made by the first update
        pass
    update("exercises", "11.4", one_more)
    with progress_file._lock():
        assert update("exercises", "11.4", one_more) == {"attempts": 2}
    assert "another notebook is writing there" in notices()[0]
    assert update("exercises", "11.4", one_more) == {"attempts": 3}
    assert json.loads(progress_path.read_text())["exercises"]["11.4"]["attempts"] == 3


# --- two kernels, and kernels that are killed -----------------------------------------


@pytest.mark.slow
def test_two_kernels_lose_nothing(progress_path):
    kernels = [counting("11.4", 100), counting("11.4", 100), counting("11.5", 100)]
    for kernel in kernels:
        _, said = kernel.communicate(timeout=60)
        assert (kernel.returncode, said) == (0, b"")
    assert read("exercises") == {"11.4": {"attempts": 200}, "11.5": {"attempts": 100}}
    assert there(progress_path) == {"progress.json"}


@pytest.mark.slow
def test_killed_at_any_time_nothing_is_lost(progress_path):
    wait = random.Random(3)
    before = 0
    for _ in range(15):
        kernel = counting("11.4", 10**6)
        deadline = time.monotonic() + 20
        while attempts() <= before:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(wait.uniform(0, 0.02))
        kernel.send_signal(signal.SIGKILL)
        kernel.communicate()
        after = json.loads(progress_path.read_text())["exercises"]["11.4"]["attempts"]
        assert after > before
        before = after
    update("exercises", "11.4", one_more)
    assert attempts() == before + 1
    assert notices() == []
    assert there(progress_path) == {"progress.json"}


def attempts():
    return read("exercises").get("11.4", {}).get("attempts", 0)
