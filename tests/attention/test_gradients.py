"""The gradients of attention, against autograd and differences, and at their edges."""

import doctest
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel

from course_lib.attention import gradients
from course_lib.attention import scaled_dot_product_attention as attention
from course_lib.attention import scaled_dot_product_attention_backward as backward

pytestmark = pytest.mark.slow  # many tests that draw and compare

# Different primes, so that two swapped axes cannot go unnoticed.
BATCH, HEADS, QUERIES, KEYS, WIDTH, VALUE_WIDTH = 2, 3, 5, 7, 11, 13
SCORES = (BATCH, HEADS, QUERIES, KEYS)
INF, NAN = np.inf, np.nan
NAMES = "grad_query", "grad_key", "grad_value"
# Sums of some 100 products of numbers near 1, in another order.
CLOSE = {"rtol": 0, "atol": 1e-12, "equal_nan": False}
# Central differences, see conftest.py; scores here reach 10.
NEAR = {"rtol": 1e-7, "atol": 1e-7, "equal_nan": False}

seeds = st.integers(0, 2**32 - 1)


def draw(seed=0, leads=((BATCH, HEADS),) * 3, sizes=None, dtype=np.float64):
    """Return random grad_output, query, key and value."""
    rng = np.random.default_rng(seed)
    queries, keys, width, value_width = sizes or (QUERIES, KEYS, WIDTH, VALUE_WIDTH)
    ends = (queries, width), (keys, width), (keys, value_width)
    shapes = [(*lead, *end) for lead, end in zip(leads, ends, strict=True)]
    shapes.insert(0, (*np.broadcast_shapes(*leads), queries, value_width))
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def draw_mask(kind, shape=SCORES, seed=0, share=0.6, dtype=np.float64):
    """Return a mask; with a low share, some queries may attend to nothing."""
    rng = np.random.default_rng(seed)
    allowed = np.array(rng.random(shape) < share)  # of 0 dims too
    if kind == "none":
        return None
    if kind == "bool":
        return allowed
    added = rng.normal(size=shape) if kind == "float" else np.zeros(shape)
    return np.where(allowed, added, -INF).astype(dtype)


def torch_forward(mask, is_causal, scale, shape):
    """PyTorch's plain formula; it takes a mask or is_causal, so both become one."""
    if is_causal and mask is not None:
        causal = np.tri(*shape, dtype=bool)
        mask = mask & causal if mask.dtype == bool else np.where(causal, mask, -INF)
        is_causal = False
    mask = None if mask is None else torch.from_numpy(np.array(mask))

    def forward(*tensors):
        with sdpa_kernel(SDPBackend.MATH):
            return torch.nn.functional.scaled_dot_product_attention(
                *tensors, attn_mask=mask, is_causal=is_causal, scale=scale
            )

    return forward


def check(oracle, arrays, mask, tolerance=CLOSE, is_causal=False, scale=None):
    """Compare all three gradients with those of the oracle."""
    options = {"is_causal": is_causal, "scale": scale}
    got = backward(*arrays, mask, **options)
    if oracle.__name__ == "autograd":
        shape = arrays[1].shape[-2], arrays[2].shape[-2]
        expected = oracle(torch_forward(mask, is_causal, scale, shape), *arrays)
    else:
        expected = oracle(lambda *qkv: attention(*qkv, mask, **options), *arrays)
    for name, mine, wanted in zip(NAMES, got, expected, strict=True):
        assert mine.shape == wanted.shape
        np.testing.assert_allclose(mine, wanted, **tolerance, err_msg=name)


def test_the_docstring_is_right():
    result = doctest.testmod(gradients)
    assert result.attempted
    assert not result.failed


# --- the same numbers as the oracles -------------------------------------------------

KINDS = ["none", "bool", "float", "-inf"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("scale", [None, 0, 0.0, -0.7, 2, np.float32(0.5)], ids=repr)
@pytest.mark.parametrize("share", [0.3, 1])
def test_equals_torch(kind, is_causal, scale, share, torch_grads):
    check(torch_grads, draw(), draw_mask(kind, share=share), CLOSE, is_causal, scale)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("scale", [None, 0, -0.7])
@pytest.mark.parametrize(("queries", "keys"), [(3, 5), (5, 3)])
def test_equals_central_differences(
    kind, is_causal, scale, queries, keys, central_differences
):
    arrays = draw(leads=[(2,)] * 3, sizes=(queries, keys, 2, 3))
    mask = draw_mask(kind, (queries, keys))
    check(central_differences, arrays, mask, NEAR, is_causal, scale)


sides = st.integers(1, 5)


@st.composite
def calls(draw_from):
    """Leading axes that broadcast, any lengths, a mask of any kind, and options."""
    whole = draw_from(st.lists(st.integers(1, 3), max_size=2))
    leads = [
        tuple(draw_from(st.sampled_from([1, size])) for size in whole)[
            draw_from(st.integers(0, len(whole))) :
        ]
        for _ in range(3)
    ]
    sizes = [draw_from(sides) for _ in range(4)]
    scores = (*np.broadcast_shapes(*leads[:2]), *sizes[:2])
    mask_shape = scores[draw_from(st.integers(0, len(scores))) :]
    mask_shape = [draw_from(st.sampled_from([1, size])) for size in mask_shape]
    seed, kind = draw_from(seeds), draw_from(st.sampled_from(KINDS))
    share = draw_from(st.sampled_from([0.3, 0.6, 1]))
    mask = draw_mask(kind, mask_shape, seed, share)
    scale = draw_from(st.sampled_from([None, 0, 1, -0.7]))
    return draw(seed, leads, sizes), mask, draw_from(st.booleans()), scale


@settings(max_examples=200, deadline=None)
@given(calls())
def test_whatever_broadcasts_equals_torch(torch_grads, call):
    arrays, mask, is_causal, scale = call
    check(torch_grads, arrays, mask, CLOSE, is_causal, scale)


@settings(max_examples=50, deadline=None)
@given(calls())
def test_whatever_broadcasts_equals_central_differences(central_differences, call):
    arrays, mask, is_causal, scale = call
    check(central_differences, arrays, mask, NEAR, is_causal, scale)


@pytest.mark.parametrize(
    "leads",
    [
        ((2, 3), (1, 3), (1, 3)),
        ((2, 3), (2, 1), (2, 1)),
        ((2, 3), (), ()),
        ((1, 1), (2, 3), (2, 3)),
        ((), (), (2, 3)),  # a value has more axes than the scores
        ((3,), (2, 1), (2, 3)),
        ((2, 3), (1, 3), (2, 1)),
    ],
)
def test_gradients_of_broadcast_arrays_are_sums_of_those_of_tiled_ones(leads):
    arrays = draw(leads=leads)
    grad_output, *rest = arrays
    tiled = [np.broadcast_to(a, (BATCH, HEADS, *a.shape[-2:])) for a in rest]
    got = backward(*arrays)
    for mine, whole, array in zip(
        got, backward(grad_output, *tiled), rest, strict=True
    ):
        assert mine.shape == array.shape
        lead = (1,) * (4 - array.ndim) + array.shape[:-2]
        axes = tuple(axis for axis in range(2) if lead[axis] == 1)
        expected = whole.sum(axis=axes).reshape(array.shape)
        np.testing.assert_allclose(mine, expected, **CLOSE)


# --- fully masked rows ---------------------------------------------------------------


def nothing_for_query_2(kind):
    """Return a mask and options under which query 2 may attend to nothing."""
    allowed = np.ones((QUERIES, KEYS), bool)
    allowed[2] = False
    if kind == "causal and bool":
        allowed[2, 3:] = True
    options = {"is_causal": kind.startswith("causal")}
    return np.where(allowed, 0, -INF) if kind == "float" else allowed, options


@pytest.mark.parametrize("kind", ["bool", "float", "causal and bool"])
def test_a_query_that_may_attend_to_nothing_has_gradient_0(kind, torch_grads):
    arrays = draw()
    mask, options = nothing_for_query_2(kind)
    with np.errstate(all="raise"):
        got = backward(*arrays, mask, **options)
    assert (got[0][..., 2, :] == 0).all()
    check(torch_grads, arrays, mask, **options)
    # Nothing flows into keys and values either: without that query they are the same.
    others = [0, 1, 3, 4]
    less = [a[..., others, :] for a in arrays[:2]] + arrays[2:]
    allowed = mask & np.tri(QUERIES, KEYS, dtype=bool) if options["is_causal"] else mask
    for mine, expected in zip(
        got[1:], backward(*less, allowed[others])[1:], strict=True
    ):
        np.testing.assert_allclose(mine, expected, **CLOSE)


@pytest.mark.parametrize("kind", ["bool", "-inf"])
@pytest.mark.parametrize("is_causal", [False, True])
def test_all_masked_means_all_gradients_exactly_0(kind, is_causal):
    arrays = draw()
    mask = draw_mask(kind, share=0)
    with np.errstate(all="raise"):
        got = backward(*arrays, mask, is_causal=is_causal)
    for mine, array in zip(got, arrays[1:], strict=True):
        np.testing.assert_array_equal(mine, np.zeros_like(array))


@pytest.mark.parametrize("kind", ["bool", "-inf", "causal"])
@pytest.mark.parametrize("poison", [NAN, INF, -INF, 1000])
@pytest.mark.parametrize("where", [[2], [3], [2, 3]], ids=["key", "value", "both"])
def test_garbage_at_blocked_keys_reaches_no_gradient(kind, poison, where):
    arrays = draw()
    if kind == "causal":
        options, hidden = {"is_causal": True}, slice(QUERIES, None)
    else:
        allowed, hidden = np.arange(KEYS) < 4, slice(4, None)
        mask = allowed if kind == "bool" else np.where(allowed, 0, -INF)
        options = {"attn_mask": mask}
    clean = backward(*arrays, **options)
    for which in where:
        arrays[which][..., hidden, :] = poison
    with np.errstate(all="raise"):
        got = backward(*arrays, **options)
    for mine, expected in zip(got, clean, strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert (got[1][..., hidden, :] == 0).all()
    assert (got[2][..., hidden, :] == 0).all()


@pytest.mark.parametrize("which", [0, 1], ids=["grad_output", "query"])
@pytest.mark.parametrize("poison", [NAN, INF])
def test_garbage_at_a_query_that_may_attend_to_nothing_reaches_no_gradient(
    which, poison
):
    arrays = draw()
    mask, _ = nothing_for_query_2("bool")
    clean = backward(*arrays, mask)
    arrays[which][..., 2, :] = poison
    with np.errstate(all="raise"):
        got = backward(*arrays, mask)
    for mine, expected in zip(got, clean, strict=True):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("poison", [NAN, INF])
def test_garbage_of_one_batch_entry_stays_there(poison):
    arrays = draw()
    clean = backward(*arrays)
    arrays[3][1, 2, 6, 4] = poison
    for mine, expected in zip(backward(*arrays)[:2], clean[:2], strict=True):
        assert np.isnan(mine[1, 2]).any()
        mine[1, 2] = expected[1, 2]
        np.testing.assert_array_equal(mine, expected)


# --- what the formula promises -------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(-50, 50), st.booleans())
def test_adding_a_vector_to_all_keys_changes_no_gradient(seed, size, is_causal):
    grad, query, key, value = draw(seed)
    mask = draw_mask("bool", seed=seed)
    moved = key + size * np.random.default_rng(seed).normal(size=WIDTH)
    got = backward(grad, query, moved, value, mask, is_causal=is_causal)
    expected = backward(grad, query, key, value, mask, is_causal=is_causal)
    # Scores of up to 1000 are rounded by 1e-13; grad_query sums to 0 over moved keys.
    for mine, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(mine, wanted, rtol=0, atol=1e-9, equal_nan=False)
    np.testing.assert_allclose(got[1].sum(axis=-2), 0, rtol=0, atol=1e-10)


def test_scale_0_leaves_a_gradient_for_the_values_only():
    grad, query, key, value = draw()
    grad_query, grad_key, grad_value = backward(grad, query, key, value, scale=0)
    assert not grad_query.any()
    assert not grad_key.any()
    expected = np.broadcast_to(
        grad.mean(-2, keepdims=True) * QUERIES / KEYS, (2, 3, 7, 13)
    )
    np.testing.assert_allclose(grad_value, expected, **CLOSE)


def test_default_scale_is_one_over_the_root_of_the_width():
    arrays = draw()
    explicit = backward(*arrays, scale=1 / math.sqrt(WIDTH))
    for mine, expected in zip(backward(*arrays), explicit, strict=True):
        np.testing.assert_array_equal(mine, expected)


# --- shapes, strides, dtypes ---------------------------------------------------------


@pytest.mark.parametrize(
    ("lead", "sizes"),
    [
        ((2, 3), (0, 7, 11, 13)),
        ((2, 3), (5, 0, 11, 13)),
        ((2, 3), (0, 0, 11, 13)),
        ((0, 3), (5, 7, 11, 13)),
        ((2, 0), (5, 7, 11, 13)),
        ((2, 3), (5, 7, 0, 13)),
        ((2, 3), (5, 7, 11, 0)),
        ((), (0, 0, 0, 0)),
    ],
)
@pytest.mark.parametrize("is_causal", [False, True])
def test_empty_axes_are_as_in_torch(lead, sizes, is_causal, torch_grads):
    check(torch_grads, draw(leads=[lead] * 3, sizes=sizes), None, CLOSE, is_causal)


VIEWS = {
    "column-major": np.asfortranarray,
    "heads after positions": lambda a: np.array(a.swapaxes(1, 2)).swapaxes(1, 2),
    "negative strides": lambda array: np.flip(np.array(np.flip(array))),
    "every other": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_stride_changes_a_bit_and_the_inputs_stay(view, dtype):
    plain = draw(sizes=(67, 71, WIDTH, VALUE_WIDTH), dtype=dtype)
    plain.append(draw_mask("float", (BATCH, HEADS, 67, 71), dtype=dtype))
    views = [view(array) for array in plain]
    before = [array.tobytes() for array in plain]
    for array in views:
        array.flags.writeable = False
    got = backward(*views, is_causal=True)
    expected = backward(*plain, is_causal=True)
    assert [array.tobytes() for array in [*plain, *views]] == before * 2
    for mine, wanted in zip(got, expected, strict=True):
        assert mine.dtype == dtype
        assert mine.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(
    ("dtype", "atol"),
    [(np.float32, 1e-5), (np.float16, 4e-3)],  # some 100, and 2 roundings near 4
)
def test_narrow_floats_keep_their_dtype(dtype, atol):
    arrays = draw(dtype=dtype)
    wide = [array.astype(np.float64) for array in arrays]
    for mine, expected in zip(backward(*arrays), backward(*wide), strict=True):
        assert mine.dtype == dtype
        np.testing.assert_allclose(mine, expected, rtol=0, atol=atol, equal_nan=False)


def test_one_array_as_query_key_and_value_is_unchanged():
    same = draw()[1]
    before = same.copy()
    grads = backward(same, same, same, same, scale=1)
    np.testing.assert_array_equal(same, before)
    assert not any(np.shares_memory(grad, same) for grad in grads)
