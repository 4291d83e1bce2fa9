"""What the attention functions ask of their arguments, and how they say no.

Every message names the function, the argument, what came and what was wanted.
"""

import math
from numbers import Integral, Real

import numpy as np

FLOATS = (np.float16, np.float32, np.float64)


def check_array(function, name, array, dtype="np.float32"):
    """Raise TypeError unless this is a NumPy array; say how to make it one."""
    # A subclass may redefine the arithmetic, as np.matrix and masked arrays do.
    if type(array) in (np.ndarray, np.memmap):
        return
    hint = f"np.array({name}, dtype={dtype})"
    if type(array).__module__.split(".")[0] == "torch":
        hint = f"{name}.detach().cpu().numpy()"
    raise TypeError(
        f"{function}: `{name}` is of type {type(array).__name__}, wanted a NumPy "
        f"array; convert it with {hint}"
    )


def check_float_array(function, name, array):
    """Raise TypeError unless this is a NumPy array of floats."""
    check_array(function, name, array)
    if array.dtype not in FLOATS:
        raise TypeError(
            f"{function}: `{name}` has dtype {array.dtype}, wanted float16, float32 or "
            f"float64; convert it, for example with {name}.astype(np.float32)"
        )


def check_floats(function, **arrays):
    """Raise TypeError unless all are NumPy arrays of floats, of one dtype."""
    first = next(iter(arrays))
    for name, array in arrays.items():
        check_float_array(function, name, array)
        if array.dtype != arrays[first].dtype:
            raise TypeError(
                f"{function}: `{first}` is {arrays[first].dtype} but `{name}` is "
                f"{array.dtype}; wanted one dtype, for example "
                f"{name}.astype({first}.dtype)"
            )


def working_dtype(dtype):
    """Return the dtype to compute in: float16 is too coarse to add up many terms."""
    return np.result_type(dtype, np.float32)


def for_work(array):
    """Return the array row-major in its working dtype: same numbers, same bits."""
    return np.asarray(array, dtype=working_dtype(array.dtype), order="C")


def check_shape(function, name, array, shape, why):
    """Raise ValueError unless the array has this shape; None stands for any size."""
    fits = array.ndim == len(shape) and all(
        want in (None, got) for got, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = str(shape).replace("None", "any")
        raise ValueError(
            f"{function}: `{name}` has shape {array.shape}, wanted {wanted}: {why}"
        )


def check_axis(function, name, array, axis):
    """Raise unless `axis` is one of the array's axes."""
    if isinstance(axis, bool) or not isinstance(axis, Integral):
        raise TypeError(f"{function}: `axis` is {axis!r}, wanted one integer")
    if not -array.ndim <= axis < array.ndim:
        raise ValueError(
            f"{function}: `axis` is {axis}, but `{name}` has {array.ndim} dims, wanted "
            + (f"{-array.ndim} to {array.ndim - 1}" if array.ndim else "at least 1 dim")
        )


def check_integer(function, name, value):
    """Raise TypeError unless this is one whole number, and no truth value."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{function}: `{name}` is {value!r}, wanted an integer")


def check_linear(function, x, weight, bias=None):
    """Raise unless x (..., in), weight (out, in) and bias (out,) fit each other."""
    check_floats(function, x=x, weight=weight)
    if x.ndim < 1:
        raise ValueError(f"{function}: `x` has shape (), wanted (..., in_features)")
    why = "(out_features, in_features), the last as in `x`"
    check_shape(function, "weight", weight, (None, x.shape[-1]), why)
    if bias is not None:
        check_floats(function, x=x, bias=bias)
        check_shape(function, "bias", bias, weight.shape[:1], "one for each output")


def check_query_key_value(function, query, key, value):
    """Raise unless the three are float arrays of one dtype whose axes fit."""
    arrays = {"query": query, "key": key, "value": value}
    check_floats(function, **arrays)
    for name, array in arrays.items():
        if array.ndim < 2:
            raise ValueError(
                f"{function}: `{name}` has shape {array.shape}, but needs at least 2 "
                "dims: (..., positions, size)"
            )
    if query.shape[-1] != key.shape[-1]:
        raise ValueError(
            f"{function}: `query` has shape {query.shape} and `key` {key.shape}; their "
            f"last axes must be equal, but are {query.shape[-1]} and {key.shape[-1]}"
        )
    if key.shape[-2] != value.shape[-2]:
        raise ValueError(
            f"{function}: `key` has {key.shape[-2]} positions but `value` has "
            f"{value.shape[-2]}; wanted one value for each key"
        )


def check_heads(function, query, key, value):
    """Raise unless the query's heads can be shared out evenly (`enable_gqa`)."""
    for name, array in {"key": key, "value": value}.items():
        if min(query.ndim, array.ndim) < 3:
            raise ValueError(
                f"{function}: enable_gqa needs at least 3 dims (..., heads, positions, "
                f"size), but `query` has shape {query.shape}, `{name}` {array.shape}"
            )
        query_heads, heads = query.shape[-3], array.shape[-3]
        if query_heads % heads if heads else query_heads:
            raise ValueError(
                f"{function}: `query` has {query_heads} heads, which is no multiple of "
                f"the {heads} heads of `{name}`"
            )


def broadcast_shapes(function, query, key, value):
    """Return the shapes of scores and output; raise unless the first axes broadcast."""
    leading = [array.shape[:-2] for array in (query, key, value)]
    try:
        of_output = np.broadcast_shapes(*leading)
    except ValueError:
        raise ValueError(
            f"{function}: the leading axes of `query` {leading[0]}, `key` {leading[1]} "
            f"and `value` {leading[2]} must be equal, or 1 where they differ "
            "(fewer heads in `key` and `value`: enable_gqa=True)"
        ) from None
    scores = (*np.broadcast_shapes(*leading[:2]), query.shape[-2], key.shape[-2])
    return scores, (*of_output, query.shape[-2], value.shape[-1])


def check_mask(function, attn_mask, dtype, scores):
    """Raise unless the mask is bool or of `dtype`, and broadcasts to shape `scores`."""
    if attn_mask is None:
        return
    check_array(function, "attn_mask", attn_mask, dtype="bool")
    if attn_mask.dtype not in (np.bool_, dtype):
        raise TypeError(
            f"{function}: `attn_mask` has dtype {attn_mask.dtype}; use bool (True = "
            f"may attend) or float (added, {dtype} as `query`)"
        )
    try:
        fits = np.broadcast_shapes(attn_mask.shape, scores) == scores
    except ValueError:
        fits = False
    if not fits:
        allowed = ", ".join(str(scores[axis:]) for axis in range(len(scores)))
        raise ValueError(
            f"{function}: `attn_mask` has shape {attn_mask.shape}, wanted one of "
            f"{allowed}, or 1 for any of these numbers (a padding mask (batch, keys) "
            "becomes attn_mask[:, None, None, :])"
        )


def resolve_scale(function, scale, query):
    """Return the factor on the scores: 1/sqrt(head_size) if none is given."""
    if scale is None:
        return 1 / math.sqrt(max(query.shape[-1], 1))  # at size 0 every score is 0
    if isinstance(scale, bool) or not isinstance(scale, Real):
        raise TypeError(f"{function}: `scale` is {scale!r}, wanted a number or None")
    try:
        factor = float(scale)
    except OverflowError:  # an integer beyond every float
        factor = math.inf
    if not abs(factor) <= np.finfo(working_dtype(query.dtype)).max:  # NaN fails too
        raise ValueError(
            f"{function}: `scale` is {factor}, wanted a finite number ({query.dtype})"
        )
    return factor
