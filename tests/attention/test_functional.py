"""Softmax, linear, GELU and their gradients: against SciPy, PyTorch and loops."""

import math
import warnings

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_lib.attention import (
    functional,
    gelu,
    gelu_backward,
    linear,
    linear_backward,
    softmax,
    softmax_backward,
)

SHAPE = (2, 3, 5)  # different primes: a sum over the wrong axis has another shape
INF = np.inf
# A few roundings of float64 (2e-16) or float32 (6e-8) for numbers of at most 1.
ROUNDING = {np.float64: 1e-15, np.float32: 3e-7}

# Sums of some 100 products of numbers near 1, in another order.
CLOSE = {"rtol": 0, "atol": 1e-12, "equal_nan": False}
# Central differences, see conftest.py.
NEAR = {"rtol": 1e-7, "atol": 1e-8, "equal_nan": False}

properties = settings(max_examples=60, deadline=None)
scores_1d = hnp.arrays(np.float64, st.integers(1, 11), elements=st.floats(-50, 50))


def draw(shape=SHAPE, dtype=np.float64, seed=11):
    return np.random.default_rng(seed).normal(size=shape, scale=3).astype(dtype)


def softmax_by_loop(row):
    """One row, as the formula has it; overflows above 709."""
    exponentials = [math.exp(score) for score in row]
    return [exponential / sum(exponentials) for exponential in exponentials]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
def test_equals_scipy_along_every_axis(axis, dtype):
    scores = draw(dtype=dtype)
    weights = softmax(scores, axis=axis)
    expected = scipy.special.softmax(scores.astype(np.float64), axis=axis)
    assert weights.dtype == dtype
    np.testing.assert_allclose(weights, expected, rtol=0, atol=ROUNDING[dtype])


def test_equals_a_loop():
    scores = draw((5, 7))
    expected = [softmax_by_loop(row) for row in scores]
    np.testing.assert_allclose(softmax(scores), expected, rtol=0, atol=1e-15)


def test_default_axis_is_the_last():
    np.testing.assert_array_equal(softmax(draw()), softmax(draw(), axis=-1))


@properties
@given(scores_1d)
def test_weights_are_not_negative_and_sum_to_1(scores):
    weights = softmax(scores)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-14)  # 11 roundings of 1e-16


@properties
@given(scores_1d, st.floats(-1000, 1000))
def test_adding_a_constant_changes_nothing(scores, constant):
    # The sum is rounded by up to 1e-13 at 1000, which exp passes on as it is.
    shifted = softmax(scores + constant)
    np.testing.assert_allclose(shifted, softmax(scores), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("size", [1e4, 1e10, 1e30])
def test_large_scores_give_one_winner_without_a_warning(size, dtype):
    size = min(size, float(np.finfo(dtype).max))
    scores = np.array([[-size, size, 0], [0, -size, -size]], dtype)
    with np.errstate(all="raise"):
        weights = softmax(scores)
    assert weights.tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("axis", [0, 1])
def test_a_row_of_minus_infinity_is_exactly_0(axis):
    scores = draw((5, 7))
    scores[2] = -INF
    with np.errstate(all="raise"):
        weights = softmax(scores if axis == 1 else scores.T, axis=axis)
    weights = weights if axis == 1 else weights.T
    np.testing.assert_array_equal(weights[2], np.zeros(7))
    others = [0, 1, 3, 4]
    expected = scipy.special.softmax(scores[others], axis=1)
    np.testing.assert_allclose(weights[others], expected, rtol=0, atol=1e-15)


def test_a_single_minus_infinity_gets_exactly_0():
    assert softmax(np.array([0.0, -INF, 0.0])).tolist() == [0.5, 0, 0.5]


@pytest.mark.parametrize("poison", [np.nan, INF])
def test_nan_stays_in_its_row_as_in_torch(poison):
    scores = draw((5, 7))
    scores[3, 2] = poison
    with warnings.catch_warnings(action="error"):
        weights = softmax(scores)
    expected = torch.softmax(torch.from_numpy(scores), dim=-1).numpy()
    assert np.isnan(weights).all(axis=1).tolist() == [False, False, False, True, False]
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-15)


def test_float16_adds_up_in_float32():
    # In float16, 2048 + 1 is 2048: adding the exponentials one by one would stop there.
    weights = softmax(np.zeros(4099, np.float16))
    assert weights.dtype == np.float16
    assert set(weights.tolist()) == {float(np.float16(1 / 4099))}


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 5)])
def test_empty_arrays_keep_their_shape(shape):
    assert softmax(np.zeros(shape)).shape == shape


@pytest.mark.parametrize(
    "view",
    [
        np.asfortranarray,
        lambda array: array[::-1, :, ::-1],
        lambda array: array.swapaxes(0, 2),
        lambda array: np.broadcast_to(array[:1], array.shape),
    ],
    ids=["column-major", "negative stride", "transposed", "broadcast"],
)
@pytest.mark.parametrize("axis", [0, -1])
def test_strides_do_not_change_a_bit_and_the_input_stays(view, axis):
    # Long enough that another order of the sums shows in the last bit.
    scores = view(draw((37, 41, 43), dtype=np.float32))
    before = scores.tobytes()
    scores.flags.writeable = False
    weights = softmax(scores, axis=axis)
    assert scores.tobytes() == before
    np.testing.assert_array_equal(weights, softmax(np.array(scores, order="C"), axis))


# --- the gradient of the softmax -----------------------------------------------------


@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
def test_softmax_backward_equals_torch_and_differences(
    axis, torch_grads, central_differences
):
    scores, grad = draw(), draw(seed=13)
    got = softmax_backward(grad, softmax(scores, axis), axis)
    [expected] = torch_grads(lambda s: torch.softmax(s, axis), grad, scores)
    np.testing.assert_allclose(got, expected, **CLOSE)
    [expected] = central_differences(lambda s: softmax(s, axis), grad, scores)
    np.testing.assert_allclose(got, expected, **NEAR)


shapes = hnp.array_shapes(min_dims=1, max_dims=3, max_side=7)
seeds = st.integers(0, 2**32 - 1)


@properties
@given(shapes, seeds, st.data())
def test_softmax_backward_sums_to_0_and_is_0_where_a_weight_is_0(
    torch_grads, shape, seed, data
):
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    scores, grad = draw(shape, seed=seed), draw(shape, seed=seed + 1)
    blocked = np.random.default_rng(seed).random(shape) < 0.4
    scores[blocked] = -INF
    got = softmax_backward(grad, softmax(scores, axis), axis)
    np.testing.assert_allclose(got.sum(axis), 0, **CLOSE)
    assert (got[blocked] == 0).all()
    [expected] = torch_grads(lambda s: torch.softmax(s, axis), grad, scores)
    gone = np.broadcast_to(blocked.all(axis, keepdims=True), shape)
    np.testing.assert_allclose(got[~gone], expected[~gone], **CLOSE)  # torch: NaN there


# --- linear --------------------------------------------------------------------------

IN, OUT = 7, 11
torch_linear = torch.nn.functional.linear
# With few rows BLAS is asked otherwise; from 64 on, they are many.
LEADS = [(), (1,), (3, 5), (63,), (64,), (65,), (2, 67)]


def draw_linear(lead, dtype=np.float64, seed=17):
    sizes = (*lead, IN), (OUT, IN), (OUT,), (*lead, OUT)
    rng = np.random.default_rng(seed)
    return [rng.normal(size=size).astype(dtype) for size in sizes]


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 1e-5), (np.float64, 1e-14)])
@pytest.mark.parametrize("lead", LEADS, ids=str)
def test_linear_equals_torch(lead, dtype, atol):
    x, weight, bias, _ = draw_linear(lead, dtype)
    for arrays in [(x, weight), (x, weight, bias)]:
        y = linear(*arrays)
        assert y.dtype == dtype
        assert y.flags.c_contiguous
        expected = torch_linear(*map(torch.from_numpy, arrays)).numpy()
        np.testing.assert_allclose(y, expected, rtol=0, atol=atol, equal_nan=False)


@pytest.mark.parametrize("lead", LEADS, ids=str)
def test_linear_backward_equals_torch_and_differences(
    lead, torch_grads, central_differences
):
    x, weight, bias, grad = draw_linear(lead)
    got = linear_backward(grad, x, weight)
    for oracle, tolerance in [
        (torch_grads(torch_linear, grad, x, weight, bias), CLOSE),
        (central_differences(linear, grad, x, weight, bias), NEAR),
    ]:
        for mine, expected in zip(got, oracle, strict=True):
            np.testing.assert_allclose(mine, expected, **tolerance)


def test_linear_gives_a_row_the_same_whether_few_or_many_come():
    x, weight, bias, _ = draw_linear((131,))
    y = linear(x, weight, bias)
    by_loop = [[sum(map(float.__mul__, r, w)) for w in weight.tolist()] for r in x]
    np.testing.assert_allclose(y, np.array(by_loop) + bias, **CLOSE)
    for rows in (slice(0, 1), slice(5, 68), slice(5, 69), slice(5, 70)):
        np.testing.assert_allclose(linear(x[rows], weight, bias), y[rows], **CLOSE)


@properties
@given(st.lists(st.integers(0, 5), max_size=2), st.integers(0, 5), st.integers(0, 5))
def test_linear_of_any_size_even_0_is_as_in_torch(torch_grads, lead, width, out):
    rng = np.random.default_rng(19)
    x, grad = rng.normal(size=(*lead, width)), rng.normal(size=(*lead, out))
    weight, bias = rng.normal(size=(out, width)), rng.normal(size=out)
    y = linear(x, weight, bias)
    assert y.shape == grad.shape
    np.testing.assert_allclose(y, x @ weight.T + bias, **CLOSE)
    oracle = torch_grads(lambda x, w, b: x @ w.T + b, grad, x, weight, bias)
    for mine, expected in zip(linear_backward(grad, x, weight), oracle, strict=True):
        assert mine.shape == expected.shape
        np.testing.assert_allclose(mine, expected, **CLOSE)


@pytest.mark.parametrize("rows", [5, 67])
def test_linear_keeps_nan_in_its_row(rows):
    x, weight, bias, _ = draw_linear((rows,))
    x[3, 2] = np.nan
    found = np.isnan(linear(x, weight, bias))
    assert found[3].all()
    assert found.sum() == OUT


# --- GELU ----------------------------------------------------------------------------

LONG = [0, 1, functional.BLOCK - 1, functional.BLOCK, 3 * functional.BLOCK + 17]


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 2e-6), (np.float64, 2e-15)])
def test_gelu_equals_torch_and_a_loop(dtype, atol):
    x = draw((31, 37), dtype)
    y = gelu(x)
    assert y.dtype == dtype
    by_torch = torch.nn.functional.gelu(torch.from_numpy(x)).numpy()
    root = math.sqrt(2)
    by_loop = [a * 0.5 * (1 + math.erf(a / root)) for a in x.ravel().tolist()]
    for expected in (by_torch, np.reshape(by_loop, x.shape)):
        np.testing.assert_allclose(y, expected, rtol=0, atol=atol, equal_nan=False)


def test_gelu_is_the_exact_one_and_not_that_with_tanh():
    x = np.linspace(-10, 10, 20011)
    with_tanh = torch.nn.functional.gelu(torch.from_numpy(x), approximate="tanh")
    assert 4e-4 < np.abs(gelu(x) - with_tanh.numpy()).max() < 5e-4
    assert -0.17 < gelu(x).min() < -0.1699


@properties
@given(hnp.arrays(np.float64, shapes, elements=st.floats(-1e3, 1e3)), seeds)
def test_gelu_backward_equals_torch(torch_grads, x, seed):
    grad = draw(x.shape, seed=seed)
    [expected] = torch_grads(torch.nn.functional.gelu, grad, x)
    np.testing.assert_allclose(gelu_backward(grad, x), expected, **CLOSE)


@pytest.mark.parametrize("shape", [(0,), (), (5, 0, 3), SHAPE], ids=str)
def test_gelu_backward_equals_differences_and_keeps_the_shape(
    shape, central_differences
):
    x, grad = draw(shape, seed=23), draw(shape, seed=29)
    got = gelu_backward(grad, x)
    [expected] = central_differences(gelu, grad, x)
    assert got.shape == gelu(x).shape == shape
    np.testing.assert_allclose(got, expected, **NEAR)


@pytest.mark.parametrize("length", LONG)
def test_gelu_of_many_numbers_equals_pieces_for_any_number_of_threads(
    length, monkeypatch
):
    x = draw((length,), np.float32)
    results = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        results.append(gelu(x).tobytes())
    pieces = [gelu(x[start : start + 9973]) for start in range(0, length, 9973)]
    assert set(results) == {b"".join(piece.tobytes() for piece in pieces)}


def test_the_normal_share_in_float32_is_as_near_as_it_says_and_exact_at_the_ends():
    x = np.linspace(-9, 9, 200003, dtype=np.float32)
    share = functional.below(x)
    assert share.dtype == np.float32
    wide = scipy.special.ndtr(x.astype(np.float64))
    np.testing.assert_allclose(share, wide, rtol=0, atol=2e-7, equal_nan=False)
    assert share.min() >= 0
    assert share.max() <= 1
    # A remainder here would be multiplied by x, however large.
    far = np.float32([6, 8, 40, 1e4, 1e19, 1e30, INF])
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(functional.below(far), 1)
        np.testing.assert_array_equal(functional.below(-far), 0)


@pytest.mark.parametrize(("dtype", "tolerance"), [("f4", 1e-6), ("f8", 1e-14)])
@pytest.mark.parametrize("extreme", [np.nan, INF, -INF, 1e30, -1e30, 1e4, -1e4])
def test_gelu_at_the_ends_is_as_in_torch_without_a_warning(extreme, dtype, tolerance):
    x = np.array([extreme, -1.0, 0.0, 1.0], dtype)
    # In float64: torch's gelu of infinity in float32 is NaN or not, as the length goes.
    tensor = torch.from_numpy(x.astype(np.float64)).requires_grad_()
    y = torch.nn.functional.gelu(tensor)
    y.sum().backward()
    with np.errstate(all="raise"):
        got = gelu(x), gelu_backward(np.ones(4, dtype), x)
    for mine, theirs in zip(got, (y.detach(), tensor.grad), strict=True):
        assert np.isnan(mine[0]) == np.isnan(theirs[0].item())
        there = slice(int(np.isnan(mine[0])), None)
        wanted = theirs.numpy()[there]
        np.testing.assert_allclose(
            mine[there], wanted, tolerance, tolerance, equal_nan=False
        )


# --- all of them ---------------------------------------------------------------------

SQUARE = (67, 71)
FAMILY = {
    "softmax": (softmax, [SQUARE]),
    "softmax_backward": (softmax_backward, [SQUARE, SQUARE]),
    "linear": (linear, [(2, *SQUARE), (73, 71), (73,)]),
    "linear of few rows": (linear, [(2, 5, 71), (73, 71), (73,)]),
    "linear_backward": (linear_backward, [(2, 67, 73), (2, *SQUARE), (73, 71)]),
    "gelu": (gelu, [SQUARE]),
    "gelu_backward": (gelu_backward, [SQUARE, SQUARE]),
}
each_function = pytest.mark.parametrize(
    ("function", "sizes"), FAMILY.values(), ids=FAMILY
)
VIEWS = {
    "column-major": np.asfortranarray,
    "negative strides": lambda array: np.flip(np.array(np.flip(array))),
    "every other": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
}


def results(function, arrays):
    result = function(*arrays)
    return result if isinstance(result, tuple) else (result,)


@each_function
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_stride_changes_a_bit_and_the_inputs_stay(function, sizes, view, dtype):
    plain = [draw(size, dtype, seed) for seed, size in enumerate(sizes)]
    views = [view(array) for array in plain]
    before = [array.tobytes() for array in plain]
    for array in views:
        array.flags.writeable = False
    got = results(function, views)
    expected = results(function, plain)
    assert [array.tobytes() for array in [*plain, *views]] == before * 2
    for mine, wanted in zip(got, expected, strict=True):
        assert mine.dtype == dtype
        assert mine.tobytes() == wanted.tobytes()
        assert not any(np.shares_memory(mine, array) for array in views)


@each_function
@pytest.mark.parametrize("size", [1e-300, 1e300, -INF, INF, np.nan])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_ends_of_the_numbers_give_no_warning(function, sizes, size, dtype):
    with np.errstate(all="ignore"):
        arrays = [np.full(shape, size).astype(dtype) for shape in sizes]
    with np.errstate(all="raise"):
        for result in results(function, arrays):
            assert result.dtype == dtype


@each_function
def test_float16_is_computed_in_float32(function, sizes):
    half = [draw(size, np.float16, seed) for seed, size in enumerate(sizes)]
    single = [array.astype(np.float32) for array in half]
    for mine, wide in zip(
        results(function, half), results(function, single), strict=True
    ):
        assert mine.dtype == np.float16
        assert wide.dtype == np.float32
        np.testing.assert_array_equal(mine, wide.astype(np.float16))
