"""LayerNorm, forward and backward: every row gets mean 0 and spread 1 of its own."""

from numbers import Real

import numpy as np

from course_lib.attention.arguments import check_floats, check_shape, for_work


def layer_norm(x, weight, bias, eps=1e-12):
    """Bring each row to mean 0 and standard deviation 1, then stretch and shift it.

    Parameters
    ----------
    x : ndarray (..., features) of float16, float32 or float64
    weight, bias : ndarray (features,), dtype of `x`
        The learned stretch and shift of each feature, γ and β.
    eps : float, default 1e-12
        Added to the variance, so that a constant row is not divided by 0. BERT's value;
        PyTorch's default is 1e-5.

    Returns
    -------
    ndarray, shape and dtype of `x`

    Raises
    ------
    TypeError, ValueError
        No NumPy arrays of floats, dtypes that differ, shapes that do not fit, or an
        `eps` that is negative or no number.

    Notes
    -----
    y = γ (x - mean) / √(variance + eps) + β over the last axis; the variance divides by
    the number of features, not by one less: Ba, Kiros and Hinton 2016, "Layer
    Normalization" (arXiv:1607.06450), section 3, equation 3; they have no eps. Equal to
    `torch.nn.functional.layer_norm`. Float16 is computed in float32.

    Taught in: lesson 13.

    Examples
    --------
    >>> layer_norm(np.array([1.0, 3.0]), np.array([1.0, 1.0]), np.array([0.0, 0.5]))
    array([-1. ,  1.5])
    """
    check_layer_norm("layer_norm", x, weight, eps)
    check_floats("layer_norm", x=x, bias=bias)
    check_shape("layer_norm", "bias", bias, x.shape[-1:], "one for each feature of `x`")
    with np.errstate(all="ignore"):  # NaN and infinity show in the result
        y, _ = normalized(x, eps)
        y *= weight
        y += bias
        return y.astype(x.dtype, copy=False)


def layer_norm_backward(grad_output, x, weight, eps=1e-12):
    """Pull a gradient back through `layer_norm`.

    Parameters
    ----------
    grad_output : ndarray, shape and dtype of `x`
        dL/dY, where Y = layer_norm(x, weight, bias, eps).
    x : ndarray (..., features) of float16, float32 or float64
    weight : ndarray (features,), dtype of `x`
    eps : float, default 1e-12

    Returns
    -------
    grad_x : ndarray, shape of `x`
        Each row sums to 0: adding a number to a whole row changes nothing.
    grad_weight, grad_bias : ndarray (features,)
        Summed over all rows.

    Raises
    ------
    TypeError, ValueError
        As `layer_norm`.

    Notes
    -----
    With n = (x - mean) / √(variance + eps), g = γ dL/dY, and means over the features:
    dL/dx = (g - mean(g) - n mean(g n)) / √(variance + eps); dL/dγ sums dL/dY n over the
    rows, dL/dβ sums dL/dY.

    Taught in: lesson 13.

    Examples
    --------
    Growing the larger of two numbers changes nothing: it stays one deviation above.

    >>> one = np.array([1.0, 1.0])
    >>> grads = layer_norm_backward(np.array([0.0, 1.0]), np.array([1.0, 3.0]), one)
    >>> np.abs(grads[0]).round(9)
    array([0., 0.])
    """
    name = "layer_norm_backward"
    check_layer_norm(name, x, weight, eps)
    check_floats(name, x=x, grad_output=grad_output)
    check_shape(name, "grad_output", grad_output, x.shape, "that of `x`")
    grad_y = for_work(grad_output)
    with np.errstate(all="ignore"):
        n, deviation = normalized(x, eps)
        rows = tuple(range(x.ndim - 1))
        grad_weight, grad_bias = (grad_y * n).sum(axis=rows), grad_y.sum(axis=rows)
        grad = grad_y * weight
        grad_x = grad - grad.mean(axis=-1, keepdims=True)
        grad_x -= n * (grad * n).mean(axis=-1, keepdims=True)
        grad_x /= deviation
        grads = grad_x, grad_weight, grad_bias
        return tuple(array.astype(x.dtype, copy=False) for array in grads)


def normalized(x, eps):
    """Return a copy of x with rows of mean 0 and spread 1, and what divided them."""
    y = np.array(for_work(x))
    y -= y.mean(axis=-1, keepdims=True)
    y -= y.mean(axis=-1, keepdims=True)  # what rounding left: a constant row becomes 0
    variance = np.einsum("...i,...i->...", y, y)[..., None] / y.shape[-1]
    deviation = np.sqrt(variance + y.dtype.type(eps))
    y /= deviation
    return y, deviation


def check_layer_norm(function, x, weight, eps):
    """Raise unless the arrays fit and eps is a number from 0 on."""
    check_floats(function, x=x, weight=weight)
    if x.ndim < 1 or x.shape[-1] < 1:
        raise ValueError(
            f"{function}: `x` has shape {x.shape}, wanted (..., features), with at "
            "least 1 feature"
        )
    check_shape(function, "weight", weight, x.shape[-1:], "one for each feature of `x`")
    if isinstance(eps, bool) or not isinstance(eps, Real):
        raise TypeError(f"{function}: `eps` is {eps!r}, wanted a number")
    if not 0 <= eps <= float(np.finfo(np.float32).max):  # NaN fails too
        raise ValueError(
            f"{function}: `eps` is {eps}, wanted a finite number from 0 on"
        )
