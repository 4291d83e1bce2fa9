"""How a learner's function gets into the checking process: by value.

Functions and classes of the notebook, of the learner's own modules and of this library
are sent as code, together with the globals that they use. What is installed is only
named. What an exercise bans, and what can't travel, is found before anything is sent.
"""

import contextlib
import functools
import io
import itertools
import operator
import pickle
import pickletools
import sys
import sysconfig
import time
import types
from pathlib import Path
from typing import NamedTuple

import cloudpickle

from course_lib.exercises.worker.guard import find_loaded
from course_lib.exercises.worker.reach import is_of_library, reachable
from course_lib.exercises.worker.stuck import explain

SIZE_LIMIT = 64 * 2**20  # bytes of one packed answer
TIME_LIMIT = 5.0  # seconds for packing it
LOOK_AT = 20_000  # steps of a packed answer that are searched for module names
STANDARD = ("stdlib", "platstdlib")  # as sysconfig calls Python's own folders
CACHED = functools._lru_cache_wrapper  # it would be looked up by its name
NO_FILE = "<code>"


class Refused(Exception):
    """The answer can't travel; the message says which variable, and why."""


class Banned(Exception):
    """The answer holds something that the exercise bans; the message is its name."""


class TooMuch(Exception):
    """The packed answer is too large, or packing takes too long."""


class Parcel(NamedTuple):
    """A packed answer.

    Attributes
    ----------
    data : bytes
    modules : list of str
        Installed modules that it mentions and that are loaded here.
    files : list of str
        Where the source of the learner's functions in it lies.
    """

    data: bytes
    modules: list
    files: list


def pack(thing, banned=()):
    """Pack a function, a class or a value.

    Parameters
    ----------
    thing : object
        Nothing about it, or about this process, is changed.
    banned : sequence of str
        Dotted names.

    Returns
    -------
    Parcel

    Raises
    ------
    Banned
        It holds, or uses, what one of the names means, under whatever name.
    Refused
        It can't travel.
    """
    bans = Bans(banned)
    try:
        data, files = dump(thing, bans)
    except (Banned, KeyboardInterrupt):
        raise
    except BaseException as error:  # packing asks the learner's objects
        raise Refused(explain(thing, error, lambda part: dump(part, bans))) from None
    return Parcel(data, modules_in(data), sorted(files))


def dump(thing, bans):
    """Return the bytes of a thing, and the files of the functions in it."""
    with Output() as output, by_value(set()) as registered:
        pickler = Pickler(output, bans, registered)
        pickler.dump(thing)
        return output.getvalue(), pickler.files


@contextlib.contextmanager
def by_value(registered):
    """Let modules be registered as travelling by value, for as long as this lasts."""
    try:
        yield registered
    finally:
        for module in registered:
            cloudpickle.unregister_pickle_by_value(module)


class Output(io.BytesIO):
    """Bytes in memory that stop growing in time."""

    def __init__(self):
        super().__init__()
        self.deadline = time.monotonic() + TIME_LIMIT

    def write(self, data):
        if self.tell() + memoryview(data).nbytes > SIZE_LIMIT:
            raise TooMuch(f"larger than {SIZE_LIMIT // 2**20} MB")
        if time.monotonic() > self.deadline:
            raise TooMuch(f"more than {TIME_LIMIT:g} s of packing")
        return super().write(data)


class StandIn(NamedTuple):
    """Sent instead of a thing: the child finds or makes it by its name."""

    kind: str  # "namespace" of a module, or "banned"
    name: str


class Pickler(cloudpickle.Pickler):
    """Packs by value all that is not installed, and looks for what is banned."""

    def __init__(self, file, bans, registered):
        super().__init__(file, protocol=5)
        self.bans = bans
        self.registered = registered
        self.files = set()
        self.constants = {}  # type → the names of its instances in its own module

    def persistent_id(self, thing):
        """Name a stand-in; pack all else."""
        return tuple(thing) if type(thing) is StandIn else None

    def reducer_override(self, thing):
        """Say how one thing is packed."""
        name = self.bans.name_of(thing)
        if name:
            raise Banned(name)
        kind = type(thing)
        if issubclass(kind, io.IOBase):
            return reduce_file(thing)
        if kind is types.ModuleType and is_own(thing.__name__):
            is_notebook = thing.__name__ == "__main__"  # all of it would be too much
            return NotImplemented if is_notebook else self.reduce_module(thing)
        if kind is types.FunctionType:
            return self.reduce_function(thing)
        if kind is types.CodeType and thing.co_filename != NO_FILE:
            # By its file a learner's line is found again; cloudpickle 3.1.3 drops it.
            in_file = operator.methodcaller("replace", co_filename=thing.co_filename)
            return in_file, (thing.replace(co_filename=NO_FILE),)
        if kind is CACHED and is_own(thing.__module__):
            options = thing.cache_parameters().values()
            return CACHED, (thing.__wrapped__, *options, functools._CacheInfo)
        if issubclass(kind, type):
            self.register(thing)
        constant = self.constants_of(kind).get(id(thing))
        return constant or super().reducer_override(thing)

    def constants_of(self, kind):
        """Return the names of a type's instances in its own installed module.

        They are asked for by ``is``, such as a mark for "no argument given": they must
        be named, since a copy would be another.
        """
        if kind not in self.constants:
            home = kind.__module__
            module = sys.modules.get(home) if type(home) is str else None
            known = vars(module) if module and is_installed(home) else {}
            names = {id(v): n for n, v in known.items() if type(v) is kind}
            self.constants[kind] = {} if issubclass(kind, type) else names
        return self.constants[kind]

    def register(self, thing):
        """See to it that what a learner's own module defines travels by value."""
        name = thing.__module__
        module = sys.modules.get(name) if type(name) is str else None
        known = {"__main__", *cloudpickle.list_registry_pickle_by_value()}
        if module is not None and name not in known and is_own(name):
            cloudpickle.register_pickle_by_value(module)
            self.registered.add(module)

    def reduce_function(self, function):
        """Pack a function, with the globals that it uses unless they are installed."""
        self.register(function)
        namespace = function.__globals__
        home = namespace.get("__name__", "")
        module = sys.modules.get(home)
        if module is None or vars(module) is not namespace or is_own(home):
            if not is_of_library(home):
                self.files.add(function.__code__.co_filename)
            return super().reducer_override(function)
        if is_importable(function):
            return NotImplemented
        # A wrapper made by an installed decorator, such as `np.errstate`.
        arguments = function.__code__, StandIn("namespace", home), function.__name__
        arguments += function.__defaults__, function.__closure__
        state = {"__kwdefaults__": function.__kwdefaults__}
        state |= {"__module__": function.__module__, "__doc__": function.__doc__}
        return types.FunctionType, arguments, (vars(function), state)

    def reduce_module(self, module):
        """Pack a module of the learner's own; what is banned in it is left behind."""
        state = {}
        for name, value in vars(module).items():
            # Of this library, also what only uses something banned.
            is_ours = is_of_library(module.__name__)
            banned = (self.bans.within if is_ours else self.bans.name_of)(value)
            if banned:
                value = StandIn("banned", banned)
            if not name.startswith("__"):
                state[name] = value
        return types.ModuleType, (module.__name__,), state


def reduce_file(file):
    """Pack the notebook's own output; refuse any other open file."""
    for name in ("stdout", "stderr"):
        if file is getattr(sys, name):
            return getattr, (sys, name)
    raise pickle.PicklingError("an open file")


def modules_in(data):
    """Return the installed modules that a packed answer mentions by name."""
    steps = itertools.islice(pickletools.genops(data), LOOK_AT)
    words = {word for _, word, _ in steps if type(word) is str}
    return sorted(w for w in words if w in sys.modules and is_installed(w))


# --- whose is it? ---------------------------------------------------------------------


def is_own(name):
    """Whether a module is the learner's or this library's."""
    return not is_installed(name)


def is_installed(name):
    """Whether a loaded module can be imported in any other Python of this kind."""
    module = sys.modules.get(name)
    file = getattr(module, "__file__", None)
    if name == "__main__" or is_of_library(name) or module is None:
        return False
    if type(file) is not str:  # built in, or a folder without __init__.py
        folders = list(getattr(module, "__path__", []))
        return all(is_installed_file(str(folder)) for folder in folders)
    return is_installed_file(file)


@functools.cache
def is_installed_file(file):
    """Whether a file belongs to Python or to an installed package."""
    path = Path(file).resolve()
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    paths = sysconfig.get_paths()
    return any(path.is_relative_to(Path(paths[k]).resolve()) for k in STANDARD)


def is_importable(function):
    """Whether the function is what its own name leads to in any Python of this kind."""
    if not is_installed(function.__module__):
        return False  # `functools.wraps` gives a wrapper the name of what it wraps
    found = find_loaded(f"{function.__module__}.{function.__qualname__}")
    return found is not None and found[2] is function


class Bans:
    """What an exercise bans, as objects: a name may have aliases, an object has none.

    Parameters
    ----------
    names : sequence of str
        Those that are not loaded here can't be held by an answer.
    """

    def __init__(self, names):
        self.things = {}  # id → the thing, kept so that its id stays its own, and name
        self.places = {}  # where a function of this library is written → name
        for name in names:
            found = find_loaded(name)
            thing = found[2] if found else None
            while thing is not None:  # a decorated function, and the one inside
                self.things[id(thing)] = thing, name
                self.places |= {place: name for place in [place_of(thing)] if place}
                thing = getattr(thing, "__wrapped__", None)

    def name_of(self, thing):
        """Return the banned name of a thing, None if it has none."""
        _, name = self.things.get(id(thing), (None, None))
        return name or (self.places.get(place_of(thing)) if self.places else None)

    def within(self, thing):
        """Return the first banned name among all that a thing leads to, or None."""
        names = map(self.name_of, reachable(thing)) if self.things else ()
        return next(filter(None, names), None)


def place_of(thing):
    """Return file and line of a function of this library, which a copy has as well."""
    if type(thing) is not types.FunctionType:
        return None
    code, home = thing.__code__, thing.__globals__.get("__name__")
    return (code.co_filename, code.co_firstlineno) if is_of_library(home) else None
