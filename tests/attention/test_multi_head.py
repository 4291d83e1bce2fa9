"""Several heads, against torch.nn.MultiheadAttention and one head after the other."""

import dataclasses
import doctest

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_lib.attention import (
    MultiHeadAttention,
    mask_from_torch,
    merge_heads,
    multi_head,
    scaled_dot_product_attention,
    split_heads,
)

pytestmark = pytest.mark.slow  # many tests that draw and compare

# Different primes, so that two swapped axes cannot go unnoticed.
BATCH, HEADS, HEAD_SIZE, QUERIES, KEYS, KEY_SIZE, VALUE_SIZE = 2, 3, 5, 7, 11, 13, 17
HIDDEN = HEADS * HEAD_SIZE
INF = np.inf
# Four sums of some 15 products of numbers near 1, in another order.
CLOSE = {"rtol": 0, "atol": 1e-12, "equal_nan": False}


def draw_module(seed=0, dtype=torch.float64, **options):
    """Return torch's module with random numbers everywhere: its biases start as 0."""
    generator = torch.Generator().manual_seed(seed)
    module = torch.nn.MultiheadAttention(HIDDEN, HEADS, dtype=dtype, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5, generator=generator)
    return module


def draw(seed=0, crossed=False, dtype=np.float64):
    """Return query, key and value: one array three times, or three that differ."""
    rng = np.random.default_rng(seed)
    if not crossed:
        return [rng.normal(size=(BATCH, QUERIES, HIDDEN)).astype(dtype)] * 3
    sizes = (QUERIES, HIDDEN), (KEYS, KEY_SIZE), (KEYS, VALUE_SIZE)
    return [rng.normal(size=(BATCH, *size)).astype(dtype) for size in sizes]


def draw_masks(kind, keys, seed=0):
    """Return masks as torch's module takes them; each query keeps the first key."""
    rng = np.random.default_rng(seed)
    shapes = {
        "attn_mask": (BATCH * HEADS if "3-D" in kind else 1, QUERIES, keys),
        "key_padding_mask": (BATCH, keys),
    }
    masks = {}
    for name, shape in shapes.items():
        if name not in kind:
            continue
        hidden = rng.random(shape) < 0.4
        hidden[..., 0] = False
        if "float" in kind:
            hidden = np.where(hidden, -INF, rng.normal(size=shape))
        two_axes = name == "attn_mask" and "3-D" not in kind
        masks[name] = hidden[0] if two_axes else hidden
    return masks


def by_torch(module, arrays, masks=None):
    """Run torch's module on (batch, positions, size), whatever its batch_first says."""
    tensors = [torch.from_numpy(array) for array in arrays]
    if not module.batch_first:
        tensors = [tensor.transpose(0, 1) for tensor in tensors]
    masks = {name: torch.from_numpy(mask) for name, mask in (masks or {}).items()}
    with torch.no_grad():
        output, weights = module(*tensors, **masks, average_attn_weights=False)
    output = output if module.batch_first else output.transpose(0, 1)
    return output.numpy(), weights.numpy()


def check(module, arrays, masks=None):
    ours = MultiHeadAttention.from_torch(module)
    mask = mask_from_torch(**(masks or {}), num_heads=HEADS)
    got = ours(*arrays, mask, return_weights=True)
    for mine, expected in zip(got, by_torch(module, arrays, masks), strict=True):
        np.testing.assert_allclose(mine, expected, **CLOSE)
    np.testing.assert_array_equal(ours(*arrays, mask), got[0])


def test_the_docstrings_are_right():
    result = doctest.testmod(multi_head)
    assert result.attempted
    assert not result.failed


# --- the same numbers as torch -------------------------------------------------------

KINDS = [
    "none",
    "attn_mask 2-D bool",
    "attn_mask 2-D float",
    "attn_mask 3-D bool",
    "attn_mask 3-D float",
    "key_padding_mask bool",
    "key_padding_mask float",
    "attn_mask 2-D and key_padding_mask bool",
    "attn_mask 2-D and key_padding_mask float",
    "attn_mask 3-D and key_padding_mask bool",
    "attn_mask 3-D and key_padding_mask float",
]
WIDTHS = {"kdim": KEY_SIZE, "vdim": VALUE_SIZE}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("crossed", [False, True])
def test_equals_torch(kind, batch_first, bias, crossed):
    widths = WIDTHS if crossed else {}
    module = draw_module(bias=bias, batch_first=batch_first, **widths)
    check(module, draw(crossed=crossed), draw_masks(kind, KEYS if crossed else QUERIES))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(KINDS), st.booleans())
def test_equals_torch_for_any_numbers(seed, kind, crossed):
    module = draw_module(seed, batch_first=True, **(WIDTHS if crossed else {}))
    masks = draw_masks(kind, KEYS if crossed else QUERIES, seed)
    check(module, draw(seed, crossed), masks)


@pytest.mark.parametrize("bias", [False, True])
def test_one_boolean_and_one_float_mask_equal_torch_with_two_floats(bias):
    module, arrays = draw_module(bias=bias, batch_first=True), draw()
    attn_mask = draw_masks("attn_mask 3-D float", QUERIES)["attn_mask"]
    padding = draw_masks("key_padding_mask bool", QUERIES)["key_padding_mask"]
    ours = MultiHeadAttention.from_torch(module)
    output = ours(*arrays, mask_from_torch(attn_mask, padding, num_heads=HEADS))
    masks = {"attn_mask": attn_mask, "key_padding_mask": np.where(padding, -INF, 0)}
    np.testing.assert_allclose(output, by_torch(module, arrays, masks)[0], **CLOSE)


def test_causal_equals_torch():
    module, arrays = draw_module(batch_first=True), draw()
    hidden = torch.nn.Transformer.generate_square_subsequent_mask(QUERIES).isneginf()
    tensors = map(torch.from_numpy, arrays)
    with torch.no_grad():
        expected, _ = module(
            *tensors, attn_mask=hidden, is_causal=True, need_weights=False
        )
    output = MultiHeadAttention.from_torch(module)(*arrays, is_causal=True)
    np.testing.assert_allclose(output, expected.numpy(), **CLOSE)


@pytest.mark.parametrize("kind", ["none", "key_padding_mask bool"])
def test_dropout_is_left_out_as_after_eval(kind):
    module = draw_module(batch_first=True, dropout=0.7).eval()
    check(module, draw(), draw_masks(kind, QUERIES))


def test_one_text_without_a_batch_axis_equals_torch():
    module = draw_module(batch_first=True)
    arrays = [array[0] for array in draw()]
    mask = draw_masks("attn_mask 2-D bool", QUERIES)
    output = MultiHeadAttention.from_torch(module)(*arrays, mask_from_torch(**mask))
    assert output.shape == (QUERIES, HIDDEN)
    with_batch = by_torch(module, [array[None] for array in arrays], mask)
    np.testing.assert_allclose(output, with_batch[0][0], **CLOSE)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_may_attend_to_nothing_gets_the_bias_where_torch_has_nan(
    kind, bias
):
    module, arrays = draw_module(bias=bias, batch_first=True), draw()
    hidden = draw_masks("attn_mask 2-D bool", QUERIES)["attn_mask"]
    hidden[2] = True
    masks = {"attn_mask": np.where(hidden, -INF, 0) if kind == "float" else hidden}
    ours = MultiHeadAttention.from_torch(module)
    with np.errstate(all="raise"):
        output, weights = ours(*arrays, mask_from_torch(**masks), return_weights=True)
    expected = by_torch(module, arrays, masks)[0]
    assert np.isnan(expected[:, 2]).all()
    wanted = module.out_proj.bias.detach().numpy() if bias else np.zeros(HIDDEN)
    np.testing.assert_array_equal(output[:, 2], np.tile(wanted, (BATCH, 1)))
    assert (weights[..., 2, :] == 0).all()
    others = [0, 1, 3, 4, 5, 6]
    np.testing.assert_allclose(output[:, others], expected[:, others], **CLOSE)


# --- one head after the other --------------------------------------------------------


def head_by_head(module, query, key, value, order=range(HEADS)):
    """The formula of the paper: own matrices for each head, their results in a row."""
    results = []
    for head in order:
        rows = slice(head * HEAD_SIZE, (head + 1) * HEAD_SIZE)
        projected = [
            array @ getattr(module, f"{name}_weight")[rows].T
            + getattr(module, f"{name}_bias")[rows]
            for name, array in {"query": query, "key": key, "value": value}.items()
        ]
        results.append(scaled_dot_product_attention(*projected))
    glued = np.concatenate(results, axis=-1)
    return glued @ module.output_weight.T + module.output_bias


def test_heads_are_the_matrices_of_the_paper_side_by_side():
    ours = MultiHeadAttention.from_torch(draw_module(**WIDTHS))
    arrays = draw(crossed=True)
    output = ours(*arrays)
    np.testing.assert_allclose(output, head_by_head(ours, *arrays), **CLOSE)
    for order in [(0, 2, 1), (1, 0, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)]:
        wrong = head_by_head(ours, *arrays, order)
        assert np.abs(output - wrong).max() > 0.1


def test_output_may_have_its_own_width():
    ours = MultiHeadAttention.from_torch(draw_module())
    narrow = dataclasses.replace(
        ours, output_weight=ours.output_weight[:2], output_bias=ours.output_bias[:2]
    )
    np.testing.assert_allclose(narrow(*draw()), ours(*draw())[..., :2], **CLOSE)


@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=4, min_side=0)),
    st.integers(1, 4),
)
@settings(max_examples=100, deadline=None)
def test_merge_undoes_split(x, heads):
    x = np.repeat(x, heads, axis=-1)  # a width that can be shared out
    parts = split_heads(x, heads)
    assert parts.shape == (*x.shape[:-2], heads, x.shape[-2], x.shape[-1] // heads)
    np.testing.assert_array_equal(merge_heads(parts), x)
    np.testing.assert_array_equal(split_heads(merge_heads(parts), heads), parts)


def test_head_0_takes_the_first_columns():
    x = np.arange(2.0 * 3 * 6).reshape(2, 3, 6)
    parts = split_heads(x, 3)
    for batch, head, position in np.ndindex(2, 3, 3):
        expected = x[batch, position, 2 * head : 2 * head + 2]
        np.testing.assert_array_equal(parts[batch, head, position], expected)
    assert np.shares_memory(parts, x)


# --- memory, strides, dtypes ---------------------------------------------------------


@pytest.mark.parametrize("widths", [{}, WIDTHS], ids=["one width", "three widths"])
def test_weights_share_memory_with_torch(widths):
    module = draw_module(**widths)
    ours, arrays = MultiHeadAttention.from_torch(module), draw(crossed=bool(widths))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(0.5)
    np.testing.assert_array_equal(
        ours(*arrays), MultiHeadAttention.from_torch(module)(*arrays)
    )


VIEWS = {
    "positions before texts": lambda a: np.array(a.swapaxes(0, 1)).swapaxes(0, 1),
    "negative strides": lambda array: np.flip(np.array(np.flip(array))),
    "every other": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_stride_changes_a_bit_and_the_inputs_stay(view, dtype):
    ours = MultiHeadAttention.from_torch(
        draw_module(dtype=torch.from_numpy(np.ones(1, dtype)).dtype, **WIDTHS)
    )
    plain = draw(crossed=True, dtype=dtype)
    views = [view(array) for array in plain]
    before = [array.tobytes() for array in plain]
    for array in views:
        array.flags.writeable = False
    got = ours(*views, return_weights=True)
    assert [array.tobytes() for array in [*plain, *views]] == before * 2
    for mine, expected in zip(got, ours(*plain, return_weights=True), strict=True):
        assert mine.dtype == dtype
        assert mine.tobytes() == expected.tobytes()


def test_float16_stays_float16():
    module = draw_module(dtype=torch.float16)
    arrays = draw(dtype=np.float16)
    output, weights = MultiHeadAttention.from_torch(module)(
        *arrays, return_weights=True
    )
    assert output.dtype == weights.dtype == np.float16
    wide = MultiHeadAttention.from_torch(module.double())
    expected = wide(*(array.astype(np.float64) for array in arrays))
    # Rounded after each of four steps, at numbers up to 8: half of 2**-8 each.
    np.testing.assert_allclose(output, expected, rtol=0, atol=0.02, equal_nan=False)


@pytest.mark.parametrize("poison", [np.nan, INF])
def test_garbage_at_padding_reaches_nobody(poison):
    ours = MultiHeadAttention.from_torch(draw_module(**WIDTHS))
    query, key, value = draw(crossed=True)
    padding = np.arange(KEYS)[None] >= [[6], [KEYS]]
    mask = mask_from_torch(key_padding_mask=padding)
    clean = ours(query, key, value, mask)
    key[padding], value[padding] = poison, poison
    with np.errstate(all="raise"):
        output = ours(query, key, value, mask)
    np.testing.assert_array_equal(output, clean)


@pytest.mark.parametrize(("queries", "keys"), [(0, 5), (5, 0), (0, 0)])
def test_no_queries_and_no_keys(queries, keys):
    ours = MultiHeadAttention.from_torch(draw_module())
    query, key = np.ones((BATCH, queries, HIDDEN)), np.ones((BATCH, keys, HIDDEN))
    output, weights = ours(query, key, key, return_weights=True)
    assert weights.shape == (BATCH, HEADS, queries, keys)
    expected = np.broadcast_to(ours.output_bias, (BATCH, queries, HIDDEN))
    if keys == 0:
        np.testing.assert_array_equal(output, expected)
    assert output.shape == expected.shape


# --- errors --------------------------------------------------------------------------


def ones(*shape):
    return np.ones(shape)


MATRICES = {
    "num_heads": HEADS,
    "query_weight": ones(HIDDEN, QUERIES),
    "key_weight": ones(HIDDEN, KEY_SIZE),
    "value_weight": ones(HIDDEN, VALUE_SIZE),
    "output_weight": ones(2, HIDDEN),
}


@pytest.mark.parametrize(
    ("error", "change", "words"),
    [
        *(
            (ValueError, {"num_heads": n}, ["hidden size 15", f"`num_heads` = {n}"])
            for n in [4, 0, -3, 30]
        ),
        *(
            (TypeError, {"num_heads": n}, [f"`num_heads` is {n!r}", "an integer"])
            for n in [3.0, "3", True, None]
        ),
        (ValueError, {"query_weight": ones()}, ["()", "wanted (any, any)"]),
        (ValueError, {"query_weight": ones(15)}, ["(15,)", "wanted (any, any)"]),
        (ValueError, {"key_weight": ones(11, 15)}, ["(11, 15), wanted (15, any)"]),
        (ValueError, {"value_weight": ones(15)}, ["(15,), wanted (15, any)"]),
        (ValueError, {"output_weight": ones(15, 2)}, ["(15, 2), wanted (any, 15)"]),
        (ValueError, {"key_bias": ones(13)}, ["(13,), wanted (15,)", "each row"]),
        (ValueError, {"output_bias": ones(15)}, ["(15,), wanted (2,)", "each row"]),
        (TypeError, {"value_bias": [1.0]}, ["list", "NumPy array"]),
    ],
)
def test_matrices_that_do_not_fit_are_named_at_construction(error, change, words):
    with pytest.raises(error) as caught:
        MultiHeadAttention(**{**MATRICES, **change})
    for word in ["MultiHeadAttention: ", f"`{next(iter(change))}`", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("number", [np.int64(3), np.int8(3)])
def test_an_integer_of_numpy_is_one(number):
    assert split_heads(ones(5, 6), number).shape == (3, 5, 2)
    assert mask_from_torch(ones(6, 5, 7), num_heads=number).shape == (2, 3, 5, 7)
    assert MultiHeadAttention(**{**MATRICES, "num_heads": number}).num_heads == 3


@pytest.mark.parametrize("name", ["query", "key", "value"])
@pytest.mark.parametrize("shape", [(), (QUERIES,), (5, 5)], ids=str)
def test_inputs_that_do_not_fit_are_named(name, shape):
    module = MultiHeadAttention(**MATRICES)
    inputs = {
        "query": ones(5, 7),
        "key": ones(3, KEY_SIZE),
        "value": ones(3, VALUE_SIZE),
    }
    columns = inputs[name].shape[1]
    with pytest.raises(ValueError) as caught:
        module(**{**inputs, name: ones(*shape)})
    words = f"MultiHeadAttention: `{name}` has shape {shape}, wanted (..., positions, "
    assert str(caught.value).startswith(f"{words}{columns})")


@pytest.mark.parametrize(
    ("error", "function", "words"),
    [
        (ValueError, lambda: split_heads(ones(6), 3), ["split_heads: `x`", "(6,)"]),
        (ValueError, lambda: split_heads(ones(5, 6), 4), ["split_heads: ", "6", "= 4"]),
        (TypeError, lambda: split_heads(ones(5, 6), 3.0), ["`num_heads` is 3.0"]),
        (ValueError, lambda: merge_heads(ones(5, 2)), ["merge_heads: `x`", "(5, 2)"]),
    ],
)
def test_heads_that_do_not_fit_are_named(error, function, words):
    with pytest.raises(error) as caught:
        function()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("error", "module", "word"),
    [
        (TypeError, torch.nn.Linear(6, 6), "Linear"),
        (TypeError, None, "NoneType"),
        (TypeError, draw_module(dtype=torch.bfloat16), "with module.float()"),
        (ValueError, draw_module(add_bias_kv=True), "add_bias_kv"),
        (ValueError, draw_module(add_zero_attn=True), "add_zero_attn"),
    ],
)
def test_modules_of_torch_that_have_no_twin_here_are_named(error, module, word):
    with pytest.raises(error) as caught:
        MultiHeadAttention.from_torch(module)
    assert str(caught.value).startswith("MultiHeadAttention.from_torch: `module` ")
    assert word in str(caught.value)
