"""Part 1, attention, written in NumPy alone so that every step can be read.

`functional` and `layer_norm` hold the small functions and their gradients;
`scaled_dot_product` is attention itself, `gradients` its way back, `streaming` the same
in less memory; `multi_head` puts heads side by side, and `numpy_bert` is all together.
"""

from course_lib.attention.compare_layers import compare_layers
from course_lib.attention.functional import (
    gelu,
    gelu_backward,
    linear,
    linear_backward,
    softmax,
    softmax_backward,
)
from course_lib.attention.gradients import scaled_dot_product_attention_backward
from course_lib.attention.layer_norm import layer_norm, layer_norm_backward
from course_lib.attention.masks import mask_from_torch, mask_from_transformers
from course_lib.attention.multi_head import (
    MultiHeadAttention,
    merge_heads,
    split_heads,
)
from course_lib.attention.numpy_bert import NumpyBert, add_embeddings
from course_lib.attention.scaled_dot_product import scaled_dot_product_attention
from course_lib.attention.streaming import streaming_attention

__all__ = [
    "MultiHeadAttention",
    "NumpyBert",
    "add_embeddings",
    "compare_layers",
    "gelu",
    "gelu_backward",
    "layer_norm",
    "layer_norm_backward",
    "linear",
    "linear_backward",
    "mask_from_torch",
    "mask_from_transformers",
    "merge_heads",
    "scaled_dot_product_attention",
    "scaled_dot_product_attention_backward",
    "softmax",
    "softmax_backward",
    "split_heads",
    "streaming_attention",
]
