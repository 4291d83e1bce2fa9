"""The other side may hang, lie, flood or be gone: nothing here waits for ever."""

import os
import sys
import time

import pytest

from course_lib.exercises.worker import process, wire
from course_lib.exercises.worker.process import Checker, Gone, Late

pytestmark = pytest.mark.slow  # starts processes, and waits for limits

HEAD = """
import json, os, sys, time
token = bytes.fromhex(json.loads(sys.argv[1])["token"])
"""
PROGRAMS = {
    "ends": ("", Gone),
    "fails": ("raise OSError('no more room')", Gone),
    "says nothing": ("time.sleep(60)", Late),
    "is deaf": ("os.close(0); time.sleep(60)", Late),
    "half a frame": ("os.write(1, b'exr1' + token + b'abc'); time.sleep(60)", Late),
    "garbage": ("os.write(1, b'garbage'); time.sleep(60)", Gone),
    "a flood": ("while True: os.write(1, b'exr1' + bytes(2**20))", Gone),
    "a huge frame": ("os.write(1, b'exr1' + token + b'\\xff' * 16); input()", Gone),
    "another's frame": ("os.write(1, b'exr1' + bytes(32)); time.sleep(60)", Gone),
    "drops": ("os.write(1, b'e'); [os.write(1, b'x') for _ in range(9)]", Gone),
}


@pytest.fixture
def checker(request, tmp_path, monkeypatch):
    program = tmp_path / "child.py"
    program.write_text(HEAD + request.param)
    monkeypatch.setattr(process, "PROGRAM", program)
    monkeypatch.setattr(process, "START_LIMIT", 0.4)
    checker = Checker()
    yield checker
    checker.end()
    assert checker.process.poll() is not None
    assert not process.marked(checker.token.hex())
    assert not os.path.exists(checker.room)


@pytest.mark.parametrize(
    ("checker", "error"), PROGRAMS.values(), ids=PROGRAMS, indirect=["checker"]
)
@pytest.mark.parametrize("size", [0, pytest.param(2**20, marks=pytest.mark.slow)])
def test_a_bad_child(checker, error, size):
    start = time.monotonic()
    # What is large does not fit into a pipe that nobody reads.
    wanted = (Gone, Late) if size else error
    with pytest.raises(wanted):
        checker.start({}, [bytes(size)])
    assert time.monotonic() - start < 2


@pytest.mark.parametrize("checker", ["sys.exit('no more room')"], indirect=True)
def test_its_last_words_are_kept(checker):
    with pytest.raises(Gone, match="no more room"):
        checker.start({}, [bytes(2**20)])


@pytest.mark.parametrize("checker", ["time.sleep(60)"], indirect=True)
def test_the_answers_time_counts_from_the_start(checker):
    checker.buffer += wire.pack(checker.token, {"kind": "started"})
    checker.start({}, [])
    start = time.monotonic()
    with pytest.raises(Late):
        checker.finish(0.1)
    assert 0.1 <= time.monotonic() - start < 1


@pytest.mark.parametrize("checker", ["time.sleep(60)"], indirect=True)
def test_ctrl_c_in_a_terminal_does_not_reach_the_child(checker):
    assert os.getpgid(checker.process.pid) == checker.process.pid


@pytest.mark.parametrize("checker", ["time.sleep(60)"], indirect=True)
def test_the_child_gets_a_clean_environment(checker, monkeypatch):
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere/startup.py")
    monkeypatch.setenv("COURSE_TEST", "kept")
    found = checker.environment()
    assert not [name for name in found if name.startswith("PYTHON")]
    assert found["COURSE_TEST"] == "kept"
    assert found["OMP_NUM_THREADS"] == "1"
    assert found["TMPDIR"] == checker.room
    assert sys.executable == checker.process.args[0]
