"""One result beside the wanted one: what is the first thing wrong with it?

In this order: type, shape, dtype, numbers that are none, values. A teacher looks in the
same order, since a wrong shape says more than a hundred wrong values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from course_lib.exercises import patterns

NUMBER = "a single number"
ARRAY = "a NumPy array"
TENSOR = "a torch tensor"
KINDS = {
    "b": "True and False",
    "i": "integers",
    "u": "integers",
    "f": "floating-point numbers",
    "c": "complex numbers",
    "U": "text",
    "S": "bytes",
    "O": "Python objects",
}
MENDS = {  # (came, wanted) → what makes the one of the other
    ("a list", ARRAY): "`np.array(…)` makes an array of a list.",
    (TENSOR, ARRAY): "`.numpy()` makes an array of a tensor; here, use NumPy alone.",
    (NUMBER, ARRAY): "Was an axis too many summed away?",
    (ARRAY, NUMBER): "Which entry, or which sum of them, is wanted?",
    (ARRAY, TENSOR): "`torch.from_numpy(…)` makes a tensor of an array.",
    ("None", ARRAY): "Did you forget `return`?",
}


class Rule(NamedTuple):
    """What counts as equal: see `Exercise`."""

    rtol: float = 1e-6
    atol: float = 1e-9
    exact_dtype: bool = False
    secret: bool = False  # the wanted value must not be told
    lenient: bool = False  # for two wrong results: NaN equals NaN, 0.0 equals False


class Finding(NamedTuple):
    """The first thing that is wrong.

    Attributes
    ----------
    stage : str
        "type", "shape", "dtype", "finite" or "values".
    sentence : str
        What the learner reads first.
    detail : str
        The same in short, with place and both numbers.
    passed : tuple of (str, str)
        The stages that were right before this one, with what was found there.
    """

    stage: str
    sentence: str
    detail: str
    passed: tuple[tuple[str, str], ...] = ()


def compare(got: Any, wanted: Any, rule: Rule) -> Finding | None:
    """Return the first thing that is wrong with `got`, or None if it is right.

    Parameters
    ----------
    got, wanted : ndarray, number, str, None, or a list or tuple of these
        As `verdict.as_returned` leaves them.
    rule : Rule
        What counts as equal.

    Examples
    --------
    >>> compare(np.zeros((3, 2)), np.zeros((2, 3)), Rule()).sentence
    'Shape (3, 2) came, wanted (2, 3): the axes are swapped.'
    """
    came, asked = describe(got), describe(wanted)
    if came != asked:
        return Finding("type", _of_type(came, asked), f"{came}; wanted {asked}")
    if isinstance(wanted, list | tuple):
        return _in_sequence(got, wanted, rule)
    if not _is_numeric(wanted):
        return _of_text(got, wanted, rule)
    got, wanted = _array(got), _array(wanted)
    passed = [("type", asked)]
    for stage, look in STAGES.items():
        found = look(got, wanted, rule)
        if found:
            return Finding(stage, *found, tuple(passed))
        if stage in ("shape", "dtype") and wanted.ndim:
            passed.append((stage, str(getattr(got, stage))))
    return None


def describe(value: Any) -> str:
    """Say in words of what type a result is; numbers of all types are one."""
    if _is_array(value):
        return ARRAY if value.ndim else NUMBER
    if _is_numeric(value):
        return TENSOR if type(value).__name__ == "Tensor" else NUMBER
    if type(value) in (list, tuple, str, type(None)):
        names = {list: "a list", str: "text", type(None): "None"}
        return names.get(type(value)) or f"a tuple of {len(value)}"
    name = getattr(value, "type_name", type(value).__name__)
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"


def _is_array(value: Any) -> bool:
    return type(value) is np.ndarray


def _is_numeric(value: Any) -> bool:
    known = (bool, int, float, complex)
    named = type(value).__name__ == "Tensor"  # the worker's, or a stand-in for it
    return _is_array(value) or type(value) in known or named


def _array(value: Any) -> np.ndarray:
    """As an array; an integer too large for one becomes infinite."""
    value = getattr(value, "array", value)
    if type(value) is int and abs(value) >= 2**63:
        value = float("inf") if value > 0 else float("-inf")
    return np.asarray(value)


# --- one look for each stage: None, or the sentence and the detail --------------------


def _of_type(came: str, asked: str) -> str:
    mend = MENDS.get((came, asked), "")
    if came.startswith("a tuple") and asked == ARRAY:
        mend = "Return the one result alone."
    if came.startswith("a generator"):
        mend = "Was `yield` meant to be `return`, or `(… for …)` to be `[… for …]`?"
    whole = came[0].upper() + came[1:]
    return f"{whole} came, wanted {asked}. {mend}".strip()


def _of_shape(got: np.ndarray, wanted: np.ndarray, rule: Rule) -> tuple | None:
    if got.shape == wanted.shape:
        return None
    why = patterns.why_shape(got.shape, wanted.shape)
    sentence = f"Shape {got.shape} came, wanted {wanted.shape}"
    return sentence + (
        f": {why}." if why else "."
    ), f"{got.shape}; wanted {wanted.shape}"


def _of_dtype(got: np.ndarray, wanted: np.ndarray, rule: Rule) -> tuple | None:
    came, asked = (KINDS.get(a.dtype.kind, "no numbers") for a in (got, wanted))
    whole_will_do = (
        got.ndim == 0 and asked == KINDS["f"] and came == KINDS["i"]
    )  # 3 for 3.0
    numeric = {got.dtype.kind, wanted.dtype.kind} <= set("biufc")
    if came == asked or whole_will_do or (rule.lenient and numeric):
        if got.dtype == wanted.dtype or not rule.exact_dtype or got.ndim == 0:
            return None
        came, asked = str(got.dtype), str(wanted.dtype)
    detail = f"{got.dtype}; wanted {wanted.dtype}"
    subject = "The result is" if got.ndim == 0 else "The array holds"
    return f"{subject} {came} ({got.dtype}), wanted {asked} ({wanted.dtype}).", detail


def _of_finite(got: np.ndarray, wanted: np.ndarray, rule: Rule) -> tuple | None:
    if got.dtype.kind not in "fc":
        return None
    nan = np.isnan(got) & ~(np.isnan(wanted) & rule.lenient)
    infinite = np.isinf(got) & np.isfinite(wanted)
    bad = nan | infinite
    if not bad.any():
        return None
    name = "NaN" if nan.any() else "infinite"
    count = int((nan if nan.any() else infinite).sum())
    if got.ndim == 0:
        return f"The result is {name}, and should not be.", name
    where = _first(nan if nan.any() else infinite)
    verb = "is" if count == 1 else "are"
    sentence = f"{count} of {got.size} values {verb} {name}, where none should be."
    return sentence, f"{count} of {got.size} {name}, the first at {_place(where)}"


def _of_values(got: np.ndarray, wanted: np.ndarray, rule: Rule) -> tuple | None:
    wrong = ~equal(got, wanted, rule)
    if not wrong.any():
        return None
    if got.ndim == 0:
        return _of_number(got[()], wanted[()], rule)
    where = _first(wrong)
    came, asked = numbers(got[where], wanted[where])
    count = f"{int(wrong.sum())} of {got.size} values differ"
    first = f"{count}, the first at {_place(where)}: {came}"
    detail = first if rule.secret else f"{first}; wanted {asked}"
    plain = f"{first} came." if rule.secret else f"{first} came, wanted {asked}."
    return patterns.why_values(got, wanted, wrong, rule, equal) or plain, detail


def _of_number(got: Any, wanted: Any, rule: Rule) -> tuple[str, str]:
    came, asked = numbers(got, wanted)
    why = patterns.why_number(got, wanted)
    if rule.secret:
        return f"{came} is not it. {why}".strip(), came
    return f"{came} came, wanted {asked}. {why}".strip(), f"{came}; wanted {asked}"


STAGES = {
    "shape": _of_shape,
    "dtype": _of_dtype,
    "finite": _of_finite,
    "values": _of_values,
}


def equal(got: np.ndarray, wanted: np.ndarray, rule: Rule) -> np.ndarray:
    """Return where two arrays of one shape agree: to tolerance if floating point."""
    same = np.asarray(got == wanted)
    if wanted.dtype.kind in "fc":
        with np.errstate(all="ignore"):
            got, wanted = (
                a.astype(np.result_type(a, np.float64)) for a in (got, wanted)
            )
            sizes = np.abs(wanted[np.isfinite(wanted)])
            margin = rule.atol + rule.rtol * sizes.max(initial=0.0)
            same |= np.abs(got - wanted) <= margin
        same |= np.isnan(got) & np.isnan(wanted) & rule.lenient
    return same


def numbers(got: Any, wanted: Any) -> tuple[str, str]:
    """Write two values with as few digits as tell them apart, three at least."""
    if np.asarray(wanted).dtype.kind not in "fc":
        return str(got), str(wanted)
    for digits in range(3, 18):
        pair = f"{got:.{digits}g}", f"{wanted:.{digits}g}"
        if pair[0] != pair[1]:
            break
    return pair


def _of_text(got: Any, wanted: Any, rule: Rule) -> Finding | None:
    if got == wanted:
        return None
    came, asked = (repr(text)[:60] for text in (got, wanted))
    said = f"{came} is not it." if rule.secret else f"{came} came, wanted {asked}."
    return Finding("values", said, said[:-1], (("type", describe(wanted)),))


def _in_sequence(got: Any, wanted: Any, rule: Rule) -> Finding | None:
    """Look at each item of a list or tuple."""
    if len(got) != len(wanted):
        came = f"{len(got)} items; wanted {len(wanted)}"
        sentence = f"The list has {len(got)} items, wanted {len(wanted)}."
        return Finding("shape", sentence, came, (("type", describe(wanted)),))
    for place, (one, other) in enumerate(zip(got, wanted, strict=True)):
        found = compare(one, other, rule)
        if found:
            which = f"Result {place + 1} of {len(wanted)}"
            return found._replace(
                sentence=f"{which}: {found.sentence}", detail=f"{which}: {found.detail}"
            )
    return None


def _first(where: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argwhere(where)[0])


def _place(index: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, index))}]"
