"""Attention block by block: the same numbers as whole, in less memory."""

import _thread
import doctest
import math
import re
import threading
import time
import tracemalloc
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.attention import SDPBackend, sdpa_kernel

from course_lib.attention import scaled_dot_product_attention as whole
from course_lib.attention import streaming
from course_lib.attention import streaming_attention as streamed

pytestmark = pytest.mark.slow  # many tests that draw and compare

# Different primes, so that two swapped axes cannot go unnoticed.
BATCH, HEADS, QUERIES, KEYS, WIDTH, VALUE_WIDTH = 2, 3, 151, 331, 11, 13
INF, NAN = np.inf, np.nan
# Relative to the largest value: sums of some hundred weights in another order, each
# rounded by 6e-8 or 1e-16, and exp passes on the rounding of scores up to 30.
CLOSE = {np.float16: 1e-3, np.float32: 1e-5, np.float64: 1e-12}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # quicker on a computer that is busy


@pytest.fixture
def two_threads(monkeypatch, one_thread):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")


def draw(
    seed=0,
    lead=(BATCH, HEADS),
    sizes=(QUERIES, KEYS, WIDTH, VALUE_WIDTH),
    dtype=np.float64,
):
    """Return random query, key and value."""
    rng = np.random.default_rng(seed)
    queries, keys, width, value_width = sizes
    shapes = (queries, width), (keys, width), (keys, value_width)
    return [rng.normal(size=(*lead, *shape)).astype(dtype) for shape in shapes]


def draw_mask(shape=(QUERIES, KEYS), seed=0, density=0.5):
    """Return a boolean mask in which the third query may attend to nothing."""
    mask = np.random.default_rng(seed).random(shape) < density
    if len(shape) > 1:
        mask[..., min(2, shape[-2] - 1), :] = False
    return mask


def draw_float_mask(shape=(QUERIES, KEYS), seed=0):
    numbers = np.random.default_rng(seed).normal(size=shape)
    return np.where(draw_mask(shape, seed), numbers, -INF)


def assert_close(output, expected, dtype):
    largest = np.abs(expected).max(initial=0)
    assert output.dtype == dtype
    np.testing.assert_allclose(
        output, expected, rtol=0, atol=CLOSE[dtype] * largest, equal_nan=False
    )


def assert_streams(arrays, attn_mask=None, **options):
    """Compare with the function that holds the whole map."""
    expected = whole(*arrays, attn_mask, **options)
    output = streamed(*arrays, attn_mask, **options)
    assert_close(output, expected, arrays[0].dtype.type)
    return output


def torch_attention(query, key, value, attn_mask=None, **options):
    """PyTorch's plain formula."""
    tensors = [torch.from_numpy(array) for array in (query, key, value)]
    if attn_mask is not None:
        options["attn_mask"] = torch.from_numpy(np.array(attn_mask))
    with sdpa_kernel(SDPBackend.MATH):
        result = torch.nn.functional.scaled_dot_product_attention(*tensors, **options)
    return result.numpy()


def test_the_docstring_is_right():
    result = doctest.testmod(streaming)
    assert result.attempted
    assert not result.failed


# --- the same numbers -------------------------------------------------------------


BORDERS = [1, 2, 127, 128, 129, 255, 257, 300]
SHAPES = {
    "keys": lambda batch, heads, queries, keys: (keys,),
    "same for all queries": lambda batch, heads, queries, keys: (batch, 1, 1, keys),
    "queries": lambda batch, heads, queries, keys: (queries, keys),
    "heads": lambda batch, heads, queries, keys: (heads, queries, keys),
    "one column": lambda batch, heads, queries, keys: (batch, heads, queries, 1),
    "all": lambda *sizes: sizes,
}


def draw_case(rng):
    """Return arrays, a mask and options as PyTorch takes them, all at random."""
    batch, heads = rng.integers(1, 4, 2).tolist()
    queries, keys = (
        int(rng.choice(BORDERS) if rng.random() < 0.2 else rng.integers(1, 30))
        for _ in range(2)
    )
    sizes = (queries, keys, *rng.integers(1, 20, 2).tolist())
    dtype = [np.float32, np.float64][rng.integers(2)]
    arrays = draw(rng, (batch, heads), sizes, dtype)
    options = {"scale": [None, 0.0, -0.7, 2.0][rng.integers(4)]}
    kind = rng.integers(4)
    if kind == 0:
        return arrays, None, options
    if kind == 1:
        return arrays, None, {**options, "is_causal": True}
    shape = list(SHAPES.values())[rng.integers(len(SHAPES))]
    shape = shape(batch, heads, queries, keys)
    if kind == 2:
        return arrays, draw_mask(shape, rng, rng.random()), options
    return arrays, draw_float_mask(shape, rng).astype(dtype), options


# With those of test_scaled_dot_product.py, more than 2,000 against PyTorch.
@pytest.mark.parametrize("seed", range(20))
def test_equals_torch_on_100_random_cases(seed):
    rng = np.random.default_rng(seed)
    for _ in range(100):
        arrays, mask, options = draw_case(rng)
        expected = torch_attention(*arrays, mask, **options)
        output = streamed(*arrays, mask, **options)
        assert_close(output, expected, arrays[0].dtype.type)


@pytest.mark.parametrize("keys", BORDERS)
@pytest.mark.parametrize("queries", BORDERS)
@pytest.mark.parametrize("is_causal", [False, True])
def test_lengths_around_a_block(queries, keys, is_causal):
    assert_streams(draw(sizes=(queries, keys, 5, 7)), is_causal=is_causal)


@pytest.mark.parametrize("width", [1, 2, 11, 64, 127, 128, 257])
@pytest.mark.parametrize("value_width", [1, 63, 64, 257])
def test_keys_around_the_size_of_their_block(width, value_width):
    value = np.ones((value_width + 1, 1))  # turned over, and one row of ones
    block = streaming.keys_in_block(np.ones((1, width)), value)
    for keys in (block - 1, block, block + 1, 2 * block + 1):
        arrays = draw(lead=(), sizes=(131, keys, width, value_width))
        mask = draw_mask((131, keys))
        assert_streams(arrays, mask)
        assert_streams(arrays, is_causal=True)


def test_a_block_of_keys_may_begin_at_a_blocks_last_query():
    arrays = draw(lead=(), sizes=(641, 641, 227, 1))
    assert streaming.keys_in_block(arrays[1], np.ones((2, 1))) == 9
    assert 639 % 9 == 640 % streaming.QUERIES == 0
    assert_streams(arrays, is_causal=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", ["bool", "float"])
@pytest.mark.parametrize("is_causal", [False, True])
def test_every_kind_of_mask(dtype, shape, kind, is_causal):
    shape = shape(BATCH, HEADS, QUERIES, KEYS)
    mask = draw_mask(shape) if kind == "bool" else draw_float_mask(shape).astype(dtype)
    assert_streams(draw(dtype=dtype), mask, is_causal=is_causal)


@pytest.mark.parametrize("kind", ["bool", "float", "causal and bool"])
@pytest.mark.parametrize("poison", [1000, NAN, INF])
def test_a_fully_masked_row_is_exactly_0(kind, poison):
    query, key, value = draw()
    value[:] = poison
    mask = np.ones((QUERIES, KEYS), bool)
    mask[137, : KEYS if kind != "causal and bool" else 138] = False
    mask[:128, 1:] = False  # only the first key
    options = {"is_causal": kind == "causal and bool"}
    mask = np.where(mask, 0, -INF) if kind == "float" else mask
    output = streamed(query, key, value, mask, **options)
    assert (output[..., 137, :] == 0).all()
    others = np.delete(output, 137, axis=-2)
    np.testing.assert_allclose(others, poison, rtol=1e-12)


def test_padding_and_a_text_of_nothing_but_padding():
    query, key, value = draw()
    mask = np.arange(KEYS) < np.array([[137], [0]])
    output = assert_streams([query, key, value], mask[:, None, None])
    cut = whole(query[0], key[0, :, :137], value[0, :, :137])
    assert_close(output[0], cut, np.float64)
    assert (output[1] == 0).all()


@pytest.mark.parametrize("shrinking", [False, True])
def test_the_highest_score_may_stand_in_any_block(shrinking):
    query, key, value = draw(lead=(), sizes=(3, 4 * 2048, 1, 1))
    query[:] = np.array([[1.0], [-1.0], [0.0]])
    key[:, 0] = np.linspace(0, 50, len(key))[:: -1 if shrinking else 1]
    assert_streams([query, key, value], scale=1)


@pytest.mark.parametrize("scale", [0, 0.0, -0.7, 2, np.float32(0.3), 1e-30])
def test_scales(scale):
    assert_streams(draw(), scale=scale)


@pytest.mark.parametrize("masked", [False, True])
def test_float16_is_computed_in_float32(masked):
    query, key, value = draw(dtype=np.float16)
    mask = draw_float_mask().astype(np.float16) if masked else None
    assert_streams([query, key, value], mask)
    query, key = query * np.float16(300), key * np.float16(300)  # products over 65504
    assert_streams([query, key, value], mask)


@pytest.mark.parametrize(("query_heads", "heads"), [(6, 3), (26, 13), (6, 1), (3, 3)])
@pytest.mark.parametrize("is_causal", [False, True])
def test_grouped_queries(query_heads, heads, is_causal):
    query, _, _ = draw(lead=(2, query_heads))
    _, key, value = draw(lead=(2, heads), seed=1)
    mask = draw_mask((query_heads, QUERIES, KEYS))
    options = {"enable_gqa": True, "is_causal": is_causal}
    assert_streams([query, key, value], mask, **options)
    expected = torch_attention(query, key, value, enable_gqa=True)
    assert_close(streamed(query, key, value, enable_gqa=True), expected, np.float64)


@pytest.mark.parametrize(
    "leads",
    [
        ((), (), ()),
        ((3,), (3,), (3,)),
        ((2, 3), (1, 3), (1, 3)),
        ((2, 3), (), ()),
        ((), (), (2, 3)),
        ((1, 1), (2, 3), (2, 3)),
        ((3,), (2, 1), (2, 3)),
        ((2, 3), (1, 3), (2, 1)),
        ((5, 1, 3), (1, 2, 1), (2, 3)),
        ((29,), (29,), (29,)),  # more heads than one part of the work holds
    ],
    ids=str,
)
def test_leading_axes_broadcast(leads):
    arrays = [draw(lead=lead)[which] for which, lead in enumerate(leads)]
    assert_streams(arrays)
    assert_streams(arrays, draw_mask(), is_causal=True)


@pytest.mark.parametrize("axis", range(6))
@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_an_axis_of_size_0(axis, is_causal, masked):
    sizes = [2, 3, 5, 7, 11, 13]
    sizes[axis] = 0
    arrays = draw(lead=sizes[:2], sizes=sizes[2:])
    mask = np.ones(sizes[2:4], bool) if masked else None
    output = assert_streams(arrays, mask, is_causal=is_causal)
    assert output.shape == (*sizes[:3], sizes[5])


# --- NaN, infinity and large numbers ----------------------------------------------


POISONED = [(name, n) for name in ("query", "key", "value") for n in (0, 150)]


@pytest.mark.parametrize("poison", [NAN, INF, -INF])
@pytest.mark.parametrize(("name", "position"), POISONED)
@pytest.mark.parametrize("kind", ["none", "bool", "float", "causal"])
def test_nan_and_infinity_reach_the_same_queries(
    poison, name, position, kind, two_threads
):
    arrays = dict(zip(("query", "key", "value"), draw(), strict=True))
    arrays[name][0, 1, position, 3] = poison
    mask = {"bool": draw_mask(), "float": draw_float_mask()}.get(kind)
    options = {"is_causal": kind == "causal"}
    with warnings.catch_warnings(action="error"):  # in the threads too
        output = streamed(**arrays, attn_mask=mask, **options)
    expected = whole(**arrays, attn_mask=mask, **options)
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("poison", [NAN, INF, -INF, 1e300])
@pytest.mark.parametrize("kind", ["bool", "float", "causal"])
@pytest.mark.parametrize("where", [["key"], ["value"], ["key", "value"]], ids=str)
def test_garbage_at_blocked_keys_reaches_nobody(poison, kind, where, two_threads):
    query, key, value = draw()
    seen = QUERIES if kind == "causal" else 137
    mask = np.arange(KEYS) < seen
    mask = {"bool": mask, "float": np.where(mask, 0, -INF)}.get(kind)
    clean = streamed(query, key, value, mask, is_causal=kind == "causal")
    for name in where:
        {"key": key, "value": value}[name][..., seen:, :] = poison
    with warnings.catch_warnings(action="error"):
        output = streamed(query, key, value, mask, is_causal=kind == "causal")
    np.testing.assert_allclose(output, clean, rtol=0, atol=1e-12, equal_nan=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("logit", [1e4, 1e10, 1e30])
def test_huge_logits_pick_one_key(logit, dtype, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    _, _, value = draw(lead=(), dtype=dtype)
    value = value[:257]
    query = np.eye(257, dtype=dtype) * dtype(math.sqrt(logit))
    with warnings.catch_warnings(action="error"), np.errstate(all="raise"):
        output = streamed(query, query, value, scale=1)
        # A block that ends in -inf, and scores that fall as far as they rose.
        masked = streamed(query, -query, value, np.tri(257, dtype=bool), scale=1)
    np.testing.assert_array_equal(output, value)
    expected = whole(query, -query, value, np.tri(257, dtype=bool), scale=1)
    assert_close(masked, expected, dtype)


# --- strides and threads ----------------------------------------------------------


VIEWS = {
    "column-major": np.asfortranarray,
    "transposed": lambda array: np.array(array.swapaxes(-1, -2)).swapaxes(-1, -2),
    "negative strides": lambda a: np.array(a[::-1, :, ::-1, ::-1])[::-1, :, ::-1, ::-1],
    "every other": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_strides_do_not_change_a_bit_and_the_inputs_stay(view, dtype):
    plain = draw(dtype=dtype)
    plain.append(draw_float_mask((BATCH, HEADS, QUERIES, KEYS)).astype(dtype))
    views = [view(array) for array in plain]
    before = [array.tobytes() for array in plain]
    for array in views:
        array.flags.writeable = False
    output = streamed(*views, is_causal=True)
    assert [array.tobytes() for array in views] == before
    assert output.tobytes() == streamed(*plain, is_causal=True).tobytes()


def test_one_array_as_query_key_and_value_is_unchanged():
    same = draw(lead=())[0]
    before = same.tobytes()
    output = assert_streams([same, same, same], scale=1)
    assert same.tobytes() == before
    assert not np.shares_memory(output, same)


LENGTHS = [(2, 3, 300), (29, 1100), (2000,), (1, 1, 7)]  # heads, or queries, are cut


@pytest.mark.parametrize("shape", LENGTHS, ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_any_number_of_threads_gives_the_same_bits(shape, masked, monkeypatch):
    *lead, length = shape
    arrays = draw(lead=lead, sizes=(length, 300, 32, 31), dtype=np.float32)
    mask = draw_mask((length, 300)) if masked else None
    outputs = set()
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        outputs.add(assert_streams(arrays, mask, is_causal=masked).tobytes())
    assert len(outputs) == 1


# --- what it is for, and when it is stopped ---------------------------------------


def peak(length):
    """Return the most bytes beyond inputs and output, for one head of 64."""
    arrays = draw(lead=(1,), sizes=(length, length, 64, 64), dtype=np.float32)
    tracemalloc.start()
    try:
        output = streamed(*arrays)
        return tracemalloc.get_traced_memory()[1] - output.nbytes
    finally:
        tracemalloc.stop()


def test_memory_grows_with_the_length_and_not_with_its_square(two_threads):
    half, full = peak(8192), peak(16384)
    # The whole map has 1,074 MB. A copy of query, key and value has 13 MB.
    assert full <= 64e6
    assert full < 2.3 * half  # twice as much if linear, four times if quadratic


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_inside_is_not_swallowed(threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    begun = []

    def interrupted(rows, *_):
        begun.append(rows)
        raise KeyboardInterrupt

    monkeypatch.setattr(streaming, "attend_in_blocks", interrupted)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        streamed(*draw(lead=(11, 1)))
    assert threading.active_count() == before
    # The 22 parts of the work are dropped, but for those that another thread had begun.
    assert len(begun) <= 22 if threads > 1 else len(begun) == 1


def test_control_c_stops_the_threads(two_threads, monkeypatch):
    real, begun = streaming.attend_in_blocks, []

    def slow(*arguments):
        begun.append(arguments)
        if begun[2:3] and begun[2] is arguments:  # the third, whoever comes meanwhile
            _thread.interrupt_main()  # as Ctrl-C does, while the main thread waits
        time.sleep(0.01)
        return real(*arguments)

    monkeypatch.setattr(streaming, "attend_in_blocks", slow)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        streamed(*draw(lead=(101, 1)))
    assert 3 <= len(begun) < 50  # of 202
    assert threading.active_count() == before


# --- what it refuses --------------------------------------------------------------


def ones(*shape, dtype=np.float64):
    return np.ones(shape, dtype)


GOOD = {
    "query": ones(2, 3, 5, 11),
    "key": ones(2, 3, 7, 11),
    "value": ones(2, 3, 7, 13),
}
WRONG_SHAPES = [
    ({"key": ones(2, 3, 7, 10)}, ["`query`", "`key`", "5, 11)", "7, 10)"]),
    ({"value": ones(2, 3, 6, 13)}, ["`key` has 7 positions but `value` has 6"]),
    ({"query": ones(2, 2, 5, 11)}, ["`query` (2, 2)", "`key` (2, 3)", "enable_gqa"]),
    ({"value": ones(4, 3, 7, 13)}, ["`query` (2, 3)", "`value` (4, 3)"]),
    *(({name: ones(7)}, [f"`{name}`", "(7,)", "at least 2 dims"]) for name in GOOD),
    *(
        ({"attn_mask": ones(*shape, dtype=bool)}, ["`attn_mask`", str(shape), "(5, 7)"])
        for shape in [(5,), (7, 5), (2, 5, 7), (1, 2, 3, 5, 7)]
    ),
    ({"query": ones(2, 4, 5, 11), "enable_gqa": True}, ["4 heads", "3 heads", "`key`"]),
    *(({"scale": scale}, ["`scale`", "finite"]) for scale in [NAN, INF, 10**400]),
]
WRONG_TYPES = [
    *(
        ({name: array}, [f"`{name}`", *words])
        for name in GOOD
        for array, words in [
            ([[1.0]], ["list", f"np.array({name}"]),
            (torch.ones(3, 5), ["Tensor", f"{name}.detach()"]),
            (ones(3, 5, dtype=int), ["int64", f"{name}.astype(np.float32)"]),
        ]
    ),
    ({"key": ones(7, 11, dtype="f4")}, ["`query` is float64", "`key` is float32"]),
    ({"attn_mask": ones(5, 7, dtype=int)}, ["int64", "use bool (True = may attend)"]),
    ({"attn_mask": ones(5, 7, dtype="f4")}, ["float32", "float (added, float64"]),
    *(({"scale": scale}, ["`scale`", repr(scale)]) for scale in ["0.1", True]),
]


@pytest.mark.parametrize(
    ("error", "change", "words"),
    [
        *((ValueError, *row) for row in WRONG_SHAPES),
        *((TypeError, *row) for row in WRONG_TYPES),
    ],
)
def test_bad_arguments_are_named(error, change, words):
    with pytest.raises(error) as caught:
        streamed(**{**GOOD, **change})
    for word in ["streaming_attention: ", *words]:
        assert word in str(caught.value)


sizes = st.lists(st.integers(0, 3), max_size=4)


@settings(max_examples=200, deadline=None)
@given(st.lists(sizes, min_size=3, max_size=3), st.none() | sizes, st.booleans())
def test_whatever_comes_it_does_as_the_whole_form(shapes, mask_shape, enable_gqa):
    arrays = list(map(np.ones, shapes))
    mask = None if mask_shape is None else np.ones(mask_shape, bool)
    try:
        expected = whole(*arrays, mask, enable_gqa=enable_gqa)
    except ValueError as error:
        words = str(error).replace("scaled_dot_product_", "streaming_")
        with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
            streamed(*arrays, mask, enable_gqa=enable_gqa)
    else:
        output = streamed(*arrays, mask, enable_gqa=enable_gqa)
        assert output.shape == expected.shape
        assert_close(output, expected, np.float64)
