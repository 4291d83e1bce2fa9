"""The limits themselves, tried in copies of this process."""

import errno
import os
import resource
import select
import signal
import struct
import sys
import threading
import time

import pytest

from course_lib.exercises.worker import limits

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


def in_a_copy(function):
    """Run a function in a copy of this process; return the repr of its result."""
    source, target = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(source)
        try:
            os.write(target, repr(function()).encode())
        finally:
            os._exit(0)
    os.close(target)
    ready, _, _ = select.select([source], [], [], 10)
    text = os.read(source, 2**16).decode() if ready else "it hangs"
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(source)
    return text


def error_of(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return None


def test_the_filter_refuses_processes_and_signals_and_nothing_else():
    def tries():
        parent = os.getppid()
        assert limits.filter_system_calls()
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        os.kill(os.getpid(), 0)
        with open(os.devnull, "w") as file:
            file.write("fine")
        return [
            error_of(os.fork),
            error_of(os.execv, "/bin/true", ["true"]),
            error_of(os.posix_spawn, "/bin/true", ["true"], {}),
            error_of(os.kill, parent, 0),
            error_of(os.kill, -1, 0),
            error_of(os.kill, 0, 0),
        ]

    assert in_a_copy(tries) == repr(["EPERM"] * 6)


def test_the_filter_is_well_formed_on_both_machines():
    for name, calls in limits.SYSTEM_CALLS.items():
        steps = list(limits.filter_program(calls))
        assert len(steps) < 4096, name
        for place, raw in enumerate(steps):
            code, if_true, if_false, _ = struct.unpack("=HBBI", raw)
            jumps = code in (limits.IF_EQUAL, limits.IF_AT_LEAST, limits.IF_BIT)
            furthest = place + 1 + max(if_true, if_false)
            assert furthest < len(steps) if jumps else (if_true, if_false) == (0, 0)
        assert struct.unpack("=HBBI", steps[-1])[3] == limits.ALLOW


def test_memory_files_and_cores_are_limited():
    def tries():
        limits.restrict(1.0)
        kinds = "RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_CPU"
        found = [resource.getrlimit(getattr(resource, kind)) for kind in kinds]
        space = resource.getrlimit(resource.RLIMIT_AS)[0] - limits.mapped()
        try:
            bytearray(3 * 2**30)
        except MemoryError:
            return [*found, 0 <= limits.MEMORY - space < 2**26]

    size = limits.FILE_SIZE
    assert in_a_copy(tries) == repr([(0, 0), (size, size), (64, 64), True])


def test_a_limit_is_never_raised():
    def tries():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        limits.lower("RLIMIT_FSIZE", 10**6)
        limits.lower("RLIMIT_NO_SUCH", 3)
        return resource.getrlimit(resource.RLIMIT_FSIZE)

    assert in_a_copy(tries) == "(1000, 1000)"


def test_descendants_are_found_however_far_they_have_gone():
    def tries():
        limits.adopt_orphans()
        pids, (source, target) = [], os.pipe()
        for _ in range(3):
            if os.fork() == 0:
                os.setsid()
                os.fork()  # its own parent may end first, or second
                os.write(target, b"%8d" % os.getpid())
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(30)
        pids = [int(os.read(source, 8)) for _ in range(6)]
        begun = time.monotonic()
        ended = limits.end_descendants(), limits.children()
        alive = [pid for pid in pids if error_of(os.kill, pid, 0) is None]
        return *ended, alive, time.monotonic() - begun < 1

    assert in_a_copy(tries) == "(True, [], [], True)"


def test_a_process_dies_with_its_parent():
    def tries():
        source, target = os.pipe()
        if os.fork() == 0:  # the parent
            mine = os.getpid()
            if os.fork() == 0:
                limits.die_with(mine)
                os.write(target, b"ready")
                time.sleep(5)
                os.write(target, b"still here")
                os._exit(0)
            os.read(source, 5)
            os.kill(mine, signal.SIGKILL)
        os.wait()
        os.close(target)
        return os.read(source, 10)  # its end, once nobody holds the other side

    assert in_a_copy(tries) == "b''"


def test_a_process_whose_parent_has_ended_before_ends_at_once():
    assert in_a_copy(lambda: limits.die_with(-1)) == ""
