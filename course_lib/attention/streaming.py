"""Attention that never holds the whole map: block by block, with the online softmax."""

import numpy as np

from course_lib.attention.arguments import for_work, working_dtype
from course_lib.attention.scaled_dot_product import (
    checked,
    hide,
    turned,
    weighted_sum,
)
from course_lib.attention.threads import blocks, in_parallel, thread_count

NAME = "streaming_attention"
QUERIES = 128  # in one block
# The largest product that BLAS leaves to one core. The cores have blocks of their own.
PRODUCT = 1 << 18  # multiplications
MOST = 24  # blocks at once: their scores, a megabyte, still stay in a core's cache


def streaming_attention(
    query,
    key,
    value,
    attn_mask=None,
    *,
    is_causal=False,
    scale=None,
    enable_gqa=False,
):
    """Attend as `scaled_dot_product_attention`, in memory that grows with the length.

    Parameters
    ----------
    query, key, value, attn_mask, is_causal, scale, enable_gqa
        As `scaled_dot_product_attention` takes them.

    Returns
    -------
    ndarray (..., heads, query, value_size), dtype of `query`
        The same output, but for rounding.

    Raises
    ------
    TypeError, ValueError
        As `scaled_dot_product_attention`.

    Notes
    -----
    For each query, while blocks of keys pass by: m, the highest score so far; l, the
    sum of exp(score - m); o, the sum of exp(score - m) value. When a block raises m to
    m', what was summed before is multiplied by exp(m - m'). In the end the output is
    o / l: Milakov and Gimelshein 2018 (arXiv:1805.02867), algorithm 3, and with the
    values Dao et al. 2022, "FlashAttention" (arXiv:2205.14135), algorithm 1. Here l is
    summed like o, as if each value had one more entry, a 1.

    Memory beyond inputs and output: one copy of query, key and value, and some
    megabytes for each thread. Nothing is approximated, and as much is multiplied as in
    the plain form, but for keys that lie ahead of all queries of a part: they are left
    out if `is_causal`. The blocks are the same for any number of threads, so the result
    is too. As o is divided at the end, values above the largest float / number of keys
    become infinite.

    Taught in: lesson 14.

    Examples
    --------
    Scores log(3) and 0, so that the weights are as 3 to 1:

    >>> query, key = np.array([[np.log(3)]]), np.array([[1.0], [0.0]])
    >>> streaming_attention(query, key, np.array([[0.0], [8.0]])).round(3)
    array([[2.]])
    """
    key, value, of_scores, of_output, scale = checked(
        NAME, query, key, value, attn_mask, scale, enable_gqa
    )
    output = np.empty(of_output, query.dtype)
    whole = output if output.ndim > 2 else output[None]
    arrays = [for_work(query), for_work(key), in_rows_with_ones(value)]
    arrays += [] if attn_mask is None else [np.broadcast_to(attn_mask, of_scores)]
    # Broadcast as views: nothing is copied.
    views = [np.broadcast_to(a, (*whole.shape[:-2], *a.shape[-2:])) for a in arrays]
    is_finite = np.isfinite(arrays[2]).all()

    def fill(piece):
        index, rows = piece
        with np.errstate(all="ignore"):  # in each thread anew
            parts = (view[index] for view in views)
            whole[index][:, rows] = attend_in_blocks(
                rows, scale, is_causal, is_finite, *parts
            )

    in_parallel(fill, list(pieces(whole.shape)))
    return output


def in_rows_with_ones(value):
    """Turn (..., key, size) into (..., size + 1, key). The ones sum the weights."""
    *leading, keys, size = value.shape
    rows = np.ones((*leading, size + 1, keys), working_dtype(value.dtype))
    rows[..., :size, :] = turned(value)
    return rows


def pieces(shape):
    """Yield (batch and heads, rows) for all parts of the output, each work for a core.

    A part holds several blocks, of several heads or of one: threads that call NumPy for
    little at a time wait for each other. But each core has its part.
    """
    *batch, heads, queries, _ = shape
    for_all_cores = queries // (QUERIES * thread_count())
    groups = max(1, min(MOST // max(heads, 1), for_all_cores))
    for index in np.ndindex(*batch):
        for some_heads in blocks(heads, MOST):
            for rows in blocks(queries, groups * QUERIES):
                yield (*index, some_heads), rows


def attend_in_blocks(
    rows, scale, is_causal, is_finite, query, key, value, attn_mask=None
):
    """Return the output (heads, rows, value_size) of some rows of the query.

    `value` comes turned over. So do the scores here, (heads, groups, keys, queries):
    maxima then run down the columns, for many queries at once.
    """
    width = min(QUERIES, query.shape[-2])
    # (heads, groups, head_size, queries)
    columns = np.multiply(in_columns(query[:, rows], width), scale, order="C")
    heads, groups, _, _ = columns.shape
    # The lowest finite number, not -inf: for a query that has met no key yet, a hidden
    # score minus that is -inf, and never NaN.
    lowest = np.finfo(columns.dtype).min
    highest = np.full((heads, groups, 1, width), lowest)
    mixed = np.zeros((heads, groups, value.shape[-2], width), columns.dtype)
    for keys in blocks(key.shape[-2], keys_in_block(key, value)):
        if is_causal and keys.start >= rows.stop:
            break  # this block and all others lie ahead of these queries
        scores = key[:, None, keys] @ columns
        if attn_mask is not None:
            hide(scores, in_columns(attn_mask[:, rows, keys], width))
        if is_causal:
            hide_what_is_ahead(scores, rows.start, keys.start)
        blocked = None if is_finite else np.isneginf(scores)

        new_highest = np.maximum(highest, scores.max(axis=-2, keepdims=True))
        mixed *= np.exp(highest - new_highest)
        scores -= new_highest
        powers = np.exp(scores, out=scores)
        mixed += mix(value[:, None, :, keys], powers, blocked)
        highest = new_highest
    total = mixed[..., -1:, :]
    total[total == 0] = 1  # a query that may attend to nothing: its output is 0
    result = turned(mixed[..., :-1, :] / total).reshape(heads, groups * width, -1)
    return result[:, : query[:, rows].shape[1]]


def mix(value, powers, blocked):
    """Return value @ powers; a blocked pair adds 0 even if the value is NaN."""
    if blocked is None:
        return value @ powers
    return turned(weighted_sum(turned(powers), turned(value), turned(blocked)))


def keys_in_block(key, value):
    """Return how many keys a block has, for products that BLAS leaves to one core."""
    return max(8, PRODUCT // (QUERIES * max(key.shape[-1], value.shape[-2])))


def in_columns(array, width):
    """View (heads, rows, size) as (heads, groups, size, width), filled up with 0."""
    heads, rows, size = array.shape
    groups = -(-rows // width)
    if groups * width > rows:
        array = np.pad(array, ((0, 0), (0, groups * width - rows), (0, 0)))
    return turned(array.reshape(heads, groups, width, size))


def hide_what_is_ahead(scores, first_query, first_key):
    """Set scores (heads, groups, keys, queries) of keys after their query to -inf."""
    _, groups, keys, width = scores.shape
    key = first_key + np.arange(keys)[:, None]
    query = first_query + np.arange(groups * width).reshape(groups, 1, width)
    if key[-1] > first_query:
        np.copyto(scores, -np.inf, where=key > query)
