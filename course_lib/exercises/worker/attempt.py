"""One attempt at an exercise: rebuild the answer, call it, describe what came of it.

It runs in a process that is thrown away afterwards. Until the answer is rebuilt, what
runs here is ours; from then on nothing in this process can be relied on, and whoever
reads the reply has to doubt it.
"""

import builtins
import importlib
import io
import os
import pickle
import signal
import sys
from json import dumps

# Bound before an answer can replace them, as in `wire`.
from numpy import array as copy_of
from numpy import ndarray

from . import board, guard, limits, wire

MESSAGE_LIMIT = 2000  # characters of an exception's own text
builtins.display = print  # in a notebook it is as common
ORIGINAL = dict(vars(builtins))
restore = vars(builtins).update
own_name = type.__dict__["__name__"].__get__  # past what a metaclass may say


def run_answer(request, shared, config, room):
    """Read the answer, run it on every set of arguments.

    Returns
    -------
    said : dict
        Its kind is "returned", "raised" or "refused".
    chunks : list of bytes
        The arrays that it returned.
    """
    os.chdir(room)
    hide_ourselves()
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = board.stream(shared)
    sys.unraisablehook = lambda _: None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    header, body = request
    guard.forbid(header["banned"], shared.ban)
    guard.close_library(config["library"], shared.ban)
    limits.restrict(header["seconds"])
    guard.watch(os.path.realpath(room), config["library"], shared.ban)
    try:
        answer, use = (
            Unpickler(body[slice(*header[name])], shared.ban).load()
            for name in ("answer", "use")
        )
    except BaseException:
        error = describe(sys.exc_info()[:2])
        return {"kind": "refused", "error": error}, []
    return Run(answer, use, header, body).run(shared)


def hide_ourselves():
    """Take this program's own modules out of the answer's sight."""
    package = __package__
    for name in [n for n in sys.modules if n.split(".")[0] == package]:
        del sys.modules[name]
    sys.modules["__main__"] = type(sys)("__main__")


class Unpickler(pickle.Unpickler):
    """Rebuilds what the course has packed, and what it has named instead."""

    def __init__(self, data, tell):
        super().__init__(io.BytesIO(data))
        self.tell = tell

    def persistent_load(self, stand_in):
        """Return a module's own namespace, or a refusal."""
        kind, name = stand_in
        if kind == "namespace":
            return vars(importlib.import_module(name))
        return guard.Refusal(name, self.tell)


class Run:
    """The calls of one answer."""

    def __init__(self, answer, use, header, body):
        self.answer = answer
        self.use = use
        self.header = header
        self.body = body
        torch = sys.modules.get("torch") if header["needs_torch"] else None
        self.encoder = wire.Encoder(torch)
        self.torch = torch
        self.mutated = False

    def run(self, shared):
        """Return what to say, and the arrays with it."""
        calls, values = self.header["calls"], []
        said = {"kind": "returned", "values": values, "call": len(calls)}
        for number, node in enumerate(calls):
            shared.call = number
            try:
                values.append(self.call(node))
            except BaseException:
                said |= {"kind": "raised", "call": number, **self.failure()}
                break
        return said | {"mutated": self.mutated}, self.encoder.chunks

    def call(self, node):
        """Make one call with arguments of its own; return the node of its result."""
        arguments = self.arguments(node)
        try:
            if self.use is None:
                value = self.answer(*arguments)
            else:
                value = self.use(self.answer, *arguments)
        finally:
            restore(ORIGINAL)  # whoever replaces `len` replaces it for us as well
        result = self.encoder.encode(value)
        if can_change(node):
            given = self.arguments(node)
            self.mutated |= self.content(arguments) != self.content(given)
        return result

    def arguments(self, node):
        """Return arguments that nobody else has."""
        return wire.decode(node, self.body, self.tensor, unwritable)

    def tensor(self, array, dtype, requires_grad):
        """Return a torch tensor; its numbers can be written to, as torch has it."""
        tensor = self.torch.from_numpy(copy_of(array))
        tensor = tensor.to(getattr(self.torch, dtype.removeprefix("torch.")))
        return tensor.requires_grad_(requires_grad)

    def content(self, arguments):
        """Return what can be compared even where it holds NaN."""
        encoder = wire.Encoder(self.torch)
        return dumps(encoder.encode(arguments)), encoder.chunks

    def failure(self):
        """Describe the exception that is being handled."""
        kind, error, traceback = sys.exc_info()
        line, elsewhere = self.place(traceback)
        text = describe((kind, error))
        unwritable = "read-only" in text or "WRITEABLE" in text
        if kind is ValueError and unwritable and (line or elsewhere):
            self.mutated = True
        return {"error": text, "line": line, "elsewhere": elsewhere}

    def place(self, traceback):
        """Return the line of the answer that failed, and where below it that was.

        The first is 0 unless it lies within the answer's own source; the second is a
        file and a line of what the learner wrote elsewhere, or None.
        """
        source = self.header["source"]
        line, elsewhere = 0, None
        while traceback is not None:
            file, here = traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
            if file == source["file"] and source["first"] <= here <= source["last"]:
                line = here
            elif file in source["files"]:
                elsewhere = [file, here]
            traceback = traceback.tb_next
        return line, elsewhere


def can_change(node):
    """Whether an argument can be written to: a list, or a tensor."""
    if type(node) is not list:
        return False
    inside = node[1] if node[0] == "tuple" else []
    return node[0] in ("list", "tensor") or any(map(can_change, inside))


def unwritable(view):
    """Return a copy of an array that nobody can make writable: it owns no memory."""
    return ndarray(view.shape, view.dtype, view.tobytes())


def describe(exception):
    """Return "Type: message" of an exception that may do anything when it is asked."""
    kind, error = exception
    try:
        message = str.__str__(str(error))[:MESSAGE_LIMIT]
    except BaseException:
        message = "(its message can't be shown)"
    name = own_name(kind)
    return f"{name}: {message}" if message else name
