"""Hostile answers: none harms the notebook, hangs it, forges a result, or stays."""

import atexit
import builtins
import contextlib
import ctypes
import gc
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from course_lib.exercises import worker
from course_lib.exercises.worker import child, process
from course_lib.exercises.worker.wire import Foreign

pytestmark = pytest.mark.slow  # starts processes, and waits for limits

CASES = []


def hostile(*kinds, says="", slow=False):
    """Note an answer, how it may end, and what the learner is told."""

    def note(answer):
        marks = [pytest.mark.slow] if slow else []
        case = pytest.param(answer, kinds, says, id=answer.__name__, marks=marks)
        CASES.append(case)
        return answer

    return note


# --- it never ends --------------------------------------------------------------------


@hostile("timeout")
def endless(x):
    while True:
        pass


@hostile("timeout", slow=True)
def endless_and_catches_everything(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass


@hostile("timeout", slow=True)
def endless_in_a_finally(x):
    try:
        return x
    finally:
        while True:
            time.sleep(0.01)


@hostile("timeout", slow=True)
def endless_deaf_to_signals(x):
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    while True:
        pass


@hostile("timeout", slow=True)
def endless_in_integers(x):
    return 10**10**8


@hostile("timeout", slow=True)
def endless_in_a_sum(x):
    return sum(range(10**12))


@hostile("timeout", slow=True)
def endless_in_a_pattern(x):
    return re.match(r"(a+)+$", "a" * 60 + "b") is None


@hostile("timeout", slow=True)
def asleep(x):
    time.sleep(3600)


@hostile("timeout", slow=True)
def waits_for_itself(x):
    lock = threading.Lock()
    with lock, lock:
        return x


@hostile("timeout", slow=True)
def stops_itself(x):
    os.kill(os.getpid(), signal.SIGSTOP)


@hostile("timeout", slow=True)
def endless_tracing(x):
    def trace(*event):
        while True:
            pass

    sys.settrace(trace)
    return np.linalg.norm(x)


@hostile("timeout", slow=True)
def closes_everything_and_goes_on(x):
    os.closerange(0, 64)
    while True:
        pass


@hostile("timeout", slow=True)
def endless_error_message(x):
    class Endless(Exception):
        def __str__(self):
            while True:
                pass

    raise Endless


@hostile("timeout", "returned", slow=True)
def a_million_warnings(x):
    warnings.simplefilter("always")
    for number in range(10**6):
        warnings.warn(f"warning {number}", stacklevel=1)
    return x


# --- it ends Python -------------------------------------------------------------------


@hostile("crashed", says="segmentation fault (signal 11)")
def reads_address_zero(x):
    ctypes.string_at(0)


@hostile("crashed", says="aborted (signal 6)")
def aborts(x):
    os.abort()


@hostile("crashed", says="exit code 0")
def leaves_quietly(x):
    os._exit(0)


@hostile("crashed", says="exit code 1")
def leaves_loudly(x):
    os._exit(1)


@hostile("crashed", says="killed (signal 9)")
def kills_itself(x):
    os.kill(os.getpid(), signal.SIGKILL)


@hostile("crashed", "raised", "timeout", slow=True)
def recursion_without_end(x):
    sys.setrecursionlimit(10**9)

    def deeper(n):
        return deeper(n + 1) + 1

    return deeper(0)


@hostile("crashed", says="segmentation fault")
def recursion_through_c(x):
    sys.setrecursionlimit(10**9)

    class Deep:
        def __repr__(self):
            return repr([self])

    return repr(Deep())


@hostile("crashed")
def closes_everything(x):
    os.closerange(0, 64)
    return x


# --- it raises ------------------------------------------------------------------------


@hostile("raised", says="SystemExit: 0")
def exits(x):
    sys.exit(0)


@hostile("raised", says="KeyboardInterrupt")
def interrupts(x):
    raise KeyboardInterrupt


@hostile("raised", says="EOFError")
def asks_for_input(x):
    return input("? ")


@hostile("raised", says="RecursionError")
def recursion(x):
    return recursion_of(x)


def recursion_of(x):
    return recursion_of(x)


@hostile("raised", says="Own: out of everything")
def raises_below_exception(x):
    class Own(BaseException):
        pass

    raise Own("out of everything")


@hostile("raised", says="(its message can't be shown)")
def error_without_message(x):
    class Silent(Exception):
        def __str__(self):
            raise SystemExit

        __repr__ = __str__

    raise Silent


@hostile("raised", says="ValueError: aaaa")
def error_of_100_megabytes(x):
    raise ValueError("a" * 10**8)


@hostile("raised", says="Named: here")
def error_with_a_lying_class(x):
    class Meta(type):
        @property
        def __name__(cls):
            raise SystemExit

        __module__ = __name__

    class Named(Exception, metaclass=Meta):
        @property
        def __traceback__(self):
            raise SystemExit

    raise Named("here")


@hostile("raised", "crashed", says="")
def raises_later(x):
    def late(*event):
        raise RuntimeError("late")

    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    while True:
        pass


# --- it takes all memory, or prints without end ---------------------------------------


@hostile("raised", says="MemoryError")
def array_of_40_gigabytes(x):
    return np.ones(5 * 10**9)


@hostile("raised", "timeout", slow=True)
def list_without_end(x):
    rows = []
    while True:
        rows.append([0] * 10**6)


@hostile("raised", says="MemoryError")
def text_of_40_gigabytes(x):
    return "a" * (40 * 2**30)


@hostile("raised", "timeout", slow=True)
def keeps_memory_while_raising(x):
    rows = []
    while True:
        rows.append(bytearray(10**7))


@hostile("raised", says="OSError")
def file_of_a_gigabyte(x):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with open("large", "wb") as file:
        for _ in range(1024):
            file.write(bytes(2**20))


@hostile("returned")
def prints_100_megabytes(x):
    for _ in range(100):
        print("a" * 10**6)
    return x


@hostile("returned")
def prints_a_line_20000_times(x):
    for number in range(20_000):
        print(number)
        sys.stderr.write("?\n")
    return x


# --- it writes where it should not ----------------------------------------------------


@hostile("crashed", says="not its own")
def writes_to_every_descriptor(x):
    for descriptor in range(64):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"\0" * 100)
    return x


@hostile("crashed", says="not its own")
def floods_every_descriptor(x):
    def flood(descriptor):
        try:
            while True:
                os.write(descriptor, b"exr1" * 10**5)
        except OSError:
            pass

    threads = [threading.Thread(target=flood, args=[d]) for d in range(64)]
    for thread in threads:
        thread.start()
    return x


@hostile("crashed", says="not its own")
def forges_a_reply(x):
    said = {"kind": "returned", "values": [42], "call": 1, "mutated": False}
    text = json.dumps({"kind": "answered", "said": said, **said}).encode()
    frame = struct.pack("<4s16sQQ", b"exr1", b"\0" * 16, len(text), 0) + text
    for descriptor in range(64):
        with contextlib.suppress(OSError):
            os.write(descriptor, frame)
    os._exit(0)


@hostile("timeout", slow=True)
def half_a_frame(x):
    for descriptor in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(descriptor, b"exr1")
    time.sleep(3600)


# --- other processes ------------------------------------------------------------------

NO_PROCESS = "PermissionError: an answer may not start other processes"
NO_SIGNAL = "PermissionError: an answer may not send signals to other processes"


@hostile("raised", says=NO_PROCESS)
def forks(x):
    while True:
        os.fork()


@hostile("raised", says=NO_PROCESS)
def runs_a_program(x):
    return subprocess.run(["sleep", "3600"], check=False)


@hostile("raised", says=NO_PROCESS)
def runs_a_shell(x):
    return os.system("sleep 3600 &")


@hostile("raised", says=NO_PROCESS)
def spawns(x):
    return os.posix_spawn("/bin/sleep", ["sleep", "3600"], {})


@hostile("raised", says=NO_PROCESS)
def replaces_itself(x):
    os.execv("/bin/sleep", ["sleep", "3600"])


@hostile("raised", says=NO_PROCESS)
def uses_multiprocessing(x):
    import multiprocessing

    worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=[9])
    worker.start()


@hostile("raised", says="PermissionError: [Errno 1]")
def starts_below_the_audit_hook(x):
    from multiprocessing.util import spawnv_passfds

    return spawnv_passfds(b"/bin/sleep", [b"sleep", b"3600"], [])


@hostile("returned")
def forks_in_c(x):
    return [ctypes.CDLL(None).fork(), ctypes.CDLL(None).vfork()]


@hostile("raised", says=NO_SIGNAL)
def kills_its_parent(x):
    os.kill(os.getppid(), signal.SIGKILL)


@hostile("raised", says=NO_SIGNAL)
def kills_the_group(x):
    os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)


@hostile("returned")
def kills_everybody_in_c(x):
    libc = ctypes.CDLL(None)
    parent = os.getppid()
    return [libc.kill(pid, signal.SIGKILL) for pid in (parent, -parent, -1)]


@hostile("raised", says="PermissionError: an answer may not use the network")
def calls_home(x):
    import socket

    with socket.create_connection(("127.0.0.1", 9)) as line:
        return line.recv(1)


@hostile("returned")
def threads_that_go_on(x):
    def go_on():
        while True:
            time.sleep(0.001)

    for _ in range(20):
        threading.Thread(target=go_on).start()
    return x


@hostile("returned")
def goes_on_at_exit(x):
    atexit.register(time.sleep, 3600)
    return x


# --- it changes what is there ---------------------------------------------------------


@hostile("returned")
def patches_everything(x):
    def wrong(*args, **kwargs):
        return 42

    for name in ("ndarray", "allclose", "array", "array_equal", "frombuffer", "exp"):
        setattr(np, name, wrong)
    for name in ("print", "len", "type", "isinstance", "min", "any", "map", "open"):
        setattr(builtins, name, wrong)
    for module, name in (
        (json, "dumps"),
        (json, "loads"),
        (os, "_exit"),
        (os, "write"),
    ):
        setattr(module, name, wrong)
    sys.stdout = sys.stderr = sys.excepthook = sys.exc_info = None
    sys.modules.clear()
    return x


@hostile("returned")
def plays_in_the_room(x):
    Path("notes.txt").write_text("mine")
    Path("folder").mkdir()
    Path("notes.txt").rename("folder/notes.txt")
    shutil.rmtree("folder")
    os.environ["HOME"] = os.environ["PATH"] = "nowhere"
    os.umask(0o777)
    os.chdir("/")
    return x


@hostile("raised", says="only in its own folder")
def removes_the_room(x):
    shutil.rmtree(Path.cwd().parent)


@hostile("raised", says="only in its own folder")
def removes_a_file_elsewhere(x):
    os.remove(sys.executable)


@hostile("raised", says="only in its own folder")
def renames_a_file_elsewhere(x):
    os.rename(np.__file__, "mine.py")


# --- the cases, one by one ------------------------------------------------------------


@pytest.mark.parametrize(("answer", "kinds", "says"), CASES)
def test_survives(answer, kinds, says, survive):
    outcome = survive(answer)
    assert outcome.kind in kinds, outcome
    assert says in outcome.error
    assert len(outcome.printed.encode()) <= 2**16
    assert len(outcome.error) < 3000


def test_at_least_40_hostile_answers():
    assert len(CASES) >= 40


def test_patches_do_not_change_what_is_returned(survive):
    x = np.array([1.0, np.nan, -np.inf])
    np.testing.assert_array_equal(survive(patches_everything, (x,)).values[0], x)


def test_c_calls_fail_below_python(survive):
    assert survive(forks_in_c).values == [[-1, -1]]
    assert survive(kills_everybody_in_c).values == [[-1, -1, -1]]


def test_what_is_printed_comes_back_even_from_the_dead(survive):
    def says_something(x):
        print("before")
        sys.stderr.write("the end\n")
        os._exit(0)

    outcome = survive(says_something)
    assert (outcome.kind, outcome.printed) == ("crashed", "before\nthe end\n")
    assert survive(prints_100_megabytes).printed == "a" * 2**16


def test_the_call_is_known_at_which_it_stopped(nothing_left):
    def third(x):
        while x == 3:
            pass
        if x == 5:
            os._exit(0)
        return x

    calls = [(1,), (2,), (3,)]
    outcome = worker.run(third, calls, seconds=0.3)
    assert (outcome.kind, outcome.call, outcome.values) == ("timeout", 2, [])
    outcome = worker.run(third, [(1,), (5,), (6,)], seconds=0.3)
    assert (outcome.kind, outcome.call) == ("crashed", 1)


def test_the_room_is_fresh_each_time(nothing_left):
    def look(x):
        found = os.listdir()
        Path("mine").write_text("x")
        return found

    assert [worker.run(look, [(0,)]).values for _ in range(3)] == [[[]]] * 3


def test_an_answer_finds_nothing_but_its_own_input(survive):
    def search(x):
        frame, found = sys._getframe(), []
        while frame:
            found += list(frame.f_locals.values())
            frame = frame.f_back
        found += gc.get_objects()
        for thing in list(found):
            found += gc.get_referents(thing)
        arrays = [a for a in found if type(a) is np.ndarray and a.dtype == float]
        return [a.ravel()[:10].copy() for a in arrays if 0 < a.size < 1000][:1000]

    secret = np.array([31337.25, 271828.5])  # what the parent compares with
    given = np.array([1.5, 2.5])
    found = survive(search, (given,), seconds=5).values[0]
    assert any(np.array_equal(array, given) for array in found)
    assert not any(np.isin(secret, array).any() for array in found)


def test_nothing_of_this_program_can_be_imported(survive):
    def look(x):
        import __main__

        names = [name for name in sys.modules if child_package in name]
        return names + [name for name in vars(__main__) if not name.startswith("__")]

    child_package = child.PACKAGE
    assert survive(look).values == [[]]


# --- what would happen if something slipped through -----------------------------------


@pytest.fixture
def unguarded(tmp_path, monkeypatch):
    """A copy of the child's program that restricts nothing but memory."""
    folder = shutil.copytree(process.PROGRAM.parent, tmp_path / "copy" / "exercises")
    path = folder / "attempt.py"
    text = path.read_text()
    for line in ("    limits.restrict(", "    guard.watch("):
        assert line in text
        text = text.replace(line, "    str(")
    path.write_text(text.replace("str(os.path", "print(os.path"))
    monkeypatch.setattr(process, "PROGRAM", folder / "child.py")
    worker.close()
    yield
    worker.close()


def leaves_a_child(x):
    if os.fork() == 0:
        time.sleep(3600)
    return x


def leaves_a_daemon(x):
    if os.fork() == 0:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            os.setsid()
            time.sleep(3600)
        os._exit(0)
    return x


def leaves_a_daemon_in_c(x):
    libc = ctypes.CDLL(None)
    if libc.fork() == 0:
        libc.setsid()
        while True:
            pass
    return x


def leaves_a_daemon_and_hangs(x):
    leaves_a_daemon(x)
    time.sleep(3600)


def leaves_a_daemon_and_kills_its_parent(x):
    leaves_a_daemon(x)
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(3600)


def stops_its_parent(x):
    leaves_a_daemon(x)
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(3600)


def bombs(x):
    for _ in range(6):  # 64 processes; a guarded one can't have a single one
        os.fork()
    time.sleep(3600)


def opens_its_parents_pipe(x):
    for number in range(3, 10):
        try:
            with open(f"/proc/{os.getppid()}/fd/{number}", "wb") as pipe:
                pipe.write(b"exr1 forged")
        except OSError:
            pass
    time.sleep(3600)


SLIPPED = [
    (leaves_a_child, "returned"),
    (leaves_a_daemon, "returned"),
    (leaves_a_daemon_in_c, "returned"),
    (leaves_a_daemon_and_hangs, "timeout"),
    (leaves_a_daemon_and_kills_its_parent, "crashed"),
    (stops_its_parent, "timeout"),
    (bombs, "timeout"),
    (opens_its_parents_pipe, "crashed"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "kind"), SLIPPED)
def test_even_what_slips_through_is_ended(answer, kind, unguarded, survive):
    assert survive(answer).kind == kind


# --- where there is no fork -----------------------------------------------------------


@pytest.fixture
def without_fork(monkeypatch):
    monkeypatch.setattr(process, "FORKS", False)
    worker.close()
    yield
    worker.close()


@pytest.mark.slow
def test_without_copies_each_child_answers_once(without_fork, survive):
    def double(x):
        print("here")
        return 2 * x

    first = worker.begin()
    outcome = survive(double)
    assert (outcome.kind, outcome.printed) == ("returned", "here\n")
    assert worker.begin() is not first
    assert survive(endless).kind == "timeout"
    assert survive(reads_address_zero).kind == "crashed"
    assert survive(exits).kind == "raised"
    assert survive(threads_that_go_on).kind == "returned"
    assert worker.missing_limits()


def test_the_program_has_its_parts():
    parts = child.board, child.guard, child.limits, child.wire, child.attempt
    assert all(part.__package__ == child.PACKAGE for part in parts)
    assert Foreign is not child.wire.Foreign  # loaded by path, once more
