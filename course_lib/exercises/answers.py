"""What the learner handed over: is it there, is it begun, can it be called?

It is looked at without running any of it. A function's own attributes may lie or run
code (`__signature__`, `__wrapped__`), so only its code object is asked.
"""

from __future__ import annotations

import ast
import dis
import inspect
import textwrap
import types
from typing import Any

from course_lib.exercises.exercise import Exercise

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "nothing"})()
IDLE = {  # the instructions of a body that does nothing
    *("RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST", "POP_TOP"),
    *("COPY_FREE_VARS", "LOAD_COMMON_CONSTANT", "NOT_TAKEN"),
}
KIND_NAMES = {
    "array": "an array",
    "number": "a number",
    "choice": "one of the choices, as text",
}
# Asked past any metaclass of a learner.
type_name = type.__dict__["__name__"].__get__
_namespace = type.__dict__["__dict__"].__get__


def is_started(exercise: Exercise, answer: Any) -> bool:
    """Whether anything has been written yet.

    Not started is the value ``...``, and a function, or a class of functions, whose
    body is a docstring, ``...`` or ``pass``.
    """
    if answer is ...:
        return False
    if type(answer) is types.FunctionType:
        return not _is_stub(answer)
    if exercise.kind == "class" and _is_class(answer):
        parts = [p for p in _namespace(answer).values() if _is_function(p)]
        return any(not _is_stub(part) for part in parts)
    return True


def objection(exercise: Exercise, answer: Any) -> str:
    """Say why this can't be an answer; empty if it can be tried.

    It may be nothing at all, a class for a function, or need other arguments.
    """
    if exercise.is_value:
        return _objection_to_value(exercise, answer)
    fits = _is_class(answer) == (exercise.kind == "class") and callable(answer)
    if answer is not MISSING and fits and _takes(answer, exercise):
        return ""
    said = f"Define {task(exercise)} in the cell above"
    if answer is MISSING:
        return f'{said} and hand it over: `check("{exercise.id}", {exercise.name})`.'
    return f"{said}; what came is {found(answer)}."


def task(exercise: Exercise) -> str:
    """Return what the learner has to write, as in ``scaled_scores(query, key)``."""
    article = "the class " if exercise.kind == "class" else ""
    return f"{article}`{exercise.name}{inspect.signature(exercise.function)}`"


def found(answer: Any) -> str:
    """Describe what came, with the signature if it is a function."""
    if _is_function(answer):
        code = answer.__code__
        names = list(code.co_varnames[: code.co_argcount])
        rest = list(code.co_varnames[code.co_argcount :])
        keywords, rest = rest[: code.co_kwonlyargcount], rest[code.co_kwonlyargcount :]
        if code.co_flags & inspect.CO_VARARGS:
            names.append(f"*{rest.pop(0)}")
        elif keywords:
            names.append("*")
        names += keywords
        if code.co_flags & inspect.CO_VARKEYWORDS:
            names.append(f"**{rest.pop(0)}")
        return f"`{code.co_name}({', '.join(names)})`"
    if _is_class(answer):
        return f"the class `{type_name(answer)}`"
    if type(answer) is str:
        return f"the text {answer[:40]!r}"
    return "None" if answer is None else f"of type {type_name(type(answer))}"


def name_of(answer: Any) -> str:
    """Return the name in the function's head; empty if it is no function."""
    return answer.__code__.co_name if _is_function(answer) else ""


def _objection_to_value(exercise: Exercise, answer: Any) -> str:
    kind = KIND_NAMES[exercise.kind]
    if answer is MISSING:
        return f'Hand over {kind}: `check("{exercise.id}", …)`.'
    if _is_function(answer):
        return f"Hand over {kind}; what came is the function {found(answer)}. Call it."
    return ""


def _takes(answer: Any, exercise: Exercise) -> bool:
    """Whether it can be called with the inputs, as far as that is known unrun."""
    if exercise.driver or not _is_function(answer):
        return True
    code = answer.__code__
    most = code.co_argcount
    least = most - len(answer.__defaults__ or ())
    if code.co_flags & inspect.CO_VARARGS:
        most = float("inf")
    free = code.co_kwonlyargcount > len(answer.__kwdefaults__ or ())
    given = [len(args) for args in exercise.seeded_calls()]
    return not free and all(least <= count <= most for count in given)


def _is_function(thing: Any) -> bool:
    return type(thing) is types.FunctionType


def _is_class(thing: Any) -> bool:
    return issubclass(type(thing), type)  # isinstance would ask the thing itself


def _is_stub(function: types.FunctionType) -> bool:
    """Whether the body does nothing; the source tells `pass` from ``return None``."""
    for step in dis.get_instructions(function.__code__):
        constant = step.opname in ("LOAD_CONST", "RETURN_CONST")
        if step.opname not in IDLE or (constant and step.argval not in (None, ...)):
            return False
        if constant and function.__code__.co_name == "<lambda>":
            return step.argval is ...  # its None was written down
    try:
        source = textwrap.dedent(inspect.getsource(function.__code__))
        head = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError, IndexError, ValueError):
        return True  # without its source, a lone `return None` counts as nothing
    body = head.body if isinstance(head, ast.FunctionDef) else []
    return not any(isinstance(node, ast.Return) and _is_none(node) for node in body)


def _is_none(node: ast.Return) -> bool:
    return node.value is None or getattr(node.value, "value", ...) is None
