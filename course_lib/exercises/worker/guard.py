"""What an answer may not do, each refused with a sentence that a learner understands.

It runs in the process that runs the answer, before the answer is even read. An audit
hook can't be removed; it tells. Where the system can enforce as well, `limits` does.
"""

import importlib.machinery
import linecache
import os
import sys

LIBRARY = "course_lib"
PROCESSES = frozenset(
    {
        *("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn"),
        *("os.system", "os.startfile", "pty.spawn"),
        *("subprocess.Popen", "_winapi.CreateProcess"),
    }
)
NETWORK = frozenset(
    {
        *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg"),
        *("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"),
    }
)
# Event → where its paths stand, and the folder handles that they may be relative to.
CHANGES = {
    "os.remove": [(0, 1)],
    "os.rmdir": [(0, 1)],
    "os.mkdir": [(0, 2)],
    "os.rename": [(0, 2), (1, 3)],
    "os.link": [(0, 2), (1, 3)],
    "os.symlink": [(0, 2), (1, 2)],
    "os.chmod": [(0, 2)],
    "os.chown": [(0, 3)],
    "os.utime": [(0, 3)],
    "os.truncate": [(0, None)],
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Banned(BaseException):
    """Something was used ready-made; no `except Exception` is meant to hide it."""


# --- names that an exercise bans ------------------------------------------------------


def find_loaded(dotted):
    """Look up a dotted name without importing anything.

    Parameters
    ----------
    dotted : str
        Such as ``"torch.nn.functional.softmax"`` or ``"torch.Tensor.softmax"``.

    Returns
    -------
    tuple (owner, name, thing) or None
        None if its module is not loaded or has no such name.
    """
    parts = dotted.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        owner = sys.modules.get(".".join(parts[:cut]))
        if owner is not None:
            for name in parts[cut:-1]:
                owner = attribute(owner, name)
            thing = attribute(owner, parts[-1])
            return None if thing is None else (owner, parts[-1], thing)
    return None


def attribute(owner, name):
    """Return an attribute, or None; of a module only what it has loaded already."""
    if type(owner) is type(sys):
        return vars(owner).get(name)
    return getattr(owner, name, None)


def forbid(names, tell):
    """Make every banned name raise, now or as soon as its module is imported.

    Parameters
    ----------
    names : sequence of str
        Dotted names. Those of this library are not reachable anyway.
    tell : callable
        Told the name when it is used, whether or not the answer catches what it raises.
    """
    names = [name for name in names if name.split(".")[0] != LIBRARY]
    for name in names:
        poison(name, tell)
    if names:
        sys.meta_path.insert(0, LateBans(names, tell))


def poison(dotted, tell):
    """Put a refusal in the place of a loaded name, under all its aliases."""
    found = find_loaded(dotted)
    if found is None or type(found[2]) is Refusal:
        return
    owner, name, thing = found
    refusal = Refusal(dotted, tell)
    if isinstance(thing, type):  # a class stays one: others may ask isinstance
        owner, name, thing = thing, "__init__", None
        refusal = refusal.as_method()
    try:
        setattr(owner, name, refusal)
    except TypeError:  # a method of a type written in C
        return
    for module in modules_of(dotted.split(".")[0]) if thing is not None else ():
        for alias in [key for key, value in vars(module).items() if value is thing]:
            setattr(module, alias, refusal)


def modules_of(package):
    """Return the loaded modules of a package, itself included."""
    names = [n for n in sys.modules if n == package or n.startswith(package + ".")]
    return [sys.modules[n] for n in names if type(sys.modules[n]) is type(sys)]


class Refusal:
    """Stands where a banned function stood."""

    def __init__(self, dotted, tell):
        self.dotted = dotted
        self.tell = tell

    def __call__(self, *args, **kwargs):
        self.tell(self.dotted)
        raise Banned(self.dotted)

    def as_method(self):
        """Return it as a function, which a class passes its instance to."""
        return lambda *args, **kwargs: self()


class LateBans:
    """An import hook that poisons the banned names of modules that come later."""

    def __init__(self, names, tell):
        self.names = names
        self.tell = tell
        self.depth = 0
        parts = [name.split(".") for name in names]
        self.modules = {".".join(p[:cut]) for p in parts for cut in range(1, len(p))}

    def find_spec(self, name, path=None, target=None):
        """Find the module as Python would, and look at it once it has run."""
        if name not in self.modules:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module
            spec.loader.exec_module = lambda module: self.execute(run, module)
        return spec

    def execute(self, run, module):
        self.depth += 1
        try:
            run(module)
        finally:
            self.depth -= 1
        if self.depth == 0:  # a package is complete once the outermost import ends
            for name in self.names:
                poison(name, self.tell)


# --- this library ---------------------------------------------------------------------


class NoLibrary:
    """An import hook in front of all others that refuses this library."""

    def __init__(self, tell):
        self.tell = tell

    def find_spec(self, name, path=None, target=None):
        """Refuse the library, leave all else to the next hook."""
        if name.split(".")[0] == LIBRARY:
            self.tell(LIBRARY)
            raise Banned(LIBRARY)


def close_library(folder, tell):
    """Let nobody import the library whose answers are asked for.

    Parameters
    ----------
    folder : str
        Where it lies, with its symbolic links resolved.
    tell : callable
        Told the library's name at each attempt.
    """
    sys.meta_path.insert(0, NoLibrary(tell))
    update = linecache.updatecache

    def without_library(filename, module_globals=None):
        # Warnings and tracebacks show source lines: that is no cheating. They get none.
        if is_within(os.path.realpath(filename), folder):
            return []
        return update(filename, module_globals)

    linecache.updatecache = without_library


# --- the audit hook -------------------------------------------------------------------


def watch(room, folder, tell):
    """Refuse other processes, the network, writing elsewhere, and reading the library.

    Parameters
    ----------
    room : str
        The only folder where an answer may change files.
    folder : str
        The library's. Both with their symbolic links resolved.
    tell : callable
        Told the library's name when one of its files is opened.
    """

    def hook(event, arguments):
        if event == "open":
            look_at_open(*arguments, room=room, folder=folder, tell=tell)
        elif event in CHANGES:
            for path, handle in CHANGES[event]:
                handle = -1 if handle is None else arguments[handle]
                look_at_change(arguments[path], handle, room)
        elif event in PROCESSES:
            raise PermissionError("an answer may not start other processes")
        elif event in NETWORK:
            raise PermissionError("an answer may not use the network")
        elif event in ("os.kill", "os.killpg") and arguments[0] != os.getpid():
            raise PermissionError("an answer may not send signals to other processes")

    sys.addaudithook(hook)


def look_at_open(path, mode, flags, *, room, folder, tell):
    """Raise if a file of the library is opened, or one outside of the room written."""
    if type(path) is int or path is None:
        return
    name = os.fsdecode(path)
    real = os.path.realpath(name)
    # A relative name may be meant from a folder handle that the event does not show.
    hidden = not os.path.isabs(name) and LIBRARY in name.split(os.sep)
    if hidden or is_within(real, folder):
        tell(LIBRARY)
        raise Banned(LIBRARY)
    if flags & WRITING and not is_within(real, room) and real != os.devnull:
        refuse_writing(name)


def look_at_change(path, handle, room):
    """Raise if anything outside of the room is removed, renamed, linked …"""
    if type(path) is int:
        return
    name = os.fsdecode(path)
    if handle != -1:
        name = os.path.join(os.readlink(f"/proc/self/fd/{handle}"), name)
    if not is_within(os.path.realpath(name), room):
        refuse_writing(name)


def refuse_writing(name):
    """Raise with the sentence for a file that is not the answer's."""
    said = "an answer may change files only in its own folder, where it starts"
    raise PermissionError(f"{said}: not {name[-200:]!r}")


def is_within(path, folder):
    """Whether a resolved path is the folder, or lies in it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
