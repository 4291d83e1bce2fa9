"""Multi-head attention: several heads side by side, glued together, and mixed."""

from dataclasses import dataclass

import numpy as np

from course_lib.attention.arguments import (
    check_float_array,
    check_floats,
    check_integer,
    check_shape,
)
from course_lib.attention.functional import linear
from course_lib.attention.scaled_dot_product import scaled_dot_product_attention

NAME = "MultiHeadAttention"


def split_heads(x, num_heads):
    """Give each head its share of the columns; those of head 0 come first.

    Parameters
    ----------
    x : ndarray (..., positions, hidden_size) of floats
    num_heads : int
        A divisor of the hidden size.

    Returns
    -------
    ndarray (..., num_heads, positions, hidden_size / num_heads)
        A view of `x` where NumPy can make one.

    Raises
    ------
    TypeError, ValueError
        No NumPy array of floats, fewer than 2 axes, or a width that cannot be shared
        out evenly.

    Notes
    -----
    Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.2, have one matrix for each
    head; side by side they are the columns of one.

    Taught in: lesson 12.

    Examples
    --------
    >>> split_heads(np.array([[1.0, 2.0, 3.0, 4.0]]), 2).tolist()
    [[[1.0, 2.0]], [[3.0, 4.0]]]
    """
    check_float_array("split_heads", "x", x)
    if x.ndim < 2:
        raise ValueError(
            f"split_heads: `x` has shape {x.shape}, wanted (..., positions, "
            "hidden_size)"
        )
    check_num_heads("split_heads", num_heads, x.shape[-1])
    head_size = x.shape[-1] // num_heads
    return x.reshape(*x.shape[:-1], num_heads, head_size).swapaxes(-2, -3)


def merge_heads(x):
    """Glue the heads' results together, position by position: undo `split_heads`.

    Parameters
    ----------
    x : ndarray (..., heads, positions, head_size) of floats

    Returns
    -------
    ndarray (..., positions, heads * head_size)

    Raises
    ------
    TypeError, ValueError
        No NumPy array of floats, or fewer than 3 axes.

    Notes
    -----
    Concat(head_1, ..., head_h) of Vaswani et al. 2017, section 3.2.2.

    Taught in: lesson 12.

    Examples
    --------
    >>> merge_heads(np.array([[[1.0, 2.0]], [[3.0, 4.0]]]))
    array([[1., 2., 3., 4.]])
    """
    check_float_array("merge_heads", "x", x)
    if x.ndim < 3:
        raise ValueError(
            f"merge_heads: `x` has shape {x.shape}, wanted (..., heads, positions, "
            "head_size)"
        )
    x = x.swapaxes(-2, -3)
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


@dataclass(frozen=True, eq=False)
class MultiHeadAttention:
    """Attention with several heads, and its four learned matrices.

    Parameters
    ----------
    num_heads : int
        A divisor of the hidden size.
    query_weight : ndarray (hidden_size, query_size) of floats
    key_weight : ndarray (hidden_size, key_size)
    value_weight : ndarray (hidden_size, value_size)
    output_weight : ndarray (output_size, hidden_size)
        As `torch.nn.Linear` keeps them, one row for each output; of one dtype.
    query_bias, key_bias, value_bias, output_bias : ndarray, optional
        One number for each row of the matrix.

    Raises
    ------
    TypeError, ValueError
        No NumPy arrays of floats of one dtype; shapes that do not fit; a hidden size
        that is no multiple of `num_heads`.

    Notes
    -----
    MultiHead(Q, K, V) = Concat(head_1, ..., head_h) W_O, where
    head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V): Vaswani et al. 2017, "Attention Is
    All You Need" (arXiv:1706.03762), section 3.2.2. They have no biases; BERT has.

    Taught in: lesson 12.

    Examples
    --------
    One head that changes nothing, and one key: all attention goes there.

    >>> one = np.ones((1, 1))
    >>> attention = MultiHeadAttention(1, one, one, one, one)
    >>> attention(np.array([[2.0]]), np.array([[3.0]]), np.array([[5.0]]))
    array([[5.]])
    """

    num_heads: int
    query_weight: np.ndarray
    key_weight: np.ndarray
    value_weight: np.ndarray
    output_weight: np.ndarray
    query_bias: np.ndarray | None = None
    key_bias: np.ndarray | None = None
    value_bias: np.ndarray | None = None
    output_bias: np.ndarray | None = None

    def __post_init__(self):
        names = "query", "key", "value", "output"
        weights = {f"{name}_weight": getattr(self, f"{name}_weight") for name in names}
        check_floats(NAME, **weights)
        check_shape(NAME, "query_weight", self.query_weight, (None, None), "a matrix")
        hidden_size = len(self.query_weight)
        for name, weight in weights.items():
            shape = (None, hidden_size) if name[0] == "o" else (hidden_size, None)
            check_shape(NAME, name, weight, shape, "hidden_size is that of the query")
        for name in names:
            bias = getattr(self, f"{name}_bias")
            if bias is not None:
                weight = weights[f"{name}_weight"]
                check_floats(NAME, **{f"{name}_weight": weight, f"{name}_bias": bias})
                rows = (len(weight),)
                check_shape(NAME, f"{name}_bias", bias, rows, "one for each row")
        check_num_heads(NAME, self.num_heads, hidden_size)

    @classmethod
    def from_torch(cls, module):
        """Take the weights of a `torch.nn.MultiheadAttention`, sharing its memory.

        Parameters
        ----------
        module : torch.nn.MultiheadAttention
            On the CPU. Its dropout is left out, as after `module.eval()`.

        Returns
        -------
        MultiHeadAttention
            It always takes (batch, positions, size), also if `module.batch_first` is
            False. For its masks, see `mask_from_torch`.

        Raises
        ------
        TypeError
            `module` is of another class.
        ValueError
            It adds a key of its own (`add_bias_kv` or `add_zero_attn`).
        """
        if type(module).__name__ != "MultiheadAttention":
            raise TypeError(
                f"{NAME}.from_torch: `module` is of type {type(module).__name__}, "
                "wanted a torch.nn.MultiheadAttention"
            )
        if module.bias_k is not None or module.add_zero_attn:
            raise ValueError(
                f"{NAME}.from_torch: `module` has add_bias_kv or add_zero_attn, wanted "
                "one without: they add keys that no token has"
            )
        if module.in_proj_weight is not None:
            weights = np.split(array_of(module.in_proj_weight), 3)
        else:
            names = "q_proj_weight", "k_proj_weight", "v_proj_weight"
            weights = [array_of(getattr(module, name)) for name in names]
        biases = [None] * 4
        if module.in_proj_bias is not None:
            biases = [*np.split(array_of(module.in_proj_bias), 3)]
            biases.append(array_of(module.out_proj.bias))
        output = array_of(module.out_proj.weight)
        return cls(module.num_heads, *weights, output, *biases)

    def __call__(
        self,
        query,
        key,
        value,
        attn_mask=None,
        *,
        is_causal=False,
        return_weights=False,
    ):
        """Project, attend in each head, glue together, and mix.

        Parameters
        ----------
        query : ndarray (..., query, query_size), dtype of the weights
        key : ndarray (..., key, key_size)
        value : ndarray (..., key, value_size)
            Self-attention takes one array three times.
        attn_mask : ndarray, broadcastable to (..., heads, query, key), optional
            Boolean: True = may attend. Or float, added to the scores. The same for all
            heads of a batch: (batch, 1, query, key).
        is_causal : bool, default False
            Query i may attend to keys 0..i only.
        return_weights : bool, default False
            Return (output, weights).

        Returns
        -------
        output : ndarray (..., query, output_size)
        weights : ndarray (..., heads, query, key)
            Of each head; `torch` returns their mean unless told otherwise.

        Raises
        ------
        TypeError, ValueError
            As `scaled_dot_product_attention`.

        Notes
        -----
        A query that may attend to nothing gets the output's bias, where
        `torch.nn.MultiheadAttention` gives NaN.
        """
        for name, array in {"query": query, "key": key, "value": value}.items():
            self._check_input(name, array)
        heads = [
            split_heads(linear(array, weight, bias), self.num_heads)
            for array, weight, bias in [
                (query, self.query_weight, self.query_bias),
                (key, self.key_weight, self.key_bias),
                (value, self.value_weight, self.value_bias),
            ]
        ]
        mixed, weights = scaled_dot_product_attention(
            *heads, attn_mask, is_causal=is_causal, return_weights=True
        )
        output = linear(merge_heads(mixed), self.output_weight, self.output_bias)
        return (output, weights) if return_weights else output

    def _check_input(self, name, array):
        weight = getattr(self, f"{name}_weight")
        check_floats(NAME, **{f"{name}_weight": weight, name: array})
        if array.ndim < 2 or array.shape[-1] != weight.shape[1]:
            raise ValueError(
                f"{NAME}: `{name}` has shape {array.shape}, wanted (..., positions, "
                f"{weight.shape[1]}), as `{name}_weight` has {weight.shape[1]} columns"
            )


def array_of(tensor):
    """Return a torch tensor as an array that shares its memory."""
    if str(tensor.dtype) == "torch.bfloat16":
        raise TypeError(
            f"{NAME}.from_torch: `module` has dtype {tensor.dtype}, which NumPy lacks; "
            "convert it with module.float()"
        )
    return tensor.detach().numpy()


def check_num_heads(function, num_heads, hidden_size):
    """Raise unless the hidden size can be shared out among so many heads."""
    check_integer(function, "num_heads", num_heads)
    if num_heads < 1 or hidden_size % num_heads:
        raise ValueError(
            f"{function}: hidden size {hidden_size} cannot be shared out evenly among "
            f"`num_heads` = {num_heads}"
        )
