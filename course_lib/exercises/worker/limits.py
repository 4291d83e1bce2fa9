"""Limits that the operating system keeps: memory, file size, processes, descendants.

Whatever an answer does, even from C code, can't get past them. On Linux a filter in the
kernel (seccomp) refuses system calls that make a process, a connection, or a signal to
others. Elsewhere only some of this exists: see `worker.missing_limits`.
"""

import contextlib
import ctypes
import errno
import os
import platform
import signal
import struct
import sys
import time

try:
    import resource
except ImportError:  # Windows
    resource = None

LINUX = sys.platform == "linux"
MEMORY = 2 * 2**30  # bytes beyond what is mapped when the answer starts
FILE_SIZE = 16 * 2**20
PR_SET_PDEATHSIG, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER = 1, 22, 36
PR_SET_NO_NEW_PRIVS = 38
LIBC = ctypes.CDLL(None, use_errno=True) if LINUX else None

# Instructions of the kernel's packet filter language: linux/bpf_common.h, seccomp.h.
LOAD, IF_EQUAL, IF_AT_LEAST, IF_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
ALLOW = 0x7FFF0000
REFUSE = 0x00050000 | errno.EPERM
UNKNOWN = 0x00050000 | errno.ENOSYS
CLONE_THREAD = 0x00010000
OTHER_NUMBERING = 0x40000000  # x32, a second set of numbers for the same calls
SYSTEM_CALLS = {
    "x86_64": {
        "architecture": 0xC000003E,
        # fork vfork execve execveat ptrace process_vm_writev socket tkill
        # rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal
        "never": [57, 58, 59, 322, 101, 311, 41, 200, 129, 297, 424],
        "signals": [62, 234],  # kill tgkill
        "clone": 56,
        "clone3": 435,
    },
    "aarch64": {
        "architecture": 0xC00000B7,
        "never": [221, 281, 117, 271, 198, 130, 138, 240, 424],
        "signals": [129, 131],
        "clone": 220,
        "clone3": 435,
    },
}


def restrict(seconds):
    """Limit this process for good, before it runs an answer.

    Parameters
    ----------
    seconds : float
        How long the answer may take. The limit on processor time is only the last
        resort, should everything that watches have died.
    """
    if resource is not None:
        lower("RLIMIT_CORE", 0)
        lower("RLIMIT_FSIZE", FILE_SIZE)
        lower("RLIMIT_CPU", int(4 * seconds) + 60)
    if LINUX:
        lower("RLIMIT_AS", mapped() + MEMORY)
    if not filter_system_calls() and resource is not None and os.getuid() != 0:
        lower("RLIMIT_NPROC", 0)


def lower(name, value):
    """Set one limit, unless it is lower already or the system has none."""
    kind = getattr(resource, name, None)
    if kind is None:
        return
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def mapped():
    """Return the bytes of address space in use; torch alone maps most of a gigabyte."""
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


# --- the filter of system calls -------------------------------------------------------


def filter_system_calls():
    """Refuse new processes, sockets and signals to others; return whether it works."""
    calls = SYSTEM_CALLS.get(platform.machine()) if LINUX else None
    if calls is None:
        return False
    program = b"".join(filter_program(calls))
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions and where they are
    pointer = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    return LIBC.prctl(PR_SET_SECCOMP, 2, pointer, 0, 0) == 0


def filter_program(calls):
    """Yield the filter's instructions.

    A jump names how many instructions to skip if the test holds, and if it does not.
    """
    yield step(LOAD, ARCHITECTURE)
    yield step(IF_EQUAL, calls["architecture"], 1, 0)
    yield step(RETURN, REFUSE)
    yield step(LOAD, NUMBER)
    yield from verdict(IF_AT_LEAST, OTHER_NUMBERING, REFUSE)
    for number in calls["never"]:
        yield from verdict(IF_EQUAL, number, REFUSE)
    # It hides its flags behind a pointer. The C library then falls back on clone.
    yield from verdict(IF_EQUAL, calls["clone3"], UNKNOWN)
    yield from only_if(calls["clone"], IF_BIT, CLONE_THREAD)
    for number in calls["signals"]:
        yield from only_if(number, IF_EQUAL, os.getpid())
    yield step(RETURN, ALLOW)


def step(code, value, if_true=0, if_false=0):
    """Return one instruction."""
    return struct.pack("=HBBI", code, if_true, if_false, value)


def verdict(test, value, result):
    """Yield: if the test holds for the call's number, that is the result."""
    yield step(test, value, 0, 1)
    yield step(RETURN, result)


def only_if(number, test, value):
    """Yield: allow the call only if the test holds for its first argument."""
    yield step(IF_EQUAL, number, 0, 4)
    yield step(LOAD, FIRST_ARGUMENT)
    yield step(test, value, 0, 1)
    yield step(RETURN, ALLOW)
    yield step(RETURN, REFUSE)


# --- descendants ----------------------------------------------------------------------


def adopt_orphans():
    """Become the parent of every descendant whose own parent ends."""
    if LINUX:
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with(parent):
    """Be killed when the parent ends, even if it was killed itself."""
    if LINUX:
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the line above
            os._exit(1)


def end_descendants(seconds=1.0):
    """Kill and reap all descendants, however far they have moved away.

    Parameters
    ----------
    seconds : float
        When to give up: something that multiplies may be faster.

    Returns
    -------
    bool
        Whether none is left.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        if time.monotonic() > deadline:
            return False
        # Theirs become ours when they end, and are met in the next round.
        for pid in children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)


def children():
    """Return the process ids of all children, the ended ones included."""
    mine = str(os.getpid()).encode()
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:  # gone meanwhile
            continue
        if fields[1] == mine:
            found.append(int(name))
    return found
