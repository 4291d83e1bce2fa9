"""The softmax, against SciPy, PyTorch and a loop, and at its edges."""

import math
import warnings

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from course_lib.attention import softmax

SHAPE = (2, 3, 5)  # different primes: a sum over the wrong axis has another shape
INF = np.inf
# A few roundings of float64 (2e-16) or float32 (6e-8) for numbers of at most 1.
ROUNDING = {np.float64: 1e-15, np.float32: 3e-7}

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
