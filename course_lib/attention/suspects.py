"""Bugs that people really write into a BERT, each as the piece that it spoils."""

import numpy as np

from course_lib.attention.functional import linear, softmax
from course_lib.attention.layer_norm import layer_norm
from course_lib.attention.multi_head import merge_heads
from course_lib.attention.numpy_bert import add_embeddings
from course_lib.attention.scaled_dot_product import scaled_dot_product_attention


def attention_scaled(scale_of):
    """Return attention whose scale is `scale_of(heads, head_size)`."""

    def attention(query, key, value, mask, *, return_weights):
        scale = scale_of(query.shape[-3], query.shape[-1])
        return scaled_dot_product_attention(
            query, key, value, mask, scale=scale, return_weights=return_weights
        )

    return attention


def attention_with_mask(change):
    """Return attention whose mask goes through `change` first."""

    def attention(query, key, value, mask, *, return_weights):
        mask = None if mask is None else change(mask)
        return scaled_dot_product_attention(
            query, key, value, mask, return_weights=return_weights
        )

    return attention


def opposite(mask):
    """Hide what may be seen and show what should be hidden."""
    return np.where(mask == 0, np.finfo(mask.dtype).min, mask.dtype.type(0))


def over_queries(query, key, value, mask, *, return_weights):
    """Let the columns of the map sum to 1."""
    scores = query @ key.swapaxes(-1, -2) / np.float32(np.sqrt(query.shape[-1]))
    scores = scores if mask is None else scores + mask
    weights = softmax(scores, axis=-2)
    return weights @ value, weights


def keys_as_queries(query, key, value, mask, *, return_weights):
    """Let the keys ask and the queries answer."""
    return scaled_dot_product_attention(
        key, query, value, mask, return_weights=return_weights
    )


def unbiased_layer_norm(x, weight, bias, eps):
    """Divide the variance by n - 1."""
    n = x.shape[-1]
    return layer_norm(x, weight * np.float32(np.sqrt((n - 1) / n)), bias, eps)


def gelu_tanh(x):
    """Approximate GELU as GPT-2 does."""
    inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x**3)
    return np.float32(0.5) * x * (1 + np.tanh(inner))


def relu(x):
    """Cut off at 0."""
    return np.maximum(x, 0)


def matrix_not_turned(x, weight, bias):
    """Multiply by W where Wᵀ is meant; only square matrices allow it."""
    square = weight.shape[0] == weight.shape[1]
    return linear(x, np.ascontiguousarray(weight.T) if square else weight, bias)


def without_bias(x, weight, bias):
    """Leave out the bias."""
    return linear(x, weight)


def split_without_turning(x, num_heads):
    """Reshape straight to (heads, tokens, size): it mixes tokens and heads."""
    return x.reshape(*x.shape[:-2], num_heads, x.shape[-2], x.shape[-1] // num_heads)


def split_interleaved(x, num_heads):
    """Give head h the columns h, h + heads, h + 2 heads …"""
    size = x.shape[-1] // num_heads
    return x.reshape(*x.shape[:-1], size, num_heads).swapaxes(-1, -3).swapaxes(-1, -2)


def merge_without_turning(x):
    """Reshape straight to (tokens, hidden): it mixes tokens and heads."""
    return x.reshape(*x.shape[:-3], x.shape[-2], x.shape[-3] * x.shape[-1])


def merge_backwards(x):
    """Glue the last head first."""
    return merge_heads(x[..., ::-1, :, :])


def nothing_kept(before, change):
    """Leave out what was there before."""
    return change


def no_segments(input_ids, token_type_ids, word, position, segment):
    """Leave out the segment embeddings."""
    return add_embeddings(input_ids, token_type_ids, word, position, 0 * segment)


def first_segment(input_ids, token_type_ids, word, position, segment):
    """Put all tokens into segment 0."""
    return add_embeddings(input_ids, 0 * token_type_ids, word, position, segment)


def no_positions(input_ids, token_type_ids, word, position, segment):
    """Leave out the position embeddings."""
    return add_embeddings(input_ids, token_type_ids, word, 0 * position, segment)


def positions_from_one(input_ids, token_type_ids, word, position, segment):
    """Give the first token position 1."""
    later = np.roll(position, -1, axis=0)
    return add_embeddings(input_ids, token_type_ids, word, later, segment)


def other_epsilon(x, weight, bias, eps):
    """Take PyTorch's default epsilon, not the model's."""
    return layer_norm(x, weight, bias, 1e-5)


SUSPECTS = {  # what a teacher would say → the piece, spoilt
    "the segment embeddings are missing": {"add_embeddings": no_segments},
    "all tokens are in segment 0": {"add_embeddings": first_segment},
    "the position embeddings are missing": {"add_embeddings": no_positions},
    "positions are counted from 1": {"add_embeddings": positions_from_one},
    "the scores are not divided by √d_k": {
        "attention": attention_scaled(lambda heads, size: 1)
    },
    "the scores are divided by d_k, not by its root": {
        "attention": attention_scaled(lambda heads, size: 1 / size)
    },
    "the scores are divided by the root of the whole width, not of a head's": {
        "attention": attention_scaled(lambda heads, size: (heads * size) ** -0.5)
    },
    "softmax runs over the queries, not over the keys": {"attention": over_queries},
    "queries and keys have changed places": {"attention": keys_as_queries},
    "the mask is ignored, so padding is attended to": {
        "attention": attention_with_mask(np.zeros_like)
    },
    "the mask means the opposite, so only padding is attended to": {
        "attention": attention_with_mask(opposite)
    },
    "the heads are split by a reshape alone, which mixes tokens": {
        "split_heads": split_without_turning
    },
    "a head takes columns far apart, not neighbouring ones": {
        "split_heads": split_interleaved
    },
    "the heads are merged by a reshape alone, which mixes tokens": {
        "merge_heads": merge_without_turning
    },
    "the heads are merged in the wrong order": {"merge_heads": merge_backwards},
    "x W in the place of x Wᵀ": {"linear": matrix_not_turned},
    "the biases are missing": {"linear": without_bias},
    "the residual is missing: what came in must be added": {"residual": nothing_kept},
    "LayerNorm divides the variance by n - 1, not by n": {
        "layer_norm": unbiased_layer_norm
    },
    "LayerNorm's epsilon is not the model's": {"layer_norm": other_epsilon},
    "GELU is approximated with tanh, not exact with erf": {"gelu": gelu_tanh},
    "ReLU in the place of GELU": {"gelu": relu},
}
