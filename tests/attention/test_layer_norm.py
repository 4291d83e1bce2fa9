"""LayerNorm and its gradient, against PyTorch, a loop and differences."""

import doctest
import math
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.attention import layer_norm, layer_norm_backward

# Different primes, so that two swapped axes cannot go unnoticed.
LEADS = [(), (1,), (5,), (3, 5), (2, 3, 5)]
WIDTH = 7
INF, NAN = np.inf, np.nan
# Some roundings of numbers near 1, divided by deviations from about 0.1 on.
CLOSE = {"rtol": 0, "atol": 1e-12, "equal_nan": False}
# Central differences, see conftest.py; the deviation makes them steeper.
NEAR = {"rtol": 1e-7, "atol": 1e-7, "equal_nan": False}

properties = settings(max_examples=80, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def draw(lead=(3, 5), width=WIDTH, dtype=np.float64, seed=13):
    """Return random x, weight, bias and a gradient; the rows are far from 0."""
    rng = np.random.default_rng(seed)
    x = rng.normal(loc=3, scale=2, size=(*lead, width))
    weight, bias = rng.normal(loc=1, size=width), rng.normal(size=width)
    return [a.astype(dtype) for a in (x, weight, bias, rng.normal(size=x.shape))]


def torch_layer_norm(x, weight, bias, eps):
    return torch.nn.functional.layer_norm(x, weight.shape, weight, bias, eps)


def by_torch(x, weight, bias, eps):
    tensors = map(torch.from_numpy, (x, weight, bias))
    return torch_layer_norm(*tensors, eps).numpy()


def by_loop(row, weight, bias, eps):
    """One row, as the formula has it."""
    mean = sum(row) / len(row)
    variance = sum((number - mean) ** 2 for number in row) / len(row)
    root = math.sqrt(variance + eps)
    return [
        w * (number - mean) / root + b
        for number, w, b in zip(row, weight, bias, strict=True)
    ]


def test_the_docstrings_are_right():
    # The package has a function of the module's name, which an import would find.
    result = doctest.testmod(sys.modules[layer_norm.__module__])
    assert result.attempted
    assert not result.failed


# --- forward -------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "atol"), [(np.float32, 5e-6), (np.float64, 1e-13)])
@pytest.mark.parametrize("lead", LEADS, ids=str)
@pytest.mark.parametrize("eps", [0, 1e-12, 1e-5, 0.5, 3])
def test_equals_torch_and_a_loop(lead, eps, dtype, atol):
    x, weight, bias, _ = draw(lead, dtype=dtype)
    y = layer_norm(x, weight, bias, eps=eps)
    assert y.dtype == dtype
    rows = [by_loop(row, weight, bias, eps) for row in x.reshape(-1, WIDTH).tolist()]
    for expected in (by_torch(x, weight, bias, eps), np.reshape(rows, x.shape)):
        np.testing.assert_allclose(y, expected, rtol=0, atol=atol, equal_nan=False)


@properties
@given(seeds, st.integers(1, 40), st.floats(1e-6, 1e2), st.sampled_from([0.1, 1, 1e3]))
def test_equals_torch_for_any_width_and_spread(seed, width, eps, spread):
    x, weight, bias, _ = draw(width=width, seed=seed)
    x *= spread
    y = layer_norm(x, weight, bias, eps=eps)
    # Numbers up to 1e4 are rounded by 1e-12, and a row of one has only eps below.
    tolerance = {"rtol": 0, "atol": 1e-8, "equal_nan": False}
    np.testing.assert_allclose(y, by_torch(x, weight, bias, eps), **tolerance)


@pytest.mark.parametrize(
    ("row", "eps", "expected"),
    [
        # The deviation of 1 and 3 is 1; dividing by n - 1, it would be √2.
        ([1, 3], 0, [-1, 1]),
        # The root of 1 + 3 is 2; outside the root, 1 + 3 would stay 4.
        ([1, 3], 3, [-0.5, 0.5]),
        ([4, 8, 0, 4], 0, [0, math.sqrt(2), -math.sqrt(2), 0]),
        ([4, 8, 0, 4], 8, [0, 1, -1, 0]),
    ],
)
def test_the_deviation_divides_by_n_and_eps_is_inside_the_root(row, eps, expected):
    row = np.array(row, np.float64)
    ones, zeros = np.ones(len(row)), np.zeros(len(row))
    y = layer_norm(row, ones, zeros, eps=eps)
    np.testing.assert_allclose(y, expected, **CLOSE)
    # The gradient knows both too: that of y_0 for x_1.
    grad = layer_norm_backward(np.eye(len(row))[0], row, ones, eps=eps)[0]
    variance, mean = row.var(), row.mean()
    slope = -1 / len(row) - (row[0] - mean) * (row[1] - mean) / len(row) / (
        variance + eps
    )
    assert grad[1] == pytest.approx(slope / math.sqrt(variance + eps), abs=1e-12)


def test_default_eps_is_that_of_bert():
    x, weight, bias, grad = draw()
    x *= 1e-6  # so near to each other that 1e-12 matters
    y = layer_norm(x, weight, bias)
    np.testing.assert_array_equal(y, layer_norm(x, weight, bias, eps=1e-12))
    assert np.abs(y - layer_norm(x, weight, bias, eps=0)).max() > 0.01
    for mine, expected in zip(
        layer_norm_backward(grad, x, weight),
        layer_norm_backward(grad, x, weight, eps=1e-12),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("eps", [1e-12, 1e-5])
@pytest.mark.parametrize("width", [1, 7, 768])
@pytest.mark.parametrize("constant", [0, 0.1, -3, 1000.1, 60000])
def test_a_constant_row_is_the_bias_as_in_torch(constant, width, eps, dtype):
    _, weight, bias, grad = draw(width=width, dtype=dtype)
    x = np.full((5, width), constant, dtype)
    with np.errstate(all="raise"):
        y = layer_norm(x, weight, bias, eps=eps)
    np.testing.assert_array_equal(y, np.broadcast_to(bias, x.shape))
    _, grad_weight, _ = layer_norm_backward(grad[0], x, weight, eps=eps)
    np.testing.assert_array_equal(grad_weight, np.zeros(width))


@properties
@given(st.floats(-(2.0**99), 2.0**99, width=32), st.integers(1, 1000))
def test_any_constant_row_is_the_bias(constant, width):
    x = np.full((1, width), constant, np.float32)
    bias = np.arange(width, dtype=np.float32)
    y = layer_norm(x, np.ones_like(bias), bias)
    np.testing.assert_array_equal(y, bias[None])


def test_a_constant_row_without_eps_is_nan_as_in_torch():
    x, weight, bias, _ = draw((5,))
    x[3] = 2
    with np.errstate(all="raise"):
        y = layer_norm(x, weight, bias, eps=0)
    expected = by_torch(x, weight, bias, 0)
    assert np.isnan(y).all(axis=1).tolist() == [False, False, False, True, False]
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))


@pytest.mark.parametrize("poison", [NAN, INF, -INF])
def test_nan_and_infinity_stay_in_their_row(poison):
    x, weight, bias, grad = draw((5,))
    clean = layer_norm(x, weight, bias)
    clean_grad = layer_norm_backward(grad, x, weight)[0]
    x[3, 2] = poison
    others = [0, 1, 2, 4]
    with np.errstate(all="raise"):
        y = layer_norm(x, weight, bias)
        grad_x = layer_norm_backward(grad, x, weight)[0]
    assert np.isnan(y[3]).any()
    assert np.isnan(grad_x[3]).any()
    np.testing.assert_array_equal(y[others], clean[others])
    np.testing.assert_array_equal(grad_x[others], clean_grad[others])


@properties
@given(seeds, st.floats(-100, 100), st.floats(0.1, 100))
def test_shifting_and_stretching_a_row_changes_nothing(seed, shift, stretch):
    x, weight, bias, _ = draw(seed=seed)
    y = layer_norm(x * stretch + shift, weight, bias, eps=0)
    # The sum is rounded by up to 1e-14 at 100, and divided by 0.1 times a deviation.
    expected = layer_norm(x, weight, bias, eps=0)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-10, equal_nan=False)


# --- backward ------------------------------------------------------------------------


@pytest.mark.parametrize("lead", [*LEADS, (0,), (3, 0)], ids=str)
@pytest.mark.parametrize("eps", [0, 1e-12, 0.5])
def test_backward_equals_torch_and_differences(
    lead, eps, torch_grads, central_differences
):
    x, weight, bias, grad = draw(lead)
    got = layer_norm_backward(grad, x, weight, eps=eps)

    def forward(*arrays):
        return layer_norm(*arrays, eps=eps)

    def torch_forward(*tensors):
        return torch_layer_norm(*tensors, eps)

    for oracle, tolerance in [
        (torch_grads(torch_forward, grad, x, weight, bias), CLOSE),
        (central_differences(forward, grad, x, weight, bias), NEAR),
    ]:
        for mine, expected in zip(got, oracle, strict=True):
            assert mine.shape == expected.shape
            np.testing.assert_allclose(mine, expected, **tolerance)


@properties
@given(seeds, st.integers(2, 40), st.floats(1e-6, 1e2))
def test_backward_equals_torch_for_any_width(torch_grads, seed, width, eps):
    x, weight, bias, grad = draw(width=width, seed=seed)

    def torch_forward(*tensors):
        return torch_layer_norm(*tensors, eps)

    got = layer_norm_backward(grad, x, weight, eps=eps)
    expected = torch_grads(torch_forward, grad, x, weight, bias)
    for mine, theirs in zip(got, expected, strict=True):
        # Two numbers may lie so close that the gradient is some 1000 times as large.
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-10, equal_nan=False)


@properties
@given(seeds, st.integers(2, 40))
def test_gradients_of_a_row_sum_to_0_and_do_not_stretch_it(seed, width):
    noise, weight, _, grad = draw(width=width, seed=seed)
    x = np.arange(width) + 0.01 * noise  # no row nearly constant: its slope is steep
    grad_x = layer_norm_backward(grad, x, weight, eps=0)[0]
    np.testing.assert_allclose(grad_x.sum(axis=-1), 0, **CLOSE)
    stretched = (grad_x * (x - x.mean(axis=-1, keepdims=True))).sum(axis=-1)
    np.testing.assert_allclose(stretched, 0, **CLOSE)


# --- shapes, strides, dtypes ---------------------------------------------------------

VIEWS = {
    "column-major": np.asfortranarray,
    "negative strides": lambda array: np.flip(np.array(np.flip(array))),
    "every other": lambda array: np.repeat(array, 2, axis=-1)[..., ::2],
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_stride_changes_a_bit_and_the_inputs_stay(view, dtype):
    plain = draw((37, 41), 43, dtype)
    views = [view(array) for array in plain]
    before = [array.tobytes() for array in plain]
    for array in views:
        array.flags.writeable = False
    got, expected = (
        [layer_norm(x, weight, bias), *layer_norm_backward(grad, x, weight)]
        for x, weight, bias, grad in (views, plain)
    )
    assert [array.tobytes() for array in [*plain, *views]] == before * 2
    for mine, wanted in zip(got, expected, strict=True):
        assert mine.dtype == dtype
        assert mine.tobytes() == wanted.tobytes()
        assert not any(np.shares_memory(mine, array) for array in views)


def test_float16_is_computed_in_float32():
    half = draw((37,), 41, np.float16)
    half[0] *= 100  # the squares are beyond 65504, the largest float16
    single = [array.astype(np.float32) for array in half]
    got, expected = (
        [layer_norm(x, weight, bias), *layer_norm_backward(grad, x, weight)]
        for x, weight, bias, grad in (half, single)
    )
    for mine, wide in zip(got, expected, strict=True):
        assert mine.dtype == np.float16
        assert np.isfinite(mine).all()
        np.testing.assert_array_equal(mine, wide.astype(np.float16))


def test_many_rows_equal_small_pieces():
    x, weight, bias, _ = draw((1009,), 71, np.float32)
    pieces = [
        layer_norm(x[start : start + 97], weight, bias) for start in range(0, 1009, 97)
    ]
    np.testing.assert_array_equal(layer_norm(x, weight, bias), np.concatenate(pieces))
