"""What a thing of this library leads to: all that a copy of it would take along."""

import functools
import types

from course_lib.exercises.worker.guard import LIBRARY

CONTAINERS = (list, tuple, set, frozenset)


def reachable(thing):
    """Yield a thing and all that it leads to, each once.

    Only what is of this library is entered, and no module: of a module, others decide
    name by name what is taken along.
    """
    seen, waiting = set(), [thing]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or type(one) is types.ModuleType:
            continue
        seen.add(id(one))
        yield one
        waiting += parts_of(one)


def parts_of(thing):
    """Return what a function, a class, an instance or a container holds."""
    kind = type(thing)
    if kind in CONTAINERS:
        return list(thing)
    if kind is dict:
        return list(thing.values())
    if kind in (staticmethod, classmethod, functools._lru_cache_wrapper):
        return [thing.__wrapped__]
    if kind is property:
        return [thing.fget, thing.fset, thing.fdel]
    if kind is types.FunctionType:
        return parts_of_function(thing) if is_of_library(thing.__module__) else []
    owner = thing if issubclass(kind, type) else kind
    if not is_of_library(owner.__module__):
        return []
    held = vars(thing) if hasattr(thing, "__dict__") else {}
    return [*held.values(), *([] if owner is thing else [owner])]


def parts_of_function(function):
    """Return its defaults, what it closes over, and the globals that it names."""
    space = function.__globals__
    cells = [
        cell.cell_contents for cell in function.__closure__ or () if not empty(cell)
    ]
    defaults = [
        *(function.__defaults__ or ()),
        *(function.__kwdefaults__ or {}).values(),
    ]
    used = [space[name] for name in names_in(function.__code__) if name in space]
    return [*cells, *defaults, *used, *vars(function).values()]


def empty(cell):
    """Whether nothing was put into a closure's cell yet."""
    try:
        return cell.cell_contents is cell
    except ValueError:
        return True


def names_in(code):
    """Return all names that a piece of code looks up, functions inside included."""
    inside = [part for part in code.co_consts if type(part) is types.CodeType]
    return {*code.co_names, *(name for part in inside for name in names_in(part))}


def is_of_library(name):
    """Whether a module is this library's."""
    return type(name) is str and name.split(".")[0] == LIBRARY
