"""Three libraries, three kinds of masks: the ways to ours, where True = may attend."""

import numpy as np

from course_lib.attention.arguments import FLOATS, check_array, check_integer


def mask_from_torch(attn_mask=None, key_padding_mask=None, *, num_heads=1):
    """Turn the masks of `torch.nn.MultiheadAttention` into one of ours.

    Parameters
    ----------
    attn_mask : ndarray of bool or float, optional
        (query, key), or (batch * num_heads, query, key). Boolean: True = may not
        attend, the opposite of ours. Float: added to the scores.
    key_padding_mask : ndarray of bool or float, (key,) or (batch, key), optional
        Boolean: True = padding, which nobody may attend to. Float: added to the scores.
    num_heads : int, default 1
        Splits the first axis of an `attn_mask` that has three.

    Returns
    -------
    ndarray or None
        Broadcastable to (batch, heads, query, key). Boolean, True = may attend, unless
        one of the two is float: then float, added. None if there is no mask. For arrays
        without a batch, take its first mask, `[0]`.

    Raises
    ------
    TypeError
        A mask is no NumPy array of bool or float.
    ValueError
        Shapes other than those above, or that do not fit each other.

    Notes
    -----
    Convention as in PyTorch's page on `torch.nn.MultiheadAttention`. Its own
    `scaled_dot_product_attention` uses the opposite one, which is ours.

    Taught in: lesson 12.

    Examples
    --------
    >>> mask_from_torch(key_padding_mask=np.array([[False, False, True]]))
    array([[[[ True,  True, False]]]])
    """
    masks = []
    if attn_mask is not None:
        check_mask_array("mask_from_torch", "attn_mask", attn_mask, (2, 3))
        masks.append(split_batch(attn_mask, num_heads))
    if key_padding_mask is not None:
        check_mask_array(
            "mask_from_torch", "key_padding_mask", key_padding_mask, (1, 2)
        )
        masks.append(key_padding_mask[..., None, None, :])
    if not masks:
        return None
    if len(masks) == 2:
        check_fit(attn_mask, key_padding_mask, *masks)
    if all(mask.dtype == bool for mask in masks):
        return ~np.logical_or(masks[0], masks[-1])
    dtype = next(mask.dtype for mask in masks if mask.dtype != bool)
    minus_infinity = dtype.type(-np.inf)
    added = [np.where(m, minus_infinity, 0) if m.dtype == bool else m for m in masks]
    with np.errstate(over="ignore"):  # twice the lowest number is -inf
        return sum(added[1:], start=added[0])


def mask_from_transformers(attention_mask):
    """Turn the `attention_mask` of a tokenizer into one of ours.

    Parameters
    ----------
    attention_mask : ndarray (batch, key) of integers, bool or float
        1 for a token, 0 for padding.

    Returns
    -------
    ndarray of bool (batch, 1, 1, key)
        True = may attend; the same for all heads and queries.

    Raises
    ------
    TypeError
        It is no NumPy array of numbers.
    ValueError
        It has not two axes, or holds another number than 0 and 1.

    Notes
    -----
    Convention as in the glossary of `transformers`, "attention mask".

    Taught in: lesson 12.

    Examples
    --------
    >>> mask_from_transformers(np.array([[1, 1, 0]]))
    array([[[[ True,  True, False]]]])
    """
    check_attention_mask("mask_from_transformers", attention_mask)
    return attention_mask.astype(bool)[:, None, None, :]


def check_attention_mask(function, attention_mask):
    """Raise unless this is an array (batch, key) of 0 and 1."""
    check_array(function, "attention_mask", attention_mask, dtype="np.int64")
    if attention_mask.dtype.kind not in "biuf":
        raise TypeError(
            f"{function}: `attention_mask` has dtype {attention_mask.dtype}, wanted "
            "integers, 1 for a token and 0 for padding"
        )
    if attention_mask.ndim != 2:
        raise ValueError(
            f"{function}: `attention_mask` has shape {attention_mask.shape}, wanted "
            "(batch, key)"
        )
    strange = attention_mask[(attention_mask != 0) & (attention_mask != 1)]
    if strange.size:
        raise ValueError(
            f"{function}: `attention_mask` holds {strange[0]}, wanted only 1 for a "
            "token and 0 for padding"
        )


def check_mask_array(function, name, mask, dims):
    """Raise unless the mask is bool or float and has one of these numbers of axes."""
    check_array(function, name, mask, dtype="bool")
    if mask.dtype != bool and mask.dtype not in FLOATS:
        raise TypeError(
            f"{function}: `{name}` has dtype {mask.dtype}, wanted bool (True = may not "
            "attend) or float (added)"
        )
    if mask.ndim not in dims:
        raise ValueError(
            f"{function}: `{name}` has shape {mask.shape}, wanted {dims[0]} or "
            f"{dims[1]} axes"
        )


def split_batch(attn_mask, num_heads):
    """Return (batch, heads, query, key) for a mask with three axes; two stay two."""
    if attn_mask.ndim == 2:
        return attn_mask
    check_integer("mask_from_torch", "num_heads", num_heads)
    if num_heads < 1 or len(attn_mask) % num_heads:
        raise ValueError(
            f"mask_from_torch: `attn_mask` has {len(attn_mask)} masks, which is no "
            f"multiple of `num_heads`, {num_heads}"
        )
    batch = len(attn_mask) // num_heads
    return attn_mask.reshape(batch, num_heads, *attn_mask.shape[1:])


def check_fit(attn_mask, key_padding_mask, *masks):
    """Raise unless both masks mean the same batch and the same keys."""
    try:
        np.broadcast_shapes(*(mask.shape for mask in masks))
        fits = attn_mask.shape[-1] == key_padding_mask.shape[-1]
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(
            f"mask_from_torch: `attn_mask` has shape {attn_mask.shape} and "
            f"`key_padding_mask` {key_padding_mask.shape}; wanted one batch and as "
            "many keys in both"
        )
