"""The functions that a transformer is made of, each with its gradient.

Softmax, linear, GELU; LayerNorm has its own file. A `*_backward` takes the gradient of
some number L with respect to a function's result, dL/dY, and returns that with respect
to the function's arguments.
"""

import math

import numpy as np

from course_lib.attention.arguments import (
    check_axis,
    check_float_array,
    check_floats,
    check_linear,
    check_shape,
    for_work,
    working_dtype,
)
from course_lib.attention.threads import blocks, in_parallel

BLOCK = 1 << 18  # numbers for a thread at once; with fewer, they wait for each other

# p of Φ(x) ≈ (1 + tanh(x p(x²))) / 2, highest power first;
# fitted to atanh(erf(x/√2)) / x for the least error of Φ on [-5, 5]. GPT-2's GELU has
# the last two terms only.
TANH_OF_NORMAL = np.float32(
    [
        *(1.756174046903369e-09, -1.322634457723337e-07, 3.964745602813154e-06),
        *(-5.53061994033988e-05, -3.2594963757344505e-05, 0.03633308456471667),
        0.7978849414621443,
    ]
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


def softmax_backward(grad_output, weights, axis=-1):
    """Pull a gradient back through the softmax.

    Parameters
    ----------
    grad_output : ndarray, shape and dtype of `weights`
        dL/dA, where A = softmax(S).
    weights : ndarray of float16, float32 or float64
        A itself: the scores S are not needed.
    axis : int, default -1
        The axis along which the weights sum to 1.

    Returns
    -------
    ndarray, shape and dtype of `weights`
        dL/dS. It sums to 0 along `axis`, and is 0 where a weight is 0.

    Raises
    ------
    TypeError, ValueError
        No NumPy arrays of floats, dtypes or shapes that differ, or no such axis.

    Notes
    -----
    dA_i/dS_j = A_i (1 - A_i) if i = j, else -A_i A_j. Summed up with g = dL/dA:
    dL/dS_j = A_j (g_j - sum_i g_i A_i).

    Taught in: lesson 13.

    Examples
    --------
    >>> softmax_backward(np.array([1.0, 0.0]), np.array([0.25, 0.75]))
    array([ 0.1875, -0.1875])
    """
    name = "softmax_backward"
    check_floats(name, weights=weights, grad_output=grad_output)
    check_shape(name, "grad_output", grad_output, weights.shape, "that of `weights`")
    check_axis(name, "weights", weights, axis)
    grad, share = for_work(grad_output), for_work(weights)
    with np.errstate(all="ignore"):  # products may underflow; NaN shows in the result
        return through_softmax(grad, share, axis).astype(weights.dtype, copy=False)


def through_softmax(grad, weights, axis=-1):
    """Return dL/dS for float32 or float64 arrays that have been checked."""
    mean_grad = (grad * weights).sum(axis=axis, keepdims=True)
    return weights * (grad - mean_grad)


def linear(x, weight, bias=None):
    """Multiply each row by a matrix and add a vector: x Wᵀ + b.

    Parameters
    ----------
    x : ndarray (..., in_features) of float16, float32 or float64
    weight : ndarray (out_features, in_features), dtype of `x`
    bias : ndarray (out_features,), dtype of `x`, optional

    Returns
    -------
    ndarray (..., out_features), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        No NumPy arrays of floats, dtypes that differ, or widths that do not fit.

    Notes
    -----
    The weights lie as in `torch.nn.Linear`, one row for each output. Float16 is
    computed in float32.

    Taught in: lesson 13.

    Examples
    --------
    >>> linear(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([0.5]))
    array([[11.5]])
    """
    check_linear("linear", x, weight, bias)
    rows, weights = in_rows(x), for_work(weight)
    # The same product; BLAS takes half the time for few rows if they come as columns.
    few = len(rows) < 64
    with np.errstate(all="ignore"):  # NaN and infinity show in the result
        y = np.ascontiguousarray((weights @ rows.T).T) if few else rows @ weights.T
        if bias is not None:
            y += bias
        return y.reshape(*x.shape[:-1], len(weight)).astype(x.dtype, copy=False)


def in_rows(x):
    """Return (..., features) as a matrix, one row after the other, for the work."""
    return for_work(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])


def linear_backward(grad_output, x, weight):
    """Pull a gradient back through `linear`.

    Parameters
    ----------
    grad_output : ndarray (..., out_features), dtype of `x`
        dL/dY, where Y = x Wᵀ + b.
    x : ndarray (..., in_features) of float16, float32 or float64
    weight : ndarray (out_features, in_features), dtype of `x`

    Returns
    -------
    grad_x : ndarray (..., in_features)
        dL/dY W
    grad_weight : ndarray (out_features, in_features)
        (dL/dY)ᵀ x, summed over all rows.
    grad_bias : ndarray (out_features,)
        The sum of dL/dY over all rows.

    Raises
    ------
    TypeError, ValueError
        No NumPy arrays of floats, dtypes that differ, or shapes that do not fit.

    Notes
    -----
    Taught in: lesson 13.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> linear_backward(one, np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]))
    (array([[3., 4.]]), array([[1., 2.]]), array([1.]))
    """
    name = "linear_backward"
    check_linear(name, x, weight)
    check_floats(name, x=x, grad_output=grad_output)
    shape = (*x.shape[:-1], len(weight))
    check_shape(name, "grad_output", grad_output, shape, "that of x Wᵀ")
    rows, grad = in_rows(x), in_rows(grad_output)
    with np.errstate(all="ignore"):  # NaN and infinity show in the result
        grad_x = (grad @ for_work(weight)).reshape(x.shape)
        grads = grad_x, grad.T @ rows, grad.sum(axis=0)
        return tuple(array.astype(x.dtype, copy=False) for array in grads)


def gelu(x):
    """Let large numbers through and hold back negative ones: x Φ(x).

    Parameters
    ----------
    x : ndarray of float16, float32 or float64

    Returns
    -------
    ndarray, shape and dtype of `x`
        At least -0.17.

    Raises
    ------
    TypeError
        `x` is no NumPy array of floats.

    Notes
    -----
    Φ(x) = (1 + erf(x/√2)) / 2, the share of a standard normal below x: Hendrycks and
    Gimpel 2016, "Gaussian Error Linear Units" (arXiv:1606.08415), section 2. BERT uses
    this exact form; GPT-2's with tanh differs by up to 5e-4. In float32, Φ is right to
    2e-7. -inf gives NaN.

    Taught in: lesson 13.

    Examples
    --------
    >>> gelu(np.array([-1.0, 0.0, 1.0])).round(3)
    array([-0.159,  0.   ,  0.841])
    """
    check_float_array("gelu", "x", x)
    flat = for_work(x).reshape(-1)
    result = np.empty_like(flat)

    def fill(part):
        with np.errstate(all="ignore"):  # in each thread anew
            result[part] = flat[part] * below(flat[part])

    in_parallel(fill, blocks(len(flat), BLOCK))
    return result.reshape(x.shape).astype(x.dtype, copy=False)


def below(x):
    """Return Φ(x), the share of a standard normal distribution that lies below x."""
    if x.dtype == np.float32:
        return below_float32(x)
    from scipy.special import erf  # takes 0.2 s to load; float32 needs none

    return (1 + erf(x * math.sqrt(0.5))) * 0.5


def below_float32(x):
    """Return Φ(x) to 2e-7, ten times as fast as SciPy: a BERT needs it often."""
    square = x * x
    y = np.full_like(x, TANH_OF_NORMAL[0])
    for coefficient in TANH_OF_NORMAL[1:]:
        y *= square
        y += coefficient
    y *= x
    np.tanh(y, out=y)
    y += 1
    y *= np.float32(0.5)
    return y


def gelu_backward(grad_output, x):
    """Pull a gradient back through `gelu`.

    Parameters
    ----------
    grad_output : ndarray, shape and dtype of `x`
        dL/dY, where Y = gelu(x).
    x : ndarray of float16, float32 or float64

    Returns
    -------
    ndarray, shape and dtype of `x`
        dL/dx = dL/dY (Φ(x) + x φ(x)), with φ(x) = exp(-x²/2) / √(2π).

    Raises
    ------
    TypeError, ValueError
        No NumPy arrays of floats, or dtypes or shapes that differ.

    Notes
    -----
    Taught in: lesson 13.

    Examples
    --------
    >>> gelu_backward(np.array([2.0]), np.array([0.0]))
    array([1.])
    """
    check_floats("gelu_backward", x=x, grad_output=grad_output)
    check_shape("gelu_backward", "grad_output", grad_output, x.shape, "that of `x`")
    grad, x_work = for_work(grad_output), for_work(x)
    with np.errstate(all="ignore"):  # exp may underflow to 0; NaN shows in the result
        density = np.exp(-0.5 * x_work**2) / math.sqrt(2 * math.pi)
        grad_x = grad * (below(x_work) + x_work * density)
        return grad_x.astype(x.dtype, copy=False)
