"""Run a learner's function in a process of its own, and bring back plain values.

The function travels by value into a warm child process, which runs it in a copy of
itself, under limits. Back come raw arrays and numbers: what they are worth is decided
here, by whoever asked. Whatever the function does, the notebook's own process stays as
it is.
"""

import atexit
import os
import sys
import threading
from typing import NamedTuple

from course_lib.exercises.worker import process, source, travel, wire
from course_lib.exercises.worker.wire import Foreign, Tensor

__all__ = ["Foreign", "Outcome", "Tensor", "close", "missing_limits", "run"]

KINDS = "returned", "raised", "timeout", "crashed", "refused", "banned"
UNREADABLE = KeyError, TypeError, ValueError, AttributeError, IndexError

_lock = threading.RLock()
_checker = None  # the one child, kept warm between checks


class Outcome(NamedTuple):
    """What came of running an answer.

    Attributes
    ----------
    kind : str
        "returned", "raised", "timeout", "crashed", "refused" (it can't be sent), or
        "banned" (it uses what the exercise bans).
    values : list
        What the finished calls returned: exact arrays, Python numbers, str, None, lists
        and tuples of these, `Tensor`, or `Foreign` for everything else.
    call : int
        The index of the call at which it stopped, or how many there were.
    error : str
        For a person: the exception, how it crashed, why it can't be sent, or the banned
        name.
    line : str
        The learner's own line where it raised, empty if unknown.
    lineno : int
        That line's number within the function, 1 is its ``def`` line; 0 if unknown.
    printed : str
        What it printed, at most 64 KB.
    mutated : bool
        It wrote to an argument, or tried to: arrays can't be written to.
    seconds : float
        What the calls took.
    """

    kind: str
    values: list
    call: int
    error: str
    line: str
    lineno: int
    printed: str
    mutated: bool
    seconds: float


def run(answer, calls, *, use=None, banned=(), seconds=5.0, needs_torch=False):
    """Call a learner's function with each set of arguments.

    Parameters
    ----------
    answer : function, class or value
        The learner's.
    calls : list of tuple
        The arguments of each call: arrays, Python numbers, str, None, torch tensors
        if `needs_torch`, and lists and tuples of these.
    use : function, optional
        Ours; called instead as ``use(answer, *arguments)``. It travels by value too.
    banned : sequence of str
        Dotted names that the answer may not use, under whatever alias.
    seconds : float
        The limit for all calls together.
    needs_torch : bool
        Whether tensors travel back.

    Returns
    -------
    Outcome

    Raises
    ------
    TypeError
        An argument in `calls` is of a type that does not travel.
    RuntimeError
        The child can't be started.
    """
    try:
        parcels = travel.pack(answer, banned), travel.pack(use)
    except travel.Banned as found:
        return failed("banned", str(found), len(calls))
    except travel.Refused as reason:
        return failed("refused", str(reason), len(calls))
    where = source.source_of(answer)
    where["files"] = parcels[0].files
    header, chunks = request(calls, *parcels, needs_torch)
    header |= {"banned": list(banned), "seconds": float(seconds), "source": where}
    with _lock:
        return ask(header, chunks)


def failed(kind, error, call):
    """Return the outcome of an answer of which nothing came back."""
    return Outcome(kind, [], call, error, "", 0, "", False, 0.0)


def request(calls, answer, use, needs_torch):
    """Return header and body of a request: arguments, then both packed functions."""
    encoder = wire.Encoder(sys.modules.get("torch") if needs_torch else None)
    nodes = [encoder.encode(tuple(arguments)) for arguments in calls]
    foreign = [name for node in nodes for name in foreign_in(node)]
    if foreign:
        raise TypeError(f"run: `calls` holds {foreign[0]}, which does not travel")
    middle = encoder.size + len(answer.data)
    header = {
        "calls": nodes,
        "answer": [encoder.size, middle],
        "use": [middle, middle + len(use.data)],
        "needs_torch": needs_torch,
        "imports": ["torch"] * needs_torch + answer.modules + use.modules,
    }
    return header, [*encoder.chunks, answer.data, use.data]


def foreign_in(node):
    """Return the names of what did not travel in an encoded value."""
    if type(node) is not list:
        return []
    if node[0] == "foreign":
        return [node[1]]
    inside = node[1] if node[0] in ("list", "tuple") else []
    return [name for item in inside for name in foreign_in(item)]


def ask(header, chunks):
    """Let the child answer; replace it if that ends badly, or is interrupted."""
    checker, good = ready(header, chunks), False
    try:
        reply = checker.finish(header["seconds"])
        result = outcome(reply, header["source"])
        good = process.FORKS and result.kind not in ("timeout", "crashed")
    except process.Late:
        result = failed("timeout", "", 0)
    except (process.Gone, *UNREADABLE) as error:
        result = failed("crashed", f"the checking process was disturbed: {error}", 0)
    finally:
        if not good:
            retire()
    if not good:
        begin()  # it loads while the learner reads
    return result


def ready(header, chunks):
    """Hand the request to the child; to a new one, if the old has ended meanwhile."""
    for last in (False, True):
        checker = begin()
        try:
            checker.start(header, chunks)
        except (process.Gone, process.Late) as error:
            retire()
            if last:
                raise RuntimeError(
                    f"the checking process can't be started: {error or 'no reply'}"
                ) from None
        except BaseException:
            retire()
            raise
        else:
            return checker
    return None


def begin():
    """Return the child, started if there is none."""
    global _checker
    if _checker is None or _checker.owner != os.getpid():
        _checker = process.Checker()
    return _checker


def retire():
    """End the child, if there is one."""
    global _checker
    old, _checker = _checker, None
    if old is not None:
        old.end()


def outcome(reply, where):
    """Turn a reply into an outcome. It may come from a cheat: doubt all of it."""
    header, body = reply
    said = header.get("said") or {}
    kind = said["kind"] if header["kind"] == "answered" else header["kind"]
    error = said.get("error") or header["error"]
    line, number = line_of(said, where)
    if header["banned"]:
        kind, error = "banned", header["banned"]
    if kind not in KINDS:
        raise wire.Malformed(f"no such kind of outcome: {kind!r:.40}")
    return Outcome(
        kind,
        [wire.decode(node, body) for node in said.get("values", [])],
        int(said.get("call", header["call"])),
        str(error),
        line,
        number,
        str(header["printed"]),
        bool(said.get("mutated")),
        float(header["seconds"]),
    )


def line_of(said, where):
    """Return text and number of the line that raised."""
    line, elsewhere = said.get("line"), said.get("elsewhere")
    if line:
        return source.text_of(where["file"], line), source.number_of(line, where)
    if elsewhere and elsewhere[0] in where["files"]:
        return source.text_of(*elsewhere), 0
    return "", 0


def close():
    """End the child process; the next `run` starts a new one."""
    with _lock:
        retire()


atexit.register(close)


def missing_limits():
    """Say which limits this platform can't keep.

    Returns
    -------
    list of str
        Empty on Linux.
    """
    if process.FORKS:
        return []
    missing = ["memory", "processes that an answer starts from C code and hides"]
    if os.name != "posix":
        missing += ["the size of files", "processor time"]
    return missing
