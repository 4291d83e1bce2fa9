"""What keeps a learner's function from being sent to the checking process."""

import contextlib
import functools
import types

from course_lib.exercises.worker.wire import full_name


def explain(thing, error, dump):
    """Say which variable of which function can't travel, and why.

    Parameters
    ----------
    thing : object
        What could not be packed.
    error : Exception
        Why not.
    dump : callable
        Tries to pack one thing, and raises if it can't.

    Returns
    -------
    str
        A sentence for the learner.
    """
    place, value, error = culprit("your answer", thing, error, dump, set())
    said = f"The check runs in another process, and {place} can't go there"
    name = full_name(type(value))
    article = "an" if name[0].lower() in "aeiou" else "a"
    return f"{said}: it is {article} {name}{reason_of(error)}."


def reason_of(error):
    """Return in brackets what the error says, if that is more than "can't"."""
    try:
        text = str(error)[:200]
    except Exception:  # a learner's own
        text = ""
    return f" ({text})" if text and not text.startswith("cannot pickle") else ""


def culprit(place, thing, error, dump, seen):
    """Follow a thing that can't be packed down to the variable that is the reason."""
    seen.add(id(thing))
    for name, part in parts_of(thing):
        if id(part) in seen:
            continue
        try:
            dump(part)
        except KeyboardInterrupt:
            raise
        except BaseException as inner:
            owner = getattr(thing, "__name__", "your answer")
            return culprit(f"`{name}` in `{owner}`", part, inner, dump, seen)
    return place, thing, error


def parts_of(thing):
    """Yield the name and value of everything that has to travel with a thing."""
    kind = type(thing)  # not asked of the thing itself, which may lie
    if kind is types.MethodType:
        yield "self", thing.__self__
        thing = thing.__func__
    if kind is functools.partial:
        yield from parts_of(thing.func)
    if type(thing) is types.FunctionType:
        yield from cells_of(thing)
        used = set(names_in(thing.__code__))
        yield from ((n, v) for n, v in thing.__globals__.items() if n in used)
        yield from defaults_of(thing)
    elif issubclass(kind, type | types.ModuleType):
        yield from ((n, v) for n, v in vars(thing).items() if not n.startswith("__"))
        init = vars(thing).get("__init__")
        yield from parts_of(init) if init else ()


def defaults_of(function):
    """Yield the arguments that have a default, and the defaults."""
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    yield from zip(names[len(names) - len(defaults) :], defaults, strict=True)
    yield from (function.__kwdefaults__ or {}).items()


def cells_of(function):
    """Yield what a function closes over, as far as it has a value yet."""
    names = function.__code__.co_freevars
    for name, cell in zip(names, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):
            yield name, cell.cell_contents


def names_in(code):
    """Yield the global names in a function's code and in functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from names_in(constant)
