"""Part 1, attention, written in NumPy alone so that every step can be read.

`functional` holds the softmax, `scaled_dot_product` the attention itself.
"""

from course_lib.attention.functional import softmax
from course_lib.attention.scaled_dot_product import scaled_dot_product_attention

__all__ = ["scaled_dot_product_attention", "softmax"]
