"""Each known bug is what its sentence says, and no two of them are the same."""

import itertools

import numpy as np
import pytest
import torch
from scipy.special import erf
from scipy.special import softmax as softmax_of_scipy

from course_lib.attention import NumpyBert
from course_lib.attention.bert_weights import BertConfig, shapes
from course_lib.attention.numpy_bert import Pieces
from course_lib.attention.suspects import SUSPECTS

# Different primes: 2 texts of 5 tokens, 3 heads of 7, and an inner size of 13.
TEXTS, TOKENS, HEADS, SIZE, INNER = 2, 5, 3, 7, 13
HIDDEN = HEADS * SIZE
CLOSE = {"rtol": 0, "atol": 1e-5, "equal_nan": False}  # sums of 21 numbers near 1
LOWEST = np.finfo(np.float32).min


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def suspect(cause):
    [function] = SUSPECTS[cause].values()
    return function


def test_each_spoils_one_piece_and_names_it():
    for cause, pieces in SUSPECTS.items():
        [(name, function)] = pieces.items()
        assert name in Pieces.__dataclass_fields__
        assert callable(function)
        assert function is not getattr(Pieces(), name)
        assert cause == cause.strip()
        assert not cause.endswith(".")  # it stands inside a sentence
    assert {name for pieces in SUSPECTS.values() for name in pieces} == set(
        Pieces.__dataclass_fields__
    )


# --- each is what its sentence says -----------------------------------------------

QUERY, KEY, VALUE = (draw(TEXTS, HEADS, TOKENS, SIZE, seed=seed) for seed in (1, 2, 3))
IS_TOKEN = np.arange(TOKENS) < np.array([[5], [3]])
MASK = np.where(IS_TOKEN, np.float32(0), LOWEST)[:, None, None]


def attend(scores, axis=-1, value=VALUE):
    weights = softmax_of_scipy(scores.astype(np.float64), axis=axis)
    return weights @ value, weights


SCORES = QUERY @ KEY.swapaxes(-1, -2)
ROOT = np.sqrt(SIZE)
ATTENTIONS = {
    "the scores are not divided by √d_k": attend(SCORES + MASK),
    "the scores are divided by d_k, not by its root": attend(SCORES / SIZE + MASK),
    "the scores are divided by the root of the whole width, not of a head's": attend(
        SCORES / np.sqrt(HIDDEN) + MASK
    ),
    "softmax runs over the queries, not over the keys": attend(
        SCORES / ROOT + np.maximum(MASK, -1e30), axis=-2
    ),
    "queries and keys have changed places": attend(
        SCORES.swapaxes(-1, -2) / ROOT + MASK
    ),
    "the mask is ignored, so padding is attended to": attend(SCORES / ROOT),
    "the mask means the opposite, so only padding is attended to": attend(
        # The first text has no padding: all its scores are equally far down.
        np.where(IS_TOKEN & ~IS_TOKEN.all(1, keepdims=True), -np.inf, 0)[:, None, None]
        + np.where(IS_TOKEN.all(1)[:, None, None, None], 0, SCORES / ROOT)
    ),
}


@pytest.mark.parametrize("cause", ATTENTIONS)
def test_attention_is_spoilt_as_its_sentence_says(cause):
    output, weights = suspect(cause)(QUERY, KEY, VALUE, MASK, return_weights=True)
    expected = ATTENTIONS[cause]
    if cause.startswith("softmax runs over"):
        # Added to the lowest number, the scores of padding are lost: all are equal.
        expected = expected[1].copy()
        expected[np.broadcast_to(~IS_TOKEN[:, None, None], expected.shape)] = 1 / TOKENS
        expected = expected @ VALUE, expected
        np.testing.assert_allclose(weights.sum(axis=-2), 1, **CLOSE)
    np.testing.assert_allclose(weights, expected[1], **CLOSE)
    np.testing.assert_allclose(output, expected[0], **CLOSE)
    suspect(cause)(QUERY, KEY, VALUE, None, return_weights=True)  # no padding at all


X = draw(TEXTS, TOKENS, HIDDEN, seed=4)
GAMMA, BETA = draw(HIDDEN, seed=5), draw(HIDDEN, seed=6)
SQUARE, TALL, BIAS = draw(HIDDEN, HIDDEN), draw(INNER, HIDDEN), draw(HIDDEN, seed=7)
WORD, POSITION, SEGMENT = (draw(n, HIDDEN, seed=n) for n in (17, 11, 2))
IDS, SEGMENTS = np.arange(10).reshape(2, 5), np.arange(10).reshape(2, 5) % 2
TABLES = IDS, SEGMENTS, WORD, POSITION, SEGMENT
HEADS_OF = draw(TEXTS, HEADS, TOKENS, SIZE)


def normed(x, ddof=0, eps=0.0):
    x = x.astype(np.float64)
    spread = np.sqrt(x.var(axis=-1, ddof=ddof, keepdims=True) + eps)
    return GAMMA * (x - x.mean(axis=-1, keepdims=True)) / spread + BETA


def heads_by_loop(source):
    """Head h of token t of text b holds the numbers `source(b, h, t)`."""
    rows = [
        [[source(b, h, t) for t in range(TOKENS)] for h in range(HEADS)]
        for b in range(TEXTS)
    ]
    return np.array(rows)


CASES = {  # cause → arguments, what must come out
    "the segment embeddings are missing": (TABLES, WORD[IDS] + POSITION[:5]),
    "all tokens are in segment 0": (TABLES, WORD[IDS] + POSITION[:5] + SEGMENT[0]),
    "the position embeddings are missing": (TABLES, WORD[IDS] + SEGMENT[SEGMENTS]),
    "positions are counted from 1": (
        TABLES,
        WORD[IDS] + POSITION[1:6] + SEGMENT[SEGMENTS],
    ),
    "the heads are split by a reshape alone, which mixes tokens": (
        (X, HEADS),
        heads_by_loop(lambda b, h, t: X[b].ravel()[(h * TOKENS + t) * SIZE :][:SIZE]),
    ),
    "a head takes columns far apart, not neighbouring ones": (
        (X, HEADS),
        heads_by_loop(lambda b, h, t: X[b, t, h::HEADS]),
    ),
    "the heads are merged by a reshape alone, which mixes tokens": (
        (HEADS_OF,),
        np.array([text.ravel().reshape(TOKENS, HIDDEN) for text in HEADS_OF]),
    ),
    "the heads are merged in the wrong order": (
        (HEADS_OF,),
        np.concatenate([HEADS_OF[:, h] for h in (2, 1, 0)], axis=-1),
    ),
    "x W in the place of x Wᵀ": ((X, SQUARE, BIAS), X @ SQUARE + BIAS),
    "the biases are missing": ((X, SQUARE, BIAS), X @ SQUARE.T),
    "the residual is missing: what came in must be added": ((X, 2 * X), 2 * X),
    "LayerNorm divides the variance by n - 1, not by n": (
        (X, GAMMA, BETA, 1e-12),
        normed(X, ddof=1),
    ),
    "LayerNorm's epsilon is not the model's": (
        (X / 100, GAMMA, BETA, 1e-12),
        normed(X / 100, eps=1e-5),
    ),
    "GELU is approximated with tanh, not exact with erf": (
        (X,),
        torch.nn.functional.gelu(torch.from_numpy(X), approximate="tanh").numpy(),
    ),
    "ReLU in the place of GELU": ((X,), np.where(X > 0, X, 0)),
}


def test_the_tables_hold_all_of_them():
    assert {*CASES, *ATTENTIONS} == set(SUSPECTS)


@pytest.mark.parametrize("cause", CASES)
def test_a_piece_is_spoilt_as_its_sentence_says(cause):
    arguments, expected = CASES[cause]
    before = [np.array(argument) for argument in arguments]
    output = suspect(cause)(*arguments)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, expected, **CLOSE)
    for argument, old in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(argument, old)
    # And it is not what the right piece gives.
    [name] = SUSPECTS[cause]
    right = getattr(Pieces(), name)(*arguments)
    assert np.abs(output - right).max() > 1e-4


def test_only_a_square_matrix_can_be_taken_the_wrong_way_round():
    output = suspect("x W in the place of x Wᵀ")(X, TALL, TALL[:, 0])
    np.testing.assert_allclose(output, X @ TALL.T + TALL[:, 0], **CLOSE)


def test_gelu_with_tanh_is_close_and_yet_another_function():
    x = np.linspace(-5, 5, 1001, dtype=np.float32)
    output = suspect("GELU is approximated with tanh, not exact with erf")(x)
    difference = np.abs(output - x / 2 * (1 + erf(x / np.sqrt(2))))
    assert 4e-4 < difference.max() < 5e-4


# --- no two are the same ----------------------------------------------------------


def test_no_two_give_the_same_numbers():
    config = BertConfig(17, HIDDEN, 2, HEADS, INNER, 11, 2, 1e-3, "gelu")
    rng = np.random.default_rng(3)
    weights = {
        name: rng.normal(len(shape) == 1, 0.3, shape).astype(np.float32)
        for name, shape in shapes(config).items()
    }
    bert = NumpyBert(config, weights)
    bugs = [{}, *SUSPECTS.values()]
    outputs = [
        bert.with_pieces(**bug)(IDS, IS_TOKEN, SEGMENTS).last_hidden_state[IS_TOKEN]
        for bug in bugs
    ]
    for one, two in itertools.combinations(outputs, 2):
        # The closest are exact GELU and the one with tanh; rounding leaves 1e-6.
        assert np.abs(one - two).max() > 2e-5 * np.abs(one).max()
