"""The answers of lesson 11's questions are what its arrays really do."""

import math

import numpy as np
import pytest

from course_lib.attention import scaled_dot_product_attention, softmax
from course_lib.exercises.questions import asking, predictions, questions

asking.load_lesson("11")
ANSWERS = {id: made.answer for id, made in predictions.PREDICTIONS.items()}
QUIZ = {made.id: made for made in questions.QUIZZES["11"].values()}


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_the_shape_of_the_scores(rng):
    query, key = rng.normal(size=(15, 32)), rng.normal(size=(7, 32))
    assert (query @ key.T).shape == ANSWERS["11.p1"]


def test_a_power_that_overflows():
    with np.errstate(over="ignore", invalid="ignore"):
        power = np.exp(1000.0)
        assert f"{power}, then {power / power}" == ANSWERS["11.p2"]
    with pytest.raises(OverflowError):
        math.exp(1000)
    assert 1000 * math.log10(math.e) == pytest.approx(434 + math.log10(2), abs=0.01)
    assert f"{np.finfo(float).max:.1e}" == "1.8e+308"


def test_the_spread_of_scores(rng):
    drawn = (rng.normal(size=(20_000, 64)) * rng.normal(size=(20_000, 64))).sum(axis=1)
    assert drawn.std() == pytest.approx(ANSWERS["11.p3"], rel=0.03)


def test_seven_scores_times_eight(rng):
    widths = np.arange(2, 17, 2) ** 2  # the lesson draws these before
    for width in widths:
        rng.normal(size=(2 * 20_000, width))
    seven = rng.normal(size=7)
    assert softmax(seven).max() == pytest.approx(0.45, abs=0.005)
    assert softmax(8 * seven).max() == pytest.approx(ANSWERS["11.p4"], abs=0.001)
    assert f"{softmax(8 * seven).max():.5f}" == "0.99997"


def test_hidden_before_and_after_the_softmax(rng):
    query, key, value = rng.normal(size=(3, 15, 32))
    may_attend = np.ones((15, 15), dtype=bool)
    may_attend[9, 6] = False
    _, weights = scaled_dot_product_attention(
        query, key, value, may_attend, return_weights=True
    )
    assert weights[9].sum() == pytest.approx(ANSWERS["11.p5"])


def test_a_token_that_may_look_at_nothing(rng):
    query, key, value = rng.normal(size=(3, 5, 32))
    nobody = np.zeros((5, 5), dtype=bool)
    assert ANSWERS["11.p6"] == "zeros"
    assert not scaled_dot_product_attention(query, key, value, nobody).any()
    large_negative = scaled_dot_product_attention(
        query, key, value, np.full((5, 5), np.finfo(float).min)
    )
    assert np.allclose(large_negative, value.mean(axis=0))  # what is said to that guess


def test_the_first_row_of_the_causal_mask(rng):
    query, key, value = 1000 * rng.normal(size=(3, 15, 32))
    _, causal = scaled_dot_product_attention(
        query, key, value, is_causal=True, return_weights=True
    )
    assert ANSWERS["11.p7"].startswith("1,")
    assert causal[0, 0] == 1


def test_the_quiz_about_shapes():
    ones = np.ones
    output, weights = scaled_dot_product_attention(
        ones((5, 32)), ones((7, 32)), ones((7, 48)), return_weights=True
    )
    assert f"{weights.shape} and {output.shape}" == QUIZ["11.q3"].right[0]


def test_the_quiz_about_the_forgotten_root(rng):
    scores = rng.normal(size=(5, 7))
    with_root, without = softmax(scores), softmax(8 * scores)
    assert (without.max(axis=1) > with_root.max(axis=1)).all()
    assert np.allclose(without.sum(axis=1), 1)
    assert QUIZ["11.q1"].right[0].startswith("it gets sharper")


def test_the_quiz_about_the_largest_score(rng):
    scores = rng.normal(size=7)
    assert np.allclose(softmax(scores - scores.max()), softmax(scores))
    assert (scores - scores.max() < 0).sum() == 6
