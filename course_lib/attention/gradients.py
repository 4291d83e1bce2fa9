"""The gradients of attention, derived by hand."""

import numpy as np

from course_lib.attention.arguments import check_floats, check_shape, for_work
from course_lib.attention.functional import softmax_in_place, through_softmax
from course_lib.attention.scaled_dot_product import (
    blocked_pairs,
    checked,
    masked_scores,
    turned,
    weighted_sum,
)

NAME = "scaled_dot_product_attention_backward"


def scaled_dot_product_attention_backward(
    grad_output, query, key, value, attn_mask=None, *, is_causal=False, scale=None
):
    """Pull a gradient back through attention, to the query, the key and the value.

    Parameters
    ----------
    grad_output : ndarray (..., query, value_size), dtype of `query`
        dL/dZ, where Z = scaled_dot_product_attention(query, key, value, ...).
    query, key, value, attn_mask, is_causal, scale
        As `scaled_dot_product_attention` took them.

    Returns
    -------
    grad_query, grad_key, grad_value : ndarray
        Shape and dtype of `query`, `key` and `value`, summed over the axes along which
        they were broadcast. 0 for a pair that is masked, so also for a query that may
        attend to nothing.

    Raises
    ------
    TypeError, ValueError
        As `scaled_dot_product_attention`, and if `grad_output` has not the shape and
        dtype of the output.

    Notes
    -----
    Forward: S = scale Q Kᵀ, A = softmax(S), Z = A V. Backward, with dX for dL/dX::

        dV = Aᵀ dZ                          each value gets what it was weighted with
        dA = dZ Vᵀ
        dS = A ∘ (dA - rowsum(dA ∘ A))      the softmax
        dQ = scale dS K
        dK = scale dSᵀ Q

    Rows of dS sum to 0: adding a number to all scores of a row changes nothing. A is
    computed anew, as in Dao et al. 2022, "FlashAttention" (arXiv:2205.14135), section
    3.1.

    Differs from autograd through `torch.nn.functional.scaled_dot_product_attention`:
    NaN or infinity in a masked key or value does not get through.

    Taught in: lesson 13.

    Examples
    --------
    Equal weights on two values, and L = Z: each value gets half of the gradient, and
    the key of the larger value should fit the query better.

    >>> query, key = np.array([[1.0]]), np.array([[0.0], [0.0]])
    >>> value = np.array([[1.0], [3.0]])
    >>> _, grad_key, grad_value = scaled_dot_product_attention_backward(
    ...     np.array([[1.0]]), query, key, value
    ... )
    >>> grad_key.ravel(), grad_value.ravel()
    (array([-0.5,  0.5]), array([0.5, 0.5]))
    """
    *_, of_output, scale = checked(NAME, query, key, value, attn_mask, scale)
    check_floats(NAME, query=query, grad_output=grad_output)
    check_shape(NAME, "grad_output", grad_output, of_output, "that of the output")

    arrays = [for_work(array) for array in (grad_output, query, key, value)]
    with np.errstate(all="ignore"):  # exp may underflow to 0; NaN shows in the result
        grads = pull_back(*arrays, attn_mask, is_causal, scale)
        return tuple(
            sum_to_shape(grad, array.shape).astype(array.dtype, copy=False)
            for grad, array in zip(grads, (query, key, value), strict=True)
        )


def pull_back(grad_output, query, key, value, attn_mask, is_causal, scale):
    """Return the three gradients, still with all broadcast axes."""
    weights = masked_scores(query * scale, key, attn_mask, is_causal)
    blocked = blocked_pairs(weights, grad_output, query, key, value)
    softmax_in_place(weights)

    grad_value = weighted_sum(turned(weights), grad_output, turned(blocked))
    grad_weights = grad_output @ turned(value)
    if blocked is not None:
        grad_weights = np.where(blocked, 0, grad_weights)
    grad_scores = through_softmax(grad_weights, weights)
    if blocked is not None:
        grad_scores[np.broadcast_to(blocked, grad_scores.shape)] = 0
    grad_query = scale * weighted_sum(grad_scores, key, blocked)
    grad_key = scale * weighted_sum(turned(grad_scores), query, turned(blocked))
    return grad_query, grad_key, grad_value


def sum_to_shape(grad, shape):
    """Sum over the axes along which an array of this shape was broadcast."""
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    stretched = [i for i, size in enumerate(shape) if size == 1 != grad.shape[i]]
    return grad.sum(axis=tuple(stretched), keepdims=True)
