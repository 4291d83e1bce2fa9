"""The checking process as seen from the notebook: start it, ask it, end it.

Nothing here waits without a deadline, whatever the other side does or fails to do.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from course_lib.exercises.worker import wire

PROGRAM = Path(__file__).with_name("child.py")
LIBRARY = Path(__file__).resolve().parents[2]
FORKS = sys.platform == "linux"  # where a copy can be limited, and its orphans found
START_LIMIT = 60.0  # seconds until it has loaded what an answer needs: torch, at worst
GRACE = 0.6  # seconds beyond an answer's time in which the child itself should reply
MARK = "COURSE_LIB_CHECKER"
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
PIECE = 2**20


class Gone(Exception):
    """The process has ended, or what it sends is no reply."""


class Late(Exception):
    """The process has not replied in time."""


class Checker:
    """One child process. It is started at once and is ready when it first replies."""

    def __init__(self):
        self.owner = os.getpid()
        self.token = os.urandom(16)
        self.buffer = bytearray()
        self.room = tempfile.mkdtemp(prefix="checking-")
        config = {
            "token": self.token.hex(),
            "room": os.path.realpath(self.room),
            "library": str(LIBRARY),
            "paths": [path for path in sys.path if "-packages" in path],
            "once": not FORKS,
        }
        self.process = self.launch(json.dumps(config))
        if os.name == "posix":
            os.set_blocking(self.process.stdin.fileno(), False)

    def launch(self, config):
        """Start Python on the child's program, apart from the notebook's signals."""
        with open(os.path.join(self.room, "errors"), "wb") as errors:
            return subprocess.Popen(
                [sys.executable, "-I", str(PROGRAM), config],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                cwd=self.room,
                env=self.environment(),
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )

    def environment(self):
        """Return the notebook's environment, less what would change Python."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
        kept |= dict.fromkeys(ONE_THREAD, "1")
        # Every descendant inherits the mark, wherever it hides.
        return kept | {"TMPDIR": self.room, "TEMP": self.room, MARK: self.token.hex()}

    def start(self, header, chunks):
        """Hand over a request; return once the answer is about to run.

        Raises
        ------
        Gone, Late
        """
        deadline = time.monotonic() + START_LIMIT
        self.send(wire.pack(self.token, header, chunks), deadline)
        self.receive(deadline)

    def finish(self, seconds):
        """Return the reply to the request, a `wire.Frame`.

        Parameters
        ----------
        seconds : float
            What the answer may take.

        Raises
        ------
        Gone, Late
        """
        return self.receive(time.monotonic() + seconds + GRACE)

    def send(self, data, deadline):
        """Write all of it."""
        data, pipe = memoryview(data), self.process.stdin.fileno()
        try:
            while data:
                wait_for(pipe, "write", deadline)
                with contextlib.suppress(BlockingIOError):
                    data = data[os.write(pipe, data) :]
        except OSError as error:  # BrokenPipeError, on Windows also others
            raise Gone(self.last_words()) from error

    def receive(self, deadline):
        """Read one frame."""
        pipe = self.process.stdout.fileno()
        while True:
            try:
                frame = wire.take(self.buffer, self.token)
            except wire.Malformed as error:
                raise Gone(str(error)) from None
            if frame is not None:
                return frame
            wait_for(pipe, "read", deadline)
            data = os.read(pipe, PIECE)
            if not data:
                raise Gone(self.last_words())
            self.buffer += data

    def last_words(self):
        """Return the last line of what it wrote to stderr."""
        with contextlib.suppress(OSError, IndexError):
            text = Path(self.room, "errors").read_text(errors="replace")
            return text[-2000:].splitlines()[-1]
        return ""

    def end(self):
        """Kill it with all its descendants, and clear up."""
        if self.owner != os.getpid():  # a fork of the notebook: it is not ours
            return
        family = descendants(self.process.pid)  # nobody will know them afterwards
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        kill_all(family)
        self.end_strays()
        self.process.stdin.close()
        self.process.stdout.close()
        shutil.rmtree(self.room, ignore_errors=True)

    def end_strays(self, seconds=1.0):
        """Kill whatever bears the mark, until none has been seen three times."""
        # Once is not enough: one that is born while the list is made is not on it.
        deadline, quiet = time.monotonic() + seconds, 0
        while quiet < 3 and time.monotonic() < deadline:
            strays = marked(self.token.hex())
            kill_all(strays)
            quiet = 0 if strays else quiet + 1
            time.sleep(0.002)


def wait_for(pipe, what, deadline):
    """Wait until a pipe can be read, or written to."""
    if os.name != "posix":
        return wait_on_windows(pipe, what, deadline)
    poll = select.poll()
    poll.register(pipe, select.POLLIN if what == "read" else select.POLLOUT)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise Late


def wait_on_windows(pipe, what, deadline):
    """Do the same where pipes can only be asked how much is in them."""
    import _winapi
    import msvcrt

    handle = msvcrt.get_osfhandle(pipe)
    while what == "read":
        try:
            if _winapi.PeekNamedPipe(handle, 0)[0]:
                return
        except OSError:  # broken: reading gives the end of the file
            return
        if time.monotonic() > deadline:
            raise Late
        time.sleep(0.001)


# --- descendants ----------------------------------------------------------------------


def descendants(pid):
    """Return the processes below one, as far as the family is together."""
    import psutil  # comes with ipykernel

    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def marked(mark):
    """Return the processes with this mark in their environment: strays as well."""
    import psutil

    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def kill_all(processes):
    """Kill them; psutil compares start times, so a reused number is safe."""
    import psutil

    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.kill()
