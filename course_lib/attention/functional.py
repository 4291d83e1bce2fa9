"""Softmax: turn scores into weights that are never negative and sum to 1."""

import numpy as np

from course_lib.attention.arguments import (
    check_axis,
    check_float_array,
    working_dtype,
)


def softmax(scores, axis=-1):
    """Turn scores into weights between 0 and 1 that sum to 1 along one axis.

    Parameters
    ----------
    scores : ndarray of float16, float32 or float64, at least 1 dim
        Any finite number, and -inf for "not at all". Not changed.
    axis : int, default -1
        The axis along which the weights sum to 1.

    Returns
    -------
    ndarray
        Shape and dtype of `scores`, in [0, 1]. Float16 is computed in float32.

    Raises
    ------
    TypeError
        `scores` is no NumPy array of floats (a list, a tensor, integers), or `axis`
        is no integer.
    ValueError
        `scores` has 0 dims, or has no such axis.

    Notes
    -----
    softmax(x)_i = exp(x_i - m) / sum_j exp(x_j - m), with m = max_j x_j. Subtracting m
    changes nothing on paper, since exp(-m) cancels, but no exponential can overflow:
    "safe softmax", algorithm 2 of Milakov and Gimelshein 2018, "Online normalizer
    calculation for softmax" (arXiv:1805.02867). A NaN or +inf makes its own row NaN.

    Differs from `torch.softmax`: a row of only -inf gives exact zeros, not NaN. It is
    the row of a query that may attend to nothing.

    Taught in: lesson 11.

    Examples
    --------
    >>> softmax(np.log([1.0, 2.0, 5.0])).round(3)  # 1/8, 2/8, 5/8
    array([0.125, 0.25 , 0.625])
    >>> softmax(np.array([-np.inf, -np.inf]))
    array([0., 0.])
    """
    check_float_array("softmax", "scores", scores)
    check_axis("softmax", "scores", scores, axis)
    # Row-major, so that the sums run in one order whatever the strides of the input.
    weights = np.array(scores, dtype=working_dtype(scores.dtype), order="C")
    with np.errstate(all="ignore"):  # exp may underflow to 0; NaN shows in the result
        softmax_in_place(weights, axis)
        return weights.astype(scores.dtype, copy=False)


def softmax_in_place(scores, axis=-1):
    """Overwrite float32 or float64 scores with their softmax; no second buffer."""
    # `initial` is the maximum of a row without entries.
    highest = scores.max(axis=axis, keepdims=True, initial=-np.inf)
    highest[np.isneginf(highest)] = 0  # -inf minus -inf would be NaN
    scores -= highest
    np.exp(scores, out=scores)
    total = scores.sum(axis=axis, keepdims=True)
    total[total == 0] = 1  # only in a row of -inf: the highest score gives exp(0) = 1
    scores /= total
