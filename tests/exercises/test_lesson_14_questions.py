"""The answers of lesson 14's questions are what its arrays really do."""

import tracemalloc
from functools import reduce

import numpy as np
import pytest

from course_lib.attention import (
    scaled_dot_product_attention,
    softmax,
    streaming_attention,
)
from course_lib.exercises.lesson_14 import in_blocks, merged, part
from course_lib.exercises.questions import asking, predictions, questions

asking.load_lesson("14")
ASKED = predictions.PREDICTIONS
ANSWERS = {id: made.answer for id, made in ASKED.items()}
QUIZ = {made.id: made for made in questions.QUIZZES["14"].values()}

# The scores of `it` in the lesson, to two digits; `film` is the seventh.
UP_TO_FILM = 1.62, 3.2, 4.45, 1.1, -0.29, -0.32, 5.15
SCORES = np.array([*UP_TO_FILM, -1.8, -1.8, 0.98, 0.06, -3.33, -2.08, 0.75, 1.26])
FILM = 6


@pytest.fixture
def rng():
    return np.random.default_rng(14)


def output_of(parts):
    _, total, mixed = reduce(merged, parts)
    return mixed / total


def test_the_size_of_the_scores():
    pairs = 16_384**2
    assert 12 * pairs * 4 / 1e9 == pytest.approx(ANSWERS["14.p1"], abs=0.05)
    told = set(ASKED["14.p1"].wrong)
    sizes = [pairs * 4, 12 * pairs, 12 * pairs * 8, 12 * 16_384 * 4]
    for size, said in zip(sizes, (1.07, 3.22, 25.8, 0.0008), strict=True):
        assert size / 1e9 == pytest.approx(said, rel=0.02)
        assert said in told


def test_a_sum_that_counts_from_a_new_largest_score():
    old = np.log(1.5) + 2 - 5  # one old score with that power stands for all
    assert np.exp(old) + 1 == pytest.approx(ANSWERS["14.p2"], abs=0.01)
    assert 1.5 + 1 in ASKED["14.p2"].wrong
    assert 1.5 * np.exp(3) + 1 == pytest.approx(31.1, abs=0.05)
    assert 1.5 * np.exp(-3) == pytest.approx(0.075, abs=0.001)


def test_shares_whose_sum_was_never_rescaled():
    powers = np.exp(SCORES - np.maximum.accumulate(SCORES))
    assert powers.max() == 1  # what is said to "infinity"
    shares = np.exp(SCORES - SCORES.max()) / powers.sum()
    assert ANSWERS["14.p3"] == "less than 1"
    assert shares.sum() == pytest.approx(0.43, abs=0.01)


def test_the_output_comes_near_with_the_favourite(rng):
    shares = softmax(SCORES)
    assert shares.argmax() == FILM
    assert shares[FILM] == pytest.approx(0.57, abs=0.005)
    assert shares[9] == pytest.approx(0.01, abs=0.005)  # `it` itself
    value = rng.normal(size=(15, 32))
    running = [softmax(SCORES[: j + 1]) @ value[: j + 1] for j in range(15)]
    distance = np.linalg.norm(running - running[-1], axis=1)
    assert ANSWERS["14.p4"] == "`film`"
    assert distance[FILM:].max() < 0.2 * distance[:FILM].min()

    first_alone, first_two = (
        0,
        shares[1] / shares[:2].sum(),
    )  # if value 1 is 1, others 0
    assert abs(first_two - shares[1]) > abs(first_alone - shares[1])  # further away


def test_parts_in_any_order_and_with_any_brackets(rng):
    query, key, value = rng.normal(size=(3, 15, 7), scale=3)
    parts = [part(query, key[[j]], value[[j]]) for j in range(15)]
    wanted = scaled_dot_product_attention(query, key, value)
    assert ANSWERS["14.p5"] == "the same, to rounding"
    assert QUIZ["14.q3"].right[0] == "two parts can be merged, whatever came first"
    for _ in range(100):
        shuffled = [parts[j] for j in rng.permutation(15)]
        halves = [reduce(merged, shuffled[:6]), reduce(merged, shuffled[6:])]
        for these in (shuffled, halves):
            assert np.abs(output_of(these) - wanted).max() < 1e-12


def test_what_grows_with_the_text(rng):
    def beyond_the_output(n):
        arrays = rng.normal(size=(3, n, 16))
        tracemalloc.start()
        output = in_place(*arrays, 64)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak - output.nbytes

    def in_place(query, key, value, size):
        output = np.empty_like(query)
        for top in range(0, len(query), size):
            rows = query[top : top + size]
            output[top : top + size] = in_blocks(rows, key, value, size)
        return output

    assert ANSWERS["14.p6"] == "only the output, twice"
    held = [beyond_the_output(n) for n in (1024, 2048)]
    assert held[1] / held[0] == pytest.approx(1, abs=0.05)


def test_infinity_minus_infinity():
    with np.errstate(invalid="ignore"):
        difference = -np.inf - np.float64(-np.inf)
        power = np.exp(difference)
    assert ANSWERS["14.p7"] == "NaN"
    assert np.isnan([difference, power, 0 * power]).all()
    assert ANSWERS["14.p7"] in QUIZ["14.q4"].right[0]


def test_blocks_that_hold_something_allowed():
    blocks = np.tri(64).reshape(8, 8, 8, 8).any(axis=(1, 3))
    assert blocks.sum() == ANSWERS["14.p8"] == 8 * 9 / 2
    assert np.trace(blocks) == 8
    assert blocks.sum() - np.trace(blocks) == 28


def test_the_quiz_about_a_block_without_a_new_largest(rng):
    query, key, value = rng.normal(size=(3, 5, 7))
    state = part(query, key, value)
    lower = state[0] - 1, np.ones((5, 1)), np.zeros((5, 7))
    largest, total, mixed = merged(state, lower)
    assert (largest == state[0]).all()
    assert (mixed == state[2]).all()
    assert np.allclose(total, state[1] + np.exp(-1))
    assert QUIZ["14.q1"].right[0] == "they stay as they are"


def test_the_quiz_about_what_is_saved(rng):
    query, key, value = rng.normal(size=(3, 300, 7)).astype(np.float32)
    wanted = scaled_dot_product_attention(query, key, value)
    assert np.allclose(streaming_attention(query, key, value), wanted, atol=1e-5)
    sizes = [min(64, 300 - start) for start in range(0, 300, 64)]
    assert sum(a * b for a in sizes for b in sizes) == 300 * 300
    assert QUIZ["14.q2"].right[0] == "memory for the scores"


def test_the_quiz_about_padding_on_the_left(rng):
    query, key, value = rng.normal(size=(3, 9, 7))
    scores = query @ key.T / np.sqrt(7)
    scores[:, :4] = -np.inf
    with np.errstate(invalid="ignore"):
        parts = []
        for start in (0, 4):
            columns = slice(start, start + 4) if start == 0 else slice(4, 9)
            largest = scores[:, columns].max(axis=1, keepdims=True)
            powers = np.exp(scores[:, columns] - largest)
            total = powers.sum(axis=1, keepdims=True)
            parts.append((largest, total, powers @ value[columns]))
        assert np.isnan(output_of(parts)).all()
    seen = np.arange(9) >= 4
    mask = np.broadcast_to(seen, (9, 9))
    assert np.isfinite(streaming_attention(query, key, value, mask)).all()


def test_the_quiz_about_a_piece_of_the_map(rng):
    query, key, value = rng.normal(size=(3, 9, 7))
    largest, total, _ = part(query, key, value)
    piece = np.exp(query[2:4] @ key[5:8].T / np.sqrt(7) - largest[2:4]) / total[2:4]
    _, weights = scaled_dot_product_attention(query, key, value, return_weights=True)
    assert np.allclose(piece, weights[2:4, 5:8])
    assert QUIZ["14.q5"].right[0].startswith("two numbers for each query")
