"""What the charts accept: each function returns its argument in one form, or explains.

Every message names the function, the argument, what came and what was wanted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Labels = Sequence[object] | None
    Series = ArrayLike | Mapping[str, ArrayLike]

MOST_SERIES = 8  # as many as there are colours, markers and hatches


def require_text(function: str, **texts: object) -> None:
    """Refuse a title, axis name or text alternative that says nothing."""
    for argument, text in texts.items():
        if not isinstance(text, str):
            raise TypeError(
                f"{function}: `{argument}` is a {type(text).__name__}; wanted text"
            )
        if not text.strip():
            wanted = "one sentence for whoever cannot see the picture"
            wanted = wanted if argument == "alt" else "some words"
            raise ValueError(f"{function}: `{argument}` is empty; wanted {wanted}")


def numbers(function: str, argument: str, values: object, ndim: int) -> NDArray:
    """Return `values` as a new float array of rank `ndim`, masked entries as NaN."""
    if hasattr(values, "detach"):  # a torch tensor, perhaps one with a gradient
        values = values.detach().cpu().double().numpy()
    try:
        array = np.ma.asarray(values)
    except ValueError:
        raise ValueError(
            f"{function}: `{argument}` has parts of different lengths; "
            f"wanted one array of {ndim} dimensions"
        ) from None
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{function}: `{argument}` holds {array.dtype}; wanted real numbers"
        )
    if array.ndim != ndim or 0 in array.shape:
        raise ValueError(
            f"{function}: `{argument}` has shape {array.shape}; "
            f"wanted {ndim} dimension{'s' * (ndim > 1)}, none of them 0"
        )
    return np.ma.filled(array.astype(float), np.nan)


def labels(function: str, argument: str, given: Labels, count: int | None) -> list[str]:
    """Return `count` labels as text, numbers by default; None: any count but 0."""
    if given is None:
        return [str(position) for position in range(count)]
    if isinstance(given, (str, bytes)):
        raise TypeError(
            f"{function}: `{argument}` is one text, {given!r}; wanted a list of them"
        )
    texts = [str(label) for label in given]
    if count is not None and len(texts) != count:
        raise ValueError(
            f"{function}: `{argument}` has {len(texts)} labels; wanted {count}"
        )
    if not texts:
        raise ValueError(f"{function}: `{argument}` has no labels; wanted at least one")
    return texts


def series(
    function: str, argument: str, values: Series, count: int
) -> dict[str, NDArray]:
    """Return values by name; values given without a name have the name ``""``."""
    named = values if isinstance(values, Mapping) else {"": values}
    if not 1 <= len(named) <= MOST_SERIES:
        raise ValueError(
            f"{function}: `{argument}` has {len(named)} entries; "
            f"wanted 1 to {MOST_SERIES}, more cannot be told apart"
        )
    arrays = {}
    for name, entry in named.items():
        shown = f"{argument}[{name!r}]" if isinstance(values, Mapping) else argument
        arrays[str(name)] = array = numbers(function, shown, entry, ndim=1)
        if len(array) != count:
            raise ValueError(
                f"{function}: `{shown}` has {len(array)} values; wanted {count}"
            )
    return arrays


def reference(
    function: str, values: object, count: int | None
) -> NDArray | float | None:
    """Return one height, one for each of `count` points, or None if none is given."""
    if values is None:
        return None
    line = numbers(function, "reference", np.atleast_1d(values), ndim=1)
    if np.ndim(values) == 0:
        return float(line[0])
    if count is None or len(line) != count:
        wanted = "a number" + (f", or {count} of them" if count else "")
        raise ValueError(
            f"{function}: `reference` has {len(line)} values; wanted {wanted}"
        )
    return line


def intervals(
    function: str, given: Series | None, values: dict[str, NDArray]
) -> dict[str, NDArray]:
    """Return (low, high) pairs by the names that `values` has; {} if none are given."""
    if given is None:
        return {}
    named = given if isinstance(given, Mapping) else {"": given}
    if set(named) != set(values):
        raise ValueError(
            f"{function}: `intervals` has the names {sorted(named)}; "
            f"wanted those of `values`, {sorted(values)}"
        )
    pairs = {}
    for name, heights in values.items():
        pairs[name] = pair = numbers(function, "intervals", named[name], ndim=2)
        if pair.shape != (len(heights), 2):
            raise ValueError(
                f"{function}: `intervals` has shape {pair.shape}; "
                f"wanted ({len(heights)}, 2), a low and a high end for each value"
            )
        outside = np.flatnonzero((pair[:, 0] > heights) | (heights > pair[:, 1]))
        if outside.size:
            low, high = pair[outside[0]]
            raise ValueError(
                f"{function}: `intervals`[{outside[0]}] is {low:g} to {high:g} and its "
                f"value {heights[outside[0]]:g}; wanted low <= value <= high"
            )
    return pairs


def colour_limits(
    function: str,
    values: NDArray,
    diverging: bool,
    limits: tuple[float, float] | None,
) -> tuple[float, float]:
    """Return the numbers at both ends of the colour bar."""
    if limits is not None:
        ends = numbers(function, "limits", limits, ndim=1)
        if len(ends) != 2 or not np.isfinite(ends).all() or ends[0] >= ends[1]:
            raise ValueError(
                f"{function}: `limits` is {limits}; wanted two numbers, low < high"
            )
        return float(ends[0]), float(ends[1])
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if diverging:
        reach = max(abs(low), abs(high)) or 1.0
        return -float(reach), float(reach)
    low = min(low, 0.0)
    return float(low), float(high) if low < high else float(low) + 1.0


def require_positive(function: str, option: str, *arrays: NDArray) -> None:
    """Refuse a logarithmic axis for values that have no logarithm."""
    for array in arrays:
        bad = array[array <= 0]
        if bad.size:
            raise ValueError(
                f"{function}: `{option}` with a value of {bad[0]:g}; "
                "a logarithmic axis wants positive values"
            )
