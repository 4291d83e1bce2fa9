"""Scaled dot-product attention: every query takes a weighted mean of the values."""

import numpy as np

from course_lib.attention.arguments import (
    broadcast_shapes,
    check_heads,
    check_mask,
    check_query_key_value,
    for_work,
    resolve_scale,
)
from course_lib.attention.functional import softmax_in_place

NAME = "scaled_dot_product_attention"


def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    *,
    is_causal=False,
    scale=None,
    enable_gqa=False,
    return_weights=False,
):
    """Mix the values, for each query by how well it matches each key.

    Parameters
    ----------
    query : ndarray (..., heads, query, head_size) of float16, float32 or float64
        Leading axes are optional and broadcast. No argument is ever changed.
    key : ndarray (..., heads, key, head_size), dtype of `query`
    value : ndarray (..., heads, key, value_size), dtype of `query`
    attn_mask : ndarray, broadcastable to the scores (..., heads, query, key), optional
        Boolean: True = may attend. Or float, with the dtype of `query`: added to the
        scores; -inf blocks exactly as False does.
    is_causal : bool, default False
        Query i may attend to keys 0..i only, counted from the start even where the
        lengths differ (top-left, as torch). With `attn_mask`, both must allow.
    scale : float, optional
        Factor on the dot products. Default 1/sqrt(head_size).
    enable_gqa : bool, default False
        Grouped queries: each head of key and value serves several heads of the query.
    return_weights : bool, default False
        Return (output, weights).

    Returns
    -------
    output : ndarray (..., heads, query, value_size), dtype of `query`
        Within the range of the values that the query may attend to.
    weights : ndarray (..., heads, query, key), dtype of `query`
        In [0, 1]. A row sums to 1, or is exactly 0 where a query may attend to nothing.

    Raises
    ------
    TypeError
        No NumPy array (a list, a tensor); a dtype other than the three floats, or
        unequal ones; an integer mask; a scale that is no number.
    ValueError
        Shapes that do not fit each other; a scale that is not finite.

    Notes
    -----
    Attention(Q, K, V) = softmax(Q Kᵀ / sqrt(d_k)) V: Vaswani et al. 2017, "Attention Is
    All You Need" (arXiv:1706.03762), section 3.2.1, equation 1; why the square root:
    footnote 4 there. Float16 is computed in float32.

    A query that may attend to nothing gets exact zeros. The lowest finite float is not
    -inf: added to a whole row, `np.finfo(dtype).min` of float32 and float64 swallows
    every score, so the weights are equal and the output is mean(V). That of float16,
    -65504, cancels in the softmax instead, as the scores are float32: the row attends
    as if unmasked, within 1 %. Mask with booleans or -inf.

    A NaN in a query makes its own row NaN. Without keys the output is 0; with
    `head_size` 0 every score is 0, so the output is mean(V).

    Differs from `torch.nn.functional.scaled_dot_product_attention`: `attn_mask` and
    `is_causal` may be combined; NaN or infinity in a key or value reaches only the
    queries that may attend to it (torch: 0 * NaN = NaN); a NaN query that may attend to
    nothing gives 0; a float mask needs the dtype of `query`, because float64's lowest
    finite number would become -inf in float32; a NaN or infinite `scale` is an error;
    there is no dropout; the weights can be had.

    Taught in: lesson 11.

    Examples
    --------
    Scores 2 log(3) and 0, times 1/sqrt(4), so that the weights are as 3 to 1:

    >>> query = np.array([[2 * np.log(3), 0, 0, 0]])
    >>> key = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]])
    >>> value = np.array([[0.0], [8.0]])
    >>> output, weights = scaled_dot_product_attention(
    ...     query, key, value, return_weights=True
    ... )
    >>> weights.round(3), output.round(3)
    (array([[0.75, 0.25]]), array([[2.]]))
    """
    key, value, _, _, scale = checked(
        NAME, query, key, value, attn_mask, scale, enable_gqa
    )
    # exp may underflow to 0, and a NaN shows in the result: no warnings.
    with np.errstate(all="ignore"):
        weights, output = attend(query, key, value, attn_mask, is_causal, scale)
    return (output, weights) if return_weights else output


def checked(function, query, key, value, attn_mask, scale, enable_gqa=False):
    """Return key and value for all heads, the shapes of scores and output, the scale.

    Raises whatever is wrong with the arguments, in the name of `function`.
    """
    check_query_key_value(function, query, key, value)
    if enable_gqa:
        check_heads(function, query, key, value)
        key, value = repeat_heads(query, key), repeat_heads(query, value)
    of_scores, of_output = broadcast_shapes(function, query, key, value)
    check_mask(function, attn_mask, query.dtype, of_scores)
    return key, value, of_scores, of_output, resolve_scale(function, scale, query)


def attend(query, key, value, attn_mask, is_causal, scale):
    """Return weights and output for arguments that have been checked."""
    dtype = query.dtype
    query, key, value = for_work(query), for_work(key), for_work(value)
    # One buffer (..., query, key) is first the scores and then the weights. The query
    # is scaled instead of the scores: it has fewer entries.
    weights = masked_scores(query * scale, key, attn_mask, is_causal)
    blocked = blocked_pairs(weights, value)
    softmax_in_place(weights)
    output = weighted_sum(weights, value, blocked)
    return weights.astype(dtype, copy=False), output.astype(dtype, copy=False)


def repeat_heads(query, array):
    """Repeat each head of `key` or `value` for the heads of the query it serves."""
    group = query.shape[-3] // max(array.shape[-3], 1)
    return np.repeat(array, group, axis=-3)


def masked_scores(query, key, attn_mask, is_causal):
    """Return query keyᵀ (..., query, key), and -inf where a query may not attend."""
    scores = query @ turned(key)
    if attn_mask is not None:
        hide(scores, attn_mask)
    if is_causal:
        allowed = np.tri(*scores.shape[-2:], dtype=bool)  # row i: True for keys 0..i
        np.copyto(scores, -np.inf, where=~allowed)
    return scores


def hide(scores, attn_mask):
    """Apply a mask of bool or float to the scores, in place."""
    blocked = ~attn_mask if attn_mask.dtype == bool else np.isneginf(attn_mask)
    if attn_mask.dtype != bool:
        scores += attn_mask
    # Written, not added: NaN - inf would stay NaN.
    np.copyto(scores, -np.inf, where=blocked)


def turned(array):
    """Swap the last two axes; None stays None."""
    return None if array is None else array.swapaxes(-1, -2)


def blocked_pairs(scores, *arrays):
    """Return where the scores are -inf; None if all arrays are finite and none care."""
    if all(np.isfinite(array).all() for array in arrays):
        return None
    return np.isneginf(scores)


def weighted_sum(weights, rows, blocked):
    """Return weights @ rows; a blocked pair adds 0 even if the row is NaN."""
    if blocked is None:
        return weights @ rows
    finite = np.isfinite(rows)
    output = weights @ np.where(finite, rows, 0)
    bad_rows = ~finite.all(axis=-1)  # (..., key)
    for position in np.flatnonzero(bad_rows.any(axis=tuple(range(rows.ndim - 2)))):
        weight = weights[..., position, None]  # (..., query, 1)
        row = rows[..., None, position, :]  # (..., 1, value_size)
        row = np.where(np.isfinite(row), 0, row)
        output += np.where(blocked[..., position, None], 0, weight * row)
    return output
