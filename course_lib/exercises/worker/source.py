"""Where an answer is written: its file, its lines, and one line of it."""

import functools
import linecache
import re
import types

DEFINITION = re.compile(r"\s*(async\s+def|def|class)\b")
own_names = type.__dict__["__dict__"].__get__  # not asked of a learner's metaclass
own_name = type.__dict__["__name__"].__get__


def source_of(answer):
    """Say where the code of an answer lies.

    Parameters
    ----------
    answer : object
        A function, a class, an instance of one, or what wraps one of these.

    Returns
    -------
    dict
        `file`; `first` and `last`, the range of its lines; `name` of its class, or
        empty. An empty file if it holds no Python code.
    """
    name, codes = codes_of(answer)
    if not codes:
        return {"file": "", "first": 0, "last": 0, "name": ""}
    file = codes[0].co_filename
    lines = [n for code in codes if code.co_filename == file for n in lines_in(code)]
    return {"file": file, "first": min(lines), "last": max(lines), "name": name}


def codes_of(answer):
    """Return the name of the answer's class, and the code that it consists of."""
    kind = type(answer)
    if kind is functools.partial:
        return codes_of(answer.func)
    if kind is types.MethodType:
        return codes_of(answer.__func__)
    if kind is functools._lru_cache_wrapper:
        return codes_of(answer.__wrapped__)
    if kind is types.FunctionType:
        inner = vars(answer).get("__wrapped__")  # a decorator's: the learner's own
        is_wrapper = type(inner) is types.FunctionType
        return codes_of(inner) if is_wrapper else ("", [answer.__code__])
    owner = answer if issubclass(kind, type) else kind
    parts = [p for p in own_names(owner).values() if type(p) is types.FunctionType]
    return own_name(owner), [part.__code__ for part in parts]


def lines_in(code):
    """Return the numbers of all lines of a piece of code, functions inside included."""
    inside = [c for c in code.co_consts if type(c) is types.CodeType]
    lines = [code.co_firstlineno, *(n for _, _, n in code.co_lines() if n)]
    return lines + [n for part in inside for n in lines_in(part)]


def number_of(line, where):
    """Return a line's number within the answer, whose ``def`` or ``class`` has 1.

    Parameters
    ----------
    line : int
        Its number in the file.
    where : dict
        As `source_of` returned it.
    """
    start, text = where["first"], linecache.getlines(where["file"])
    if where["name"]:
        head = re.compile(rf"\s*class\s+{re.escape(where['name'])}\b")
        heads = [n for n, t in enumerate(text[:start], start=1) if head.match(t)]
        start = max(heads, default=start)
    else:  # below decorators
        heads = (n for n in range(start, line + 1) if is_definition(text, n))
        start = next(heads, start)
    return max(line - start + 1, 0)


def is_definition(text, number):
    """Whether a function or a class begins on this line."""
    return number <= len(text) and DEFINITION.match(text[number - 1]) is not None


def text_of(file, number):
    """Return one line of a file or cell, without the spaces around it."""
    return linecache.getline(file, number).strip()
