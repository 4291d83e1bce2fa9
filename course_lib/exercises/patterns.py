"""What wrong shapes and wrong values have in common, said in one sentence.

Each function looks for one pattern (the axes are swapped, every value is 3.3 times too
large) and stays silent if it isn't there: a wrong guess would mislead.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np


def why_shape(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Say how a wrong shape comes from the wanted one; empty if that is unclear.

    Examples
    --------
    >>> why_shape((5,), (5, 7)), why_shape((4, 7), (5, 7))
    ('axis 1, of size 7, is missing', 'one row is missing')
    """
    if sorted(got) == sorted(wanted):
        return "the axes are swapped"
    if len(got) == len(wanted):
        return _off_by_one(got, wanted)
    if len(got) == len(wanted) - 1:
        axis = _left_out(got, wanted)
        if axis is not None:
            keep = ", as `keepdims=True` would keep it" if wanted[axis] == 1 else ""
            return f"axis {axis}, of size {wanted[axis]}, is missing{keep}"
    if len(got) == len(wanted) + 1:
        axis = _left_out(wanted, got)
        if axis is not None:
            return f"axis {axis}, of size {got[axis]}, is too many"
    if np.prod(got) == np.prod(wanted):
        return "as many values, but laid out otherwise"
    return ""


def _off_by_one(got: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    axes = [i for i, (a, b) in enumerate(zip(got, wanted, strict=True)) if a != b]
    if len(axes) != 1 or abs(got[axes[0]] - wanted[axes[0]]) != 1:
        return ""
    names = {len(got) - 1: "column", len(got) - 2: "row"}
    name = names.get(axes[0], f"entry of axis {axes[0]}") if len(got) > 1 else "entry"
    more = got[axes[0]] > wanted[axes[0]]
    return f"one {name} {'too many' if more else 'is missing'}"


def _left_out(short: tuple[int, ...], long: tuple[int, ...]) -> int | None:
    """The axis of `long` without which it is `short`, if there is exactly one."""
    axes = [i for i in range(len(long)) if long[:i] + long[i + 1 :] == short]
    return axes[0] if len(axes) == 1 else None


def why_number(got, wanted) -> str:
    """Say how a wrong number comes from the wanted one; empty if that is unclear."""
    if isinstance(wanted, bool | np.bool_) or not np.isfinite(wanted):
        return ""
    if wanted and got == -wanted:
        return "The sign is wrong."
    if np.iscomplexobj(wanted) or np.isnan(got):
        return ""
    return "That is too large." if got > wanted else "That is too small."


def why_values(got, wanted, wrong, rule, equal: Callable) -> str:
    """Say what all wrong values of an array have in common; empty if nothing.

    Parameters
    ----------
    got, wanted, wrong : ndarray of one shape
        Both results, and where they differ.
    rule : Rule
        What counts as equal.
    equal : callable
        ``equal(got, wanted, rule)`` is true where the two agree.
    """

    def same(one, other) -> bool:
        return one.shape == other.shape and bool(equal(one, other, rule).all())

    if wanted.dtype.kind == "b":
        looks = [_inverted, _swapped, _shifted, _confined]
    elif wanted.dtype.kind in "iufc" and np.isfinite(wanted).all():
        looks = [_scaled, _moved, _swapped, _sums, _shifted, _confined, _rounded]
    else:
        looks = [_swapped, _shifted, _confined]
    return next(filter(None, (look(got, wanted, wrong, same) for look in looks)), "")


def _inverted(got, wanted, wrong, same) -> str:
    return "True and False are swapped everywhere." if wrong.all() else ""


def _scaled(got, wanted, wrong, same) -> str:
    """Every value is off by one factor."""
    largest = np.unravel_index(np.abs(wanted).argmax(), wanted.shape)
    if wanted.size < 2 or wanted[largest] == 0 or np.iscomplexobj(wanted):
        return ""
    factor = float(got[largest]) / float(wanted[largest])
    if not np.isfinite(factor) or not same(got, factor * wanted):
        return ""
    if factor == 0:
        return "Every value is 0."
    size = abs(factor)
    sign = "has the wrong sign" if factor < 0 else ""
    if abs(size - 1) < 1e-9:
        return f"Every value {sign}."
    times = f"{max(size, 1 / size):.3g} times"
    if 0.9 < size < 1.1:
        times = f"{100 * abs(size - 1):.2g} %"
    said = f"Every value is {times} too {'large' if size > 1 else 'small'}"
    return f"{said} and {sign}." if sign else f"{said}."


def _moved(got, wanted, wrong, same) -> str:
    """Every value is off by one summand."""
    if wanted.size < 2 or np.iscomplexobj(wanted):
        return ""
    step = float(got.flat[0]) - float(wanted.flat[0])
    if not same(got, wanted + step):
        return ""
    return f"Every value is {abs(step):.3g} too {'large' if step > 0 else 'small'}."


def _swapped(got, wanted, wrong, same) -> str:
    turned = wanted.ndim > 1 and same(got, wanted.swapaxes(-1, -2))
    return "It is the transpose of what is wanted." if turned else ""


def _sums(got, wanted, wrong, same) -> str:
    """Rows of shares that add up to 1, and what the learner's rows add up to."""
    if wanted.dtype.kind != "f" or wanted.min() < 0:
        return ""
    axes = [a for a in range(wanted.ndim) if _sums_to_one(wanted, a)]
    if len(axes) != 1:
        return ""
    (axis,) = axes
    mine, others = _slices(wanted.ndim, axis), set(range(wanted.ndim)) - {axis}
    instead = [a for a in others if _sums_to_one(got, a)]
    if _sums_to_one(got, axis):
        return f"Your {mine} do sum to 1, but the shares in them are wrong."
    if instead:
        return f"Your {_slices(wanted.ndim, instead[0])} sum to 1, not your {mine}."
    first = float(got.sum(axis=axis).flat[0])
    return f"Your {mine} should sum to 1; the first sums to {first:.3g}."


def _sums_to_one(values, axis: int) -> bool:
    return bool(np.allclose(values.sum(axis=axis), 1, rtol=0, atol=1e-3))


def _slices(ndim: int, axis: int) -> str:
    """What one sums up along an axis: summing along the last one, rows."""
    names = {ndim - 1: "rows", ndim - 2: "columns"} if ndim > 1 else {0: "values"}
    return names.get(axis, f"values along axis {axis}")


def _shifted(got, wanted, wrong, same) -> str:
    names = {wanted.ndim - 1: "columns", wanted.ndim - 2: "rows"}
    for axis, name in names.items() if wanted.ndim > 1 else [(0, "values")]:
        ours, theirs = np.moveaxis(wanted, axis, 0), np.moveaxis(got, axis, 0)
        if len(ours) < 3 or same(ours[1:], ours[:-1]):
            continue  # all alike: shifted or not, nobody could tell
        if same(theirs[1:], ours[:-1]) or same(theirs[:-1], ours[1:]):
            return f"The {name} are shifted by one."
    return ""


def _confined(got, wanted, wrong, same) -> str:
    """All differences lie in one row, in one column, or on one side of the diagonal."""
    if wanted.ndim < 2 or wrong.all() or wrong.sum() < 2:
        return ""
    for axis, name in ((-2, "row"), (-1, "column")):
        others = tuple(a for a in range(wanted.ndim) if a != axis % wanted.ndim)
        hit = np.flatnonzero(wrong.any(axis=others))
        if len(hit) == 1:
            return f"All differences lie in {name} {hit[0]}; the others are right."
    query, key = np.indices(wrong.shape[-2:])
    sides = {"on": query == key, "above": key > query, "below": key < query}
    for name, side in sides.items():
        if not (wrong & ~side).any():
            which = "The" if (wrong | ~side).all() else "Some of the"
            return f"{which} values {name} the diagonal are wrong, no others."
    return ""


def _rounded(got, wanted, wrong, same) -> str:
    largest = float(np.abs(wanted).max())
    error = float(np.abs(got - wanted).max())
    steps = [10.0**-n for n in range(2, 9)]
    if largest == 0 or error / largest > steps[0]:
        return ""
    for coarse, fine in pairwise(steps):
        if error / largest > fine:
            return (
                f"Nearly: no value is off by more than {100 * coarse:g} % of the "
                "largest. Is something rounded, or computed in float32?"
            )
    return ""
