"""The program of the checking process: it runs whatever a learner has written.

The course starts it by its path. Neither the course's package nor the answers in it can
be imported here. It stays warm, with NumPy loaded, and runs each answer in a copy of
itself (fork), so that nothing an answer changes reaches the next. The copy sends one
frame and is gone; its copies and theirs are killed. Where there is no fork to rely on,
it runs one answer itself and ends: the course keeps a fresh one ready.

    python child.py '{"token": …, "room": …, "library": …, "paths": […], "once": false}'
"""

import contextlib
import gc
import importlib.util
import json
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

import cloudpickle  # noqa: F401 - loaded here once, for all answers

# Bound before an answer can replace them.
leave, write = os._exit, os.write
PACKAGE = "_checking"
PIECE = 2**20


def neighbours(*names):
    """Load files beside this one as modules of a package of their own."""
    package = sys.modules.setdefault(PACKAGE, type(sys)(PACKAGE))
    for name in names:
        path = Path(__file__).with_name(f"{name}.py")
        spec = importlib.util.spec_from_file_location(f"{PACKAGE}.{name}", path)
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        setattr(package, name, module)
        spec.loader.exec_module(module)
        yield module


board, guard, limits, wire, attempt = neighbours(
    "board", "guard", "limits", "wire", "attempt"
)


class CourseGone(Exception):
    """The other end of the pipe is closed: there is nobody left to answer."""


# --- talking with the course ----------------------------------------------------------


def main(config):
    """Answer requests until the course is gone."""
    course = Course(bytes.fromhex(config["token"]))
    limits.adopt_orphans()
    sys.path += [path for path in config["paths"] if path not in sys.path]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the course says when to stop
    shared = board.Board()
    with contextlib.suppress(CourseGone):
        while True:
            request = course.receive()
            load(request.header["imports"])
            course.send({"kind": "started"})
            check = in_this_process if config["once"] else in_a_copy
            course.send(*check(request, shared, config, course))
            if config["once"]:
                break
    shutil.rmtree(config["room"], ignore_errors=True)


class Course:
    """The two pipes to the course. The usual descriptors 0, 1 and 2 lead nowhere."""

    def __init__(self, token):
        self.token = token
        self.input, self.output = os.dup(0), os.dup(1)
        self.buffer = bytearray()
        silence(0, 1)

    def receive(self):
        """Return the next request."""
        while True:
            frame = wire.take(self.buffer, self.token)
            if frame is not None:
                return frame
            data = os.read(self.input, PIECE)
            if not data:
                raise CourseGone
            self.buffer += data

    def send(self, header, body=b""):
        """Send a frame."""
        try:
            send(self.output, wire.pack(self.token, header, [body]))
        except BrokenPipeError:
            raise CourseGone from None


def silence(*descriptors):
    """Let descriptors lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in descriptors:
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def send(descriptor, data):
    """Write all of it."""
    data = memoryview(data)
    while data:
        data = data[write(descriptor, data) :]


def load(names):
    """Import modules that the answer mentions, so that they are warm the next time."""
    for name in names:
        with contextlib.suppress(Exception):  # then the answer fails in its own words
            importlib.import_module(name)


# --- one answer in a copy of this process ---------------------------------------------


def in_a_copy(request, shared, config, course):
    """Run one answer in a copy; return the header and body of the reply."""
    shared.clear()
    token = os.urandom(16)
    room = os.path.join(config["room"], "answer")
    os.makedirs(room, exist_ok=True)
    start = time.monotonic()
    output, input_of_copy = os.pipe()
    gc.freeze()  # what exists now is not searched again, nor copied page by page
    mine = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        limits.die_with(mine)
        be_the_copy(request, shared, config, room, input_of_copy, token)
    os.close(input_of_copy)
    try:
        kind, error, frame = wait_for(pid, output, token, request, course.input)
    finally:
        os.close(output)
        end_copy(pid)
        shutil.rmtree(room, ignore_errors=True)
    header = {"kind": kind, "error": error, "seconds": time.monotonic() - start}
    header |= {"call": shared.call, "printed": shared.printed, "banned": shared.banned}
    return ({**header, "said": frame.header}, frame.body) if frame else (header, b"")


def be_the_copy(request, shared, config, room, output, token):
    """Run the answer, send what it returned, and never come back."""
    code = 1
    try:
        silence(0, 1, 2)
        os.closerange(3, output)
        os.closerange(output + 1, 2**16)
        said, chunks = attempt.run_answer(request, shared, config, room)
        send(output, wire.pack(token, said, chunks))
        code = 0
    finally:
        leave(code)  # no atexit handlers, no waiting for threads


def wait_for(pid, output, token, request, course_input):
    """Read what the copy sends, but no longer than its time.

    Returns
    -------
    tuple (kind, error, frame)
        "answered" with its frame, or "timeout" or "crashed" with None.
    """
    deadline = time.monotonic() + request.header["seconds"]
    buffer, sources = bytearray(), [output, course_input]
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select(sources, [], [], min(left, 0.02))
        if course_input in ready:  # it never speaks before it has its answer
            raise CourseGone
        if output in ready:
            data = os.read(output, PIECE)
            buffer += data
            if not data:
                sources.remove(output)
            try:
                frame = wire.take(buffer, token)
            except wire.Malformed:
                return "crashed", "it wrote into files that are not its own", None
            if frame is not None:
                return "answered", "", frame
        elif ended := ending_of(pid):
            return "crashed", ended, None
    return "timeout", "", None


def ending_of(pid):
    """Return how the copy ended, None if it runs."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return None
    if ended.si_code == os.CLD_EXITED:
        return f"it ended Python itself, with exit code {ended.si_status}"
    name = signal.strsignal(ended.si_status) or "unknown signal"
    return f"{name.lower()} (signal {ended.si_status})"


def end_copy(pid):
    """Kill and reap the copy, its group, and whatever else it has left behind."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    if not limits.end_descendants():
        os._exit(1)  # it multiplies faster than it is killed: the course ends us all


def in_this_process(request, shared, config, course):
    """Run one answer here, where there are no copies."""
    shared.clear()
    silence(2)
    start = time.monotonic()
    said, chunks = attempt.run_answer(request, shared, config, config["room"])
    header = {"kind": "answered", "error": "", "seconds": time.monotonic() - start}
    header |= {"call": shared.call, "printed": shared.printed, "banned": shared.banned}
    return {**header, "said": said}, b"".join(chunks)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
