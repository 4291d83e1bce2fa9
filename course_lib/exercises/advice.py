"""What helps with the exceptions that learners meet most, beside Python's own words."""

from __future__ import annotations

import re

WHOLE = "A whole number is wanted there: `/` gives a fraction, `//` a whole number."
ADVICE = [  # type of exception, pattern in its message, what to say with its groups
    (
        "ValueError",
        r"matmul.*size (\d+) is different from (\d+)",
        "`@` adds up over the last axis of the left array and the last but one of the "
        "right; here they have sizes {1} and {0}.",
    ),
    (
        "ValueError",
        r"shapes (\([\d,]*\)) and (\([\d,]*\)) not aligned",
        "A product adds up over the last axis of the left array and the last but one "
        "of the right; here the shapes are {0} and {1}.",
    ),
    (
        "RuntimeError",
        r"mat1 and mat2 shapes cannot be multiplied \((\w+) and (\w+)\)",
        "`@` adds up over the last axis of the left and the last but one of the right; "
        "here the shapes are {0} and {1}.",
    ),
    (
        "ValueError",
        r"not be broadcast together with.* shapes (\([\d,]*\)) (\([\d,]*\))",
        "Entry by entry, axes are lined up from the right, and each pair must be equal "
        "or hold a 1; here the shapes are {0} and {1}.",
    ),
    (
        "ValueError",
        r"read-only|not writeable",
        "That line writes into an argument, which belongs to whoever called. Make a "
        "new array instead.",
    ),
    (
        "ValueError",
        r"truth value of an array",
        "`if`, `and` and `or` need one True or False. For entry by entry, there are "
        "`np.where`, `&` and `|`.",
    ),
    (
        "ValueError",
        r"inhomogeneous shape",
        "The rows have different lengths, so they make no array.",
    ),
    (
        "AxisError",
        r"axis (-?\d+) is out of bounds for array of dimension (\d+)",
        "The array there has {1} axes, and axis {0} is none of them. Was one summed "
        "away before?",
    ),
    (
        "IndexError",
        r"too many indices for array: array is (\d)-dimensional",
        "The array there has no more than {0} axes. Was one summed or picked away?",
    ),
    (
        "IndexError",
        r"out of (bounds|range)",
        "Positions count from 0, so the last of n is n − 1.",
    ),
    (
        "UnboundLocalError",
        r"'(\w+)'",
        "`{0}` is set later in the function, so Python takes it for the function's own "
        "and finds it empty here. Give it a first value, or another name.",
    ),
    (
        "NameError",
        r"name '(\w+)' is not defined",
        "Define `{0}`, or import it, in the cell; check the spelling.",
    ),
    (
        "TypeError",
        r"'?[Ee]llipsis'?",
        "A `...` is still in the place of a value.",
    ),
    (
        "TypeError",
        r"NoneType",
        "Something is None there: maybe a function without `return`.",
    ),
    (
        "TypeError",
        r"interpreted as an integer|only integer scalar arrays|single integer, got",
        WHOLE,
    ),
    ("IndexError", r"only integers|must be of integer", WHOLE),
    (
        "TypeError",
        r"takes .* positional argument|missing \d+ required|unexpected keyword",
        "Some function is called with other arguments than it has; compare the two.",
    ),
    (
        "AttributeError",
        r"'numpy.ndarray' object has no attribute '(\w+)'",
        "NumPy's arrays have no `.{0}`; maybe a tensor's method was meant, or "
        "`np.{0}(…)`.",
    ),
    (
        "AttributeError",
        r"'NoneType' object",
        "Something is None there: maybe a function without `return`.",
    ),
    (
        "ModuleNotFoundError",
        r"No module named '(\w+)",
        "`{0}` is not installed, or is spelled otherwise; the exercise needs no more "
        "than the lesson imports.",
    ),
    ("ImportError", r"", "The exercise needs no more than the lesson imports."),
    (
        "RecursionError",
        r"",
        "The function calls itself and never stops. Which case ends it?",
    ),
    (
        "MemoryError",
        r"",
        "An array became too large for the checker. Print the shapes: maybe two axes "
        "were broadcast that belong together.",
    ),
    (
        "ZeroDivisionError",
        r"",
        "Which divisor can be 0, and what should come out then?",
    ),
    ("KeyError", r"", "No such entry is in the dictionary. Print its keys."),
    (
        "NotImplementedError",
        r"",
        "That line says that something is still to be written.",
    ),
    ("SystemExit", r"", "`exit()` would end Python. Use `return`."),
]


def advise(error: str) -> str:
    """Return one sentence that helps with an exception; empty if none is known.

    Parameters
    ----------
    error : str
        Type and message, as in ``"NameError: name 'nq' is not defined"``.

    Examples
    --------
    >>> advise("NameError: name 'nq' is not defined")
    'Define `nq`, or import it, in the cell; check the spelling.'
    """
    kind, message = _split(error)
    for name, pattern, text in ADVICE:
        match = re.search(pattern, message)
        if name == kind and match:
            return text.format(*match.groups())
    return ""


def alike(error: str, other: str) -> bool:
    """Whether two exceptions come of the same mistake, as far as one can tell.

    Their type is the same, and so are their words without the numbers, or what is
    advised. The type alone says little: nearly everything is a ValueError.

    Examples
    --------
    >>> alike("ValueError: size 7 is different from 11", "ValueError: size 2 is no 3")
    False
    >>> alike("IndexError: list index out of range", "IndexError: 5 is out of bounds")
    True
    """
    (kind, words), (other_kind, other_words) = _split(error), _split(other)
    if kind != other_kind:
        return False
    advice, other_advice = map(_without_numbers, (advise(error), advise(other)))
    same_words = _without_numbers(words) == _without_numbers(other_words)
    return same_words or (advice != "" and advice == other_advice)


def _split(error: str) -> tuple[str, str]:
    kind, _, message = error.partition(":")
    return kind.strip().rsplit(".")[-1], message


def _without_numbers(text: str) -> str:
    return re.sub(r"\(?[\d,. ]*\d[\d,. ]*\)?", "#", text)
