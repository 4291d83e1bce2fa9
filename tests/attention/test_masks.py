"""The ways to our masks: every small mask there is, against a loop."""

import doctest
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.attention import (
    mask_from_torch,
    mask_from_transformers,
    masks,
    scaled_dot_product_attention,
)

INF = np.inf


def all_masks(*shape):
    """Every boolean mask of this shape, one by one."""
    for bits in product([False, True], repeat=int(np.prod(shape))):
        yield np.array(bits).reshape(shape)


def added_by_loop(attn_mask, padding, batch, heads):
    """What torch's masks add to the score of each pair; True there is -inf."""

    def number(entry):
        return (-INF if entry else 0) if isinstance(entry, np.bool_) else entry

    queries, keys = attn_mask.shape[-2:]
    added = np.zeros((batch, heads, queries, keys))
    for b, h, i, j in np.ndindex(added.shape):
        row = attn_mask if attn_mask.ndim == 2 else attn_mask[b * heads + h]
        column = padding if padding.ndim == 1 else padding[b]
        added[b, h, i, j] = number(row[i, j]) + number(column[j])
    return added


def added_by(mask, shape):
    """What our mask adds to the scores: False is -inf."""
    return np.broadcast_to(
        np.where(mask, 0, -INF) if mask.dtype == bool else mask, shape
    )


def as_float(mask):
    return np.where(mask, -INF, 0.0)


def test_the_docstrings_are_right():
    result = doctest.testmod(masks)
    assert result.attempted
    assert not result.failed


# --- mask_from_torch -----------------------------------------------------------------


def test_true_means_padding_there_and_may_attend_here():
    mask = mask_from_torch(np.array([[False, True], [True, False]]))
    assert mask.tolist() == [[True, False], [False, True]]
    padding = mask_from_torch(key_padding_mask=np.array([[False, False, True]]))
    assert padding.shape == (1, 1, 1, 3)
    assert padding.ravel().tolist() == [True, True, False]


def test_no_mask_stays_none():
    assert mask_from_torch() is None
    assert mask_from_torch(num_heads=3) is None


@pytest.mark.parametrize("attn_kind", [np.array, as_float], ids=["bool", "float"])
@pytest.mark.parametrize("padding_kind", [np.array, as_float], ids=["bool", "float"])
@pytest.mark.parametrize("padding_shape", [(3,), (2, 3)], ids=str)
def test_every_mask_of_two_axes_with_every_padding(
    attn_kind, padding_kind, padding_shape
):
    for attn, padding in product(all_masks(1, 3), all_masks(*padding_shape)):
        mask = mask_from_torch(attn_kind(attn), padding_kind(padding))
        both_bool = attn_kind is padding_kind is np.array
        assert mask.dtype == (bool if both_bool else np.float64)
        expected = added_by_loop(attn_kind(attn), padding_kind(padding), 2, 1)
        np.testing.assert_array_equal(added_by(mask, expected.shape), expected)


@pytest.mark.parametrize("attn_kind", [np.array, as_float], ids=["bool", "float"])
def test_every_mask_of_two_heads_and_two_texts(attn_kind):
    padding = np.array([[False, True], [False, False]])
    for attn in all_masks(4, 1, 2):
        mask = mask_from_torch(attn_kind(attn), padding, num_heads=2)
        expected = added_by_loop(attn_kind(attn), padding, 2, 2)
        np.testing.assert_array_equal(added_by(mask, expected.shape), expected)
        alone = mask_from_torch(attn_kind(attn), num_heads=2)
        expected = added_by_loop(attn_kind(attn), padding & False, 2, 2)
        np.testing.assert_array_equal(added_by(alone, expected.shape), expected)


def draw(data, rng, shape, kind):
    if kind == "bool":
        return rng.random(shape) < 0.4
    added = rng.normal(size=shape)
    added[rng.random(shape) < 0.3] = -INF
    return added


@settings(max_examples=150, deadline=None)
@given(st.data(), st.integers(0, 2**32 - 1))
def test_any_masks_add_what_the_loop_adds(data, seed):
    batch, heads, queries, keys = (data.draw(st.integers(1, 4)) for _ in range(4))
    rng, kinds = np.random.default_rng(seed), st.sampled_from(["bool", "float"])
    lead = data.draw(st.sampled_from([(), (batch * heads,)]))
    attn = draw(data, rng, (*lead, queries, keys), data.draw(kinds))
    padding = draw(data, rng, (batch, keys), data.draw(kinds))
    before = attn.tobytes(), padding.tobytes()
    for array in (attn, padding):
        array.flags.writeable = False
    mask = mask_from_torch(attn, padding, num_heads=heads)
    assert (attn.tobytes(), padding.tobytes()) == before
    expected = added_by_loop(attn, padding, batch, heads)
    np.testing.assert_array_equal(added_by(mask, expected.shape), expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_float_mask_keeps_its_dtype_beside_a_boolean_one(dtype):
    attn, padding = np.zeros((5, 7), dtype), np.arange(7)[None] >= 4
    mask = mask_from_torch(attn, padding)
    other = mask_from_torch(np.tile(padding, (5, 1)), attn[:2])
    assert mask.dtype == other.dtype == dtype
    assert mask.shape == (1, 1, 5, 7)
    assert other.shape == (2, 1, 5, 7)
    np.testing.assert_array_equal(np.isneginf(mask[0, 0]), np.tile(padding, (5, 1)))


def test_two_lowest_finite_numbers_give_no_warning():
    lowest = np.full((5, 7), np.finfo(np.float32).min)
    mask = mask_from_torch(lowest, lowest[:2])
    np.testing.assert_array_equal(mask, np.full((2, 1, 5, 7), -INF))


@pytest.mark.parametrize("shape", [(6, 0, 7), (6, 5, 0), (0, 5, 7)], ids=str)
def test_a_mask_without_entries_is_split_too(shape):
    mask = mask_from_torch(np.zeros(shape, bool), num_heads=3)
    assert mask.shape == (shape[0] // 3, 3, *shape[1:])


# --- mask_from_transformers ----------------------------------------------------------


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.uint8, "f4", "f8"])
def test_every_mask_of_a_tokenizer(dtype):
    for kept in all_masks(2, 3):
        given_mask = kept.astype(dtype)
        given_mask.flags.writeable = False
        mask = mask_from_transformers(given_mask)
        assert mask.dtype == bool
        assert mask.shape == (2, 1, 1, 3)
        np.testing.assert_array_equal(mask[:, 0, 0], kept)
        np.testing.assert_array_equal(mask, mask_from_torch(key_padding_mask=~kept))


@pytest.mark.parametrize("shape", [(0, 7), (2, 0)])
def test_an_empty_mask_of_a_tokenizer(shape):
    assert mask_from_transformers(np.ones(shape, int)).shape == (
        shape[0],
        1,
        1,
        shape[1],
    )


def test_padding_gets_no_attention():
    rng = np.random.default_rng(3)
    query, key, value = rng.normal(size=(3, 2, 3, 5, 11))
    kept = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    _, weights = scaled_dot_product_attention(
        query, key, value, mask_from_transformers(kept), return_weights=True
    )
    assert (weights[0, ..., 3:] == 0).all()
    assert (weights[0, ..., :3] > 0).all()
    assert (weights[1] > 0).all()


# --- errors --------------------------------------------------------------------------


def ones(*shape, dtype=bool):
    return np.ones(shape, dtype)


PADDING = {"key_padding_mask": ones(2, 7)}


@pytest.mark.parametrize(
    ("error", "arguments", "words"),
    [
        (
            ValueError,
            {"attn_mask": ones(7)},
            ["`attn_mask` has shape (7,), wanted 2 or 3"],
        ),
        (ValueError, {"attn_mask": ones(2, 3, 5, 7)}, ["wanted 2 or 3 axes"]),
        (
            ValueError,
            {"key_padding_mask": ones()},
            ["`key_padding_mask` has shape (), wanted 1"],
        ),
        (ValueError, {"key_padding_mask": ones(2, 5, 7)}, ["wanted 1 or 2 axes"]),
        (ValueError, {"attn_mask": ones(5, 6), **PADDING}, ["(5, 6)", "(2, 7)"]),
        (ValueError, {"attn_mask": ones(5, 1), **PADDING}, ["(5, 1)", "as many keys"]),
        (
            ValueError,
            {"attn_mask": ones(9, 5, 7), "num_heads": 3, **PADDING},
            ["(9, 5, 7)", "`key_padding_mask` (2, 7)", "one batch"],
        ),
        (
            ValueError,
            {"attn_mask": ones(4, 5, 7), "num_heads": 3},
            ["`attn_mask` has 4 masks", "no multiple of `num_heads`, 3"],
        ),
        *(
            (
                TypeError if heads in (3.0, "3", True) else ValueError,
                {"attn_mask": ones(6, 5, 7), "num_heads": heads},
                ["`num_heads`", repr(heads)],
            )
            for heads in [3.0, "3", True, 0, -3]
        ),
        (
            TypeError,
            {"attn_mask": ones(5, 7, dtype=int)},
            ["`attn_mask`", "int64", "may not"],
        ),
        (TypeError, {"key_padding_mask": [[True]]}, ["`key_padding_mask`", "list"]),
    ],
)
def test_bad_masks_of_torch_are_named(error, arguments, words):
    with pytest.raises(error) as caught:
        mask_from_torch(**arguments)
    for word in ["mask_from_torch: `", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("error", "mask", "words"),
    [
        (ValueError, ones(7), ["(7,), wanted (batch, key)"]),
        (ValueError, ones(2, 1, 7), ["(2, 1, 7), wanted (batch, key)"]),
        (ValueError, np.array([[1, 0, 2]]), ["holds 2, wanted only 1 for a token"]),
        (ValueError, np.array([[1, 0, -1]]), ["holds -1, wanted only 1"]),
        (ValueError, np.array([[1, 0, 0.5]]), ["holds 0.5, wanted only 1"]),
        (ValueError, np.array([[1, 0, np.nan]]), ["holds nan, wanted only 1"]),
        (TypeError, np.array([["a"]]), ["<U1", "integers, 1 for a token"]),
        (TypeError, [[1, 0]], ["list", "np.array(attention_mask, dtype=np.int64)"]),
    ],
)
def test_bad_masks_of_a_tokenizer_are_named(error, mask, words):
    with pytest.raises(error) as caught:
        mask_from_transformers(mask)
    for word in ["mask_from_transformers: `attention_mask`", *words]:
        assert word in str(caught.value)
