"""Scaled dot-product attention, against PyTorch and loops, and at its edges."""

import doctest
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel

from course_lib.attention import functional, scaled_dot_product
from course_lib.attention import scaled_dot_product_attention as attention

# Different primes, so that two swapped axes cannot go unnoticed.
BATCH, HEADS, QUERIES, KEYS, WIDTH, VALUE_WIDTH = 2, 3, 5, 7, 11, 13
SCORES = (BATCH, HEADS, QUERIES, KEYS)
INF, NAN = np.inf, np.nan
# Sums of 11 products of numbers near 1, in another order: some roundings of 2e-16.
CLOSE = {"rtol": 0, "atol": 1e-14}

properties = settings(max_examples=60, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def draw(seed=0, lead=(BATCH, HEADS), queries=QUERIES, keys=KEYS, dtype=np.float64):
    """Return random query, key and value."""
    rng = np.random.default_rng(seed)
    sizes = (queries, WIDTH), (keys, WIDTH), (keys, VALUE_WIDTH)
    return [rng.normal(size=(*lead, *size)).astype(dtype) for size in sizes]


def draw_mask(shape=SCORES, seed=0):
    """Return a boolean mask in which every query keeps the first key."""
    mask = np.random.default_rng(seed).random(shape) < 0.6
    mask[..., 0] = True
    return mask


def as_float_mask(mask, dtype=np.float64):
    return np.where(mask, 0, -INF).astype(dtype)


def torch_attention(query, key, value, attn_mask=None, **options):
    """PyTorch's plain formula; its faster kernels treat NaN and widths otherwise."""
    tensors = [torch.from_numpy(np.array(array)) for array in (query, key, value)]
    if attn_mask is not None:
        options["attn_mask"] = torch.from_numpy(np.array(attn_mask))
    with sdpa_kernel(SDPBackend.MATH):
        result = torch.nn.functional.scaled_dot_product_attention(*tensors, **options)
    return result.numpy()


def loop_attention(query, key, value, allowed, scale):
    """Attention of one head, number by number; each query may attend to some key."""
    rows = []
    for i, q in enumerate(query):
        scores = {
            j: scale * sum(a * b for a, b in zip(q, k, strict=True))
            for j, k in enumerate(key)
            if allowed[i, j]
        }
        total = sum(math.exp(score) for score in scores.values())
        weights = {j: math.exp(score) / total for j, score in scores.items()}
        rows.append([sum(w * v[j] for j, w in weights.items()) for v in value.T])
    return np.array(rows)


# --- the same numbers as the oracles ---------------------------------------------


def test_the_docstrings_are_right():
    for module in (functional, scaled_dot_product):
        result = doctest.testmod(module)
        assert result.attempted
        assert not result.failed


@pytest.mark.parametrize("scale", [None, 0.3])
def test_equals_a_loop(scale):
    query, key, value = draw(lead=())
    mask = draw_mask((QUERIES, KEYS))
    expected = loop_attention(query, key, value, mask, scale or 1 / math.sqrt(WIDTH))
    output = attention(query, key, value, mask, scale=scale)
    np.testing.assert_allclose(output, expected, **CLOSE)


@pytest.mark.parametrize("lead", [(), (HEADS,), (BATCH, HEADS), (2, BATCH, HEADS)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"scale": 0.0},
        {"scale": -0.7},
        {"scale": 2},
        {"scale": np.float32(0.5)},
        {"attn_mask": draw_mask((QUERIES, KEYS))},
        {"attn_mask": as_float_mask(draw_mask((QUERIES, KEYS)))},
        {"attn_mask": np.linspace(-3, 3, QUERIES * KEYS).reshape(QUERIES, KEYS)},
    ],
    ids=str,
)
def test_equals_torch(lead, options):
    arrays = draw(lead=lead)
    expected = torch_attention(*arrays, **options)
    np.testing.assert_allclose(attention(*arrays, **options), expected, **CLOSE)


def test_weights_equal_torch_and_give_the_output():
    query, key, value = draw()
    output, weights = attention(query, key, value, return_weights=True)
    # With the identity as value, the output is the weights.
    identity = np.broadcast_to(np.eye(KEYS), (BATCH, HEADS, KEYS, KEYS))
    expected = torch_attention(query, key, identity)
    assert weights.shape == SCORES
    np.testing.assert_allclose(weights, expected, **CLOSE)
    np.testing.assert_allclose(weights @ value, output, **CLOSE)


def test_zero_scale_gives_the_mean_of_the_values():
    query, key, value = draw()
    expected = np.broadcast_to(value.mean(axis=-2, keepdims=True), (2, 3, 5, 13))
    np.testing.assert_allclose(attention(query, key, value, scale=0), expected, **CLOSE)


@pytest.mark.parametrize(
    ("dtype", "atol"),
    [(np.float32, 2e-6), (np.float16, 2e-3)],  # about 20 and 2 roundings near 1
)
def test_narrow_floats_keep_their_dtype(dtype, atol):
    arrays = draw(dtype=dtype)
    output, weights = attention(*arrays, return_weights=True)
    expected = attention(*(array.astype(np.float64) for array in arrays))
    assert output.dtype == weights.dtype == dtype
    np.testing.assert_allclose(output, expected, rtol=0, atol=atol)


def test_float16_survives_large_logits():
    query, key, value = draw(dtype=np.float16)
    query *= 300  # products beyond 65504, the largest float16
    key *= 300
    with np.errstate(all="raise"):
        output = attention(query, key, value)
    expected = attention(*(array.astype(np.float64) for array in (query, key, value)))
    # The output is rounded to float16: half of 2**-9 at numbers between 2 and 4.
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("logit", [1e4, 1e10, 1e30])
def test_huge_logits_pick_one_key(logit, dtype):
    _, _, value = draw(lead=(), dtype=dtype)
    root = math.sqrt(logit)
    query = np.eye(QUERIES, KEYS, dtype=dtype) * dtype(root)
    key = np.eye(KEYS, dtype=dtype) * dtype(root)
    with np.errstate(all="raise"):
        output, weights = attention(query, key, value, scale=1, return_weights=True)
    np.testing.assert_array_equal(weights, np.eye(QUERIES, KEYS))
    np.testing.assert_array_equal(output, value[:QUERIES])


# --- masks -----------------------------------------------------------------------


def test_true_means_may_attend_unlike_multi_head_attention():
    query, key, value = draw(lead=())
    value = value[:, :WIDTH]
    mask = draw_mask((QUERIES, KEYS))
    module = torch.nn.MultiheadAttention(WIDTH, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():  # identities, so that only the attention is left
        module.in_proj_weight.copy_(torch.eye(WIDTH).repeat(3, 1))
        module.out_proj.weight.copy_(torch.eye(WIDTH))
        tensors = map(torch.from_numpy, (query, key, value))
        expected, _ = module(*tensors, attn_mask=torch.from_numpy(~mask))
    np.testing.assert_allclose(attention(query, key, value, mask), expected, **CLOSE)


@pytest.mark.parametrize(
    "shape",
    [
        (KEYS,),
        (QUERIES, 1),
        (QUERIES, KEYS),
        (HEADS, 1, KEYS),
        (HEADS, QUERIES, KEYS),
        (BATCH, 1, 1, KEYS),
        (1, 1, QUERIES, 1),
        SCORES,
    ],
)
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_masks_broadcast_to_the_scores(shape, kind):
    arrays = draw()
    mask = draw_mask(shape)
    if kind == "float":
        mask = np.where(mask, 0.5, -INF)
    expanded = np.broadcast_to(mask, SCORES)
    output = attention(*arrays, mask)
    np.testing.assert_array_equal(output, attention(*arrays, expanded))
    np.testing.assert_allclose(output, torch_attention(*arrays, expanded), **CLOSE)


def test_blocked_weights_are_exactly_0():
    mask = draw_mask()
    for same in (mask, as_float_mask(mask)):
        _, weights = attention(*draw(), same, return_weights=True)
        np.testing.assert_array_equal(weights == 0, ~mask)


@pytest.mark.parametrize(("queries", "keys"), [(5, 7), (7, 5), (5, 5), (1, 7), (7, 1)])
def test_causal_is_aligned_top_left(queries, keys):
    arrays = draw(queries=queries, keys=keys)
    output, weights = attention(*arrays, is_causal=True, return_weights=True)
    expected = torch_attention(*arrays, is_causal=True)
    np.testing.assert_allclose(output, expected, **CLOSE)
    for i in range(queries):
        assert (weights[..., i, : i + 1] > 0).all()
        assert (weights[..., i, i + 1 :] == 0).all()


@pytest.mark.parametrize("convert", [np.array, as_float_mask], ids=["bool", "float"])
def test_mask_and_causal_are_intersected(convert):
    arrays, mask = draw(), draw_mask()
    causal = np.tri(QUERIES, KEYS, dtype=bool)
    output = attention(*arrays, convert(mask), is_causal=True)
    np.testing.assert_array_equal(output, attention(*arrays, convert(mask & causal)))
    np.testing.assert_allclose(output, torch_attention(*arrays, mask & causal), **CLOSE)


def fully_masked(kind):
    """Return a mask and options under which query 2 has nothing to attend to."""
    mask = draw_mask((QUERIES, KEYS))
    if kind == "causal and bool":
        mask[:] = True
        mask[2, :3] = False
        return mask, {"is_causal": True}
    mask[2] = False
    return (as_float_mask(mask) if kind == "float" else mask), {}


@pytest.mark.parametrize("kind", ["bool", "float", "causal and bool"])
@pytest.mark.parametrize("poison", [1000, NAN, INF])
def test_a_fully_masked_row_is_exactly_0(kind, poison):
    query, key, value = draw()
    mask, options = fully_masked(kind)
    value[:] = poison
    with np.errstate(all="raise"):
        output, weights = attention(
            query, key, value, mask, return_weights=True, **options
        )
    assert (output[..., 2, :] == 0).all()
    assert (weights[..., 2, :] == 0).all()
    others = weights[..., [0, 1, 3, 4], :].sum(axis=-1)
    np.testing.assert_allclose(others, 1, **CLOSE)


def test_a_nan_query_that_may_attend_to_nothing_is_0():
    query, key, value = draw()
    query[..., 2, :] = NAN
    mask, _ = fully_masked("bool")
    output = attention(query, key, value, mask)
    assert (output[..., 2, :] == 0).all()
    assert np.isfinite(output).all()


@pytest.mark.parametrize("kind", ["bool", "float", "causal"])
@pytest.mark.parametrize("poison", [NAN, INF, -INF, 1000])
@pytest.mark.parametrize("where", [["key"], ["value"], ["key", "value"]], ids=str)
def test_garbage_at_blocked_keys_reaches_nobody(kind, poison, where):
    query, key, value = draw()
    if kind == "causal":
        options, hidden = {"is_causal": True}, slice(QUERIES, None)
    else:
        mask, hidden = np.arange(KEYS) < 4, slice(4, None)
        options = {"attn_mask": mask if kind == "bool" else as_float_mask(mask)}
    clean = attention(query, key, value, **options)
    for name in where:
        {"key": key, "value": value}[name][..., hidden, :] = poison
    with np.errstate(all="raise"):
        output = attention(query, key, value, **options)
    np.testing.assert_array_equal(output, clean)


@pytest.mark.parametrize("poison", [NAN, INF, -INF])
def test_garbage_reaches_exactly_the_queries_that_may_attend_to_it(poison):
    query, key, value = draw()
    value[..., 3, 6] = poison
    # Causal: queries 3 and 4 may attend to key 3, queries 0, 1 and 2 may not.
    output = attention(query, key, value, is_causal=True)
    expected = np.zeros(output.shape, bool)
    expected[..., 3:, 6] = True
    np.testing.assert_array_equal(~np.isfinite(output), expected)
    np.testing.assert_array_equal(output[expected], poison)


def test_garbage_of_one_batch_entry_stays_there():
    query, key, value = draw()
    value[1, 2, 6] = NAN
    mask = draw_mask()
    mask[1, 2, :, 6] = False
    output = attention(query, key, value, mask)
    value[1, 2, 6] = 0
    np.testing.assert_array_equal(output, attention(query, key, value, mask))


@pytest.mark.parametrize("poison", [NAN, INF])
def test_unmasked_nan_and_infinity_are_as_in_torch(poison):
    query, key, value = draw()
    query[1, 2, 4, 3] = NAN
    value[0, 1, 2, 3] = poison
    output = attention(query, key, value)
    expected = torch_attention(query, key, value)
    assert np.isnan(output[1, 2, 4]).all()
    np.testing.assert_allclose(output, expected, **CLOSE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lowest_finite_number_is_not_minus_infinity(dtype):
    query, key, value = draw(dtype=dtype)
    mask = np.zeros((QUERIES, KEYS), dtype)
    mask[2] = np.finfo(dtype).min
    with np.errstate(all="raise"):
        output = attention(query, key, value, mask)
    # 7 roundings of a mean of numbers near 1
    atol = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(output[..., 2, :], value.mean(-2), rtol=0, atol=atol)


def test_lowest_finite_float16_cancels():
    query, key, value = draw(dtype=np.float16)
    mask = np.full((QUERIES, KEYS), np.finfo(np.float16).min)
    output, weights = attention(query, key, value, mask, return_weights=True)
    _, unmasked = attention(query, key, value, return_weights=True)
    # A score near -65504 is rounded to a multiple of 1/256 or 1/128 in float32.
    np.testing.assert_allclose(weights, unmasked, rtol=0.01)
    assert np.abs(output - value.mean(axis=-2, keepdims=True)).max() > 0.1


# --- shapes, strides, dtypes -----------------------------------------------------


@pytest.mark.parametrize(
    ("query_lead", "key_lead", "value_lead"),
    [
        ((2, 3), (1, 3), (1, 3)),
        ((2, 3), (2, 1), (2, 1)),
        ((2, 3), (), ()),
        ((1, 1), (2, 3), (2, 3)),
        ((3,), (2, 1), (2, 3)),
        ((2, 3), (1, 3), (2, 1)),
    ],
)
def test_broadcasting_equals_explicit_tiling(query_lead, key_lead, value_lead):
    leads = (query_lead, key_lead, value_lead)
    arrays = [draw(lead=lead)[which] for which, lead in enumerate(leads)]
    tiled = [
        np.array(np.broadcast_to(array, (BATCH, HEADS, *array.shape[-2:])))
        for array in arrays
    ]
    np.testing.assert_array_equal(attention(*arrays), attention(*tiled))


@pytest.mark.parametrize(("query_heads", "heads"), [(6, 3), (6, 1), (6, 6), (4, 2)])
def test_grouped_queries_equal_torch_and_repeated_heads(query_heads, heads):
    query, _, _ = draw(lead=(BATCH, query_heads))
    _, key, value = draw(lead=(BATCH, heads), seed=1)
    mask = draw_mask((query_heads, QUERIES, KEYS))
    output = attention(query, key, value, mask, enable_gqa=True)
    group = query_heads // heads
    repeated = [np.repeat(array, group, axis=1) for array in (key, value)]
    np.testing.assert_array_equal(output, attention(query, *repeated, mask))
    expected = torch_attention(query, key, value, mask, enable_gqa=True)
    np.testing.assert_allclose(output, expected, **CLOSE)


@pytest.mark.parametrize(
    ("lead", "queries", "keys", "width", "value_width"),
    [
        ((2, 3), 0, 7, 11, 13),
        ((2, 3), 5, 0, 11, 13),
        ((2, 3), 0, 0, 11, 13),
        ((0, 3), 5, 7, 11, 13),
        ((2, 0), 5, 7, 11, 13),
        ((2, 3), 5, 7, 0, 13),  # every score is 0: the mean of the values
        ((2, 3), 5, 7, 11, 0),
        ((), 0, 0, 0, 0),
    ],
)
@pytest.mark.parametrize("is_causal", [False, True])
def test_empty_axes_are_as_in_torch(lead, queries, keys, width, value_width, is_causal):
    query = np.ones((*lead, queries, width))
    key = np.ones((*lead, keys, width))
    value = np.ones((*lead, keys, value_width)) * np.arange(value_width)
    output, weights = attention(
        query, key, value, is_causal=is_causal, return_weights=True
    )
    assert output.shape == (*lead, queries, value_width)
    assert weights.shape == (*lead, queries, keys)
    expected = torch_attention(query, key, value, is_causal=is_causal)
    np.testing.assert_allclose(output, expected, **CLOSE)


VIEWS = {
    "column-major": np.asfortranarray,
    "transposed": lambda array: np.array(array.swapaxes(-1, -2)).swapaxes(-1, -2),
    "heads after positions": lambda a: np.array(a.swapaxes(1, 2)).swapaxes(1, 2),
    "negative strides": lambda a: np.array(a[::-1, :, ::-1, ::-1])[::-1, :, ::-1, ::-1],
    "every other": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_strides_do_not_change_a_bit_and_the_inputs_stay(view, dtype):
    # Large enough that BLAS takes another path, and so rounds otherwise, for a view.
    plain = draw(queries=67, keys=71, dtype=dtype)
    plain.append(as_float_mask(draw_mask((BATCH, HEADS, 67, 71)), dtype))
    views = [view(array) for array in plain]
    before = [array.tobytes() for array in plain]
    for array in views:
        array.flags.writeable = False
    output, weights = attention(*views, is_causal=True, return_weights=True)
    expected = attention(*plain, is_causal=True, return_weights=True)
    assert [array.tobytes() for array in views] == before
    assert output.tobytes() == expected[0].tobytes()
    assert weights.tobytes() == expected[1].tobytes()


def test_one_array_as_query_key_and_value_is_unchanged():
    same = draw(lead=())[0]
    before = same.copy()
    output, _ = attention(same, same, same, scale=1, return_weights=True)
    np.testing.assert_array_equal(same, before)
    assert not np.shares_memory(output, same)


# --- properties ------------------------------------------------------------------


@properties
@given(seeds, st.booleans(), st.sampled_from([0.01, 1, 100]))
def test_rows_sum_to_1_or_are_exactly_0(seed, is_causal, spread):
    query, key, value = draw(seed)
    mask = np.random.default_rng(seed).random(SCORES) < 0.3
    output, weights = attention(
        query * spread, key, value, mask, is_causal=is_causal, return_weights=True
    )
    allowed = mask & np.tri(QUERIES, KEYS, dtype=bool) if is_causal else mask
    assert (weights >= 0).all()
    assert (weights[~allowed] == 0).all()
    total = allowed.any(axis=-1).astype(float)
    np.testing.assert_allclose(weights.sum(axis=-1), total, **CLOSE)
    np.testing.assert_array_equal(output[total == 0], 0)


@properties
@given(seeds, st.permutations(range(KEYS)))
def test_the_order_of_the_keys_does_not_matter(seed, order):
    query, key, value = draw(seed)
    mask = draw_mask(seed=seed)
    output = attention(query, key, value, mask)
    shuffled = attention(
        query, key[..., order, :], value[..., order, :], mask[..., order]
    )
    np.testing.assert_allclose(shuffled, output, **CLOSE)


@properties
@given(seeds, st.floats(-100, 100))
def test_adding_a_constant_to_a_row_of_scores_changes_nothing(seed, constant):
    arrays = draw(seed)
    mask = np.random.default_rng(seed).normal(size=SCORES)
    shifted = attention(*arrays, mask + constant)
    # The sum is rounded by up to 1e-14 at 100.
    np.testing.assert_allclose(shifted, attention(*arrays, mask), rtol=0, atol=1e-12)


sizes = st.integers(1, 4)
shapes = st.lists(sizes, max_size=4).map(tuple)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_accepts_the_shapes_that_torch_accepts_and_no_others(data):
    lead = data.draw(st.lists(sizes, max_size=2).map(tuple))
    queries, keys, width = data.draw(sizes), data.draw(sizes), data.draw(sizes)
    right = [(*lead, queries, width), (*lead, keys, width), (*lead, keys, width)]
    arrays = [np.ones(data.draw(st.just(shape) | shapes)) for shape in right]
    right_mask = st.sampled_from([(*lead, queries, keys)[axis:] for axis in range(3)])
    shape = data.draw(st.none() | right_mask | shapes)
    mask = None if shape is None else np.ones(shape, bool)
    options = {"enable_gqa": data.draw(st.booleans())}
    try:
        expected = torch_attention(*arrays, mask, **options)
    except (RuntimeError, IndexError):
        expected = None
    if expected is None:
        with pytest.raises(ValueError, match=r"^scaled_dot_product_attention: "):
            attention(*arrays, mask, **options)
    else:
        output = attention(*arrays, mask, **options)
        assert output.shape == expected.shape
        np.testing.assert_allclose(output, expected, **CLOSE)


# --- the price of an import -------------------------------------------------------


def test_import_needs_numpy_only():
    code = "import sys, course_lib.attention; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(run.stdout.split())
    assert loaded.isdisjoint({"torch", "transformers", "matplotlib", "scipy"})
