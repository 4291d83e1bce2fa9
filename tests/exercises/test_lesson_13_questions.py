"""The answers of lesson 13's questions are what its arrays really do."""

import math

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from course_lib.attention import (
    gelu,
    gelu_backward,
    layer_norm,
    layer_norm_backward,
    linear,
    linear_backward,
    scaled_dot_product_attention,
    scaled_dot_product_attention_backward,
    softmax,
    softmax_backward,
)
from course_lib.attention.numpy_bert import NumpyBert
from course_lib.datasets import load_reviews
from course_lib.exercises.lesson_13 import grad_of_query_and_key
from course_lib.exercises.questions import asking, predictions, questions
from course_lib.weights import minilm_folder

asking.load_lesson("13")
ANSWERS = {id: made.answer for id, made in predictions.PREDICTIONS.items()}
WRONG = {id: made.wrong for id, made in predictions.PREDICTIONS.items()}
QUIZ = {made.id: made for made in questions.QUIZZES["13"].values()}
SEVEN = np.array([1.74, 0.06, 0.24, -0.11, 0.05, 0.20, 0.32])


@pytest.fixture
def rng():
    return np.random.default_rng(13)


@pytest.fixture(scope="module")
def head():
    """Tokens, query, key and value of layer 3, head 1, for the lesson's sentence."""
    bert = NumpyBert.from_pretrained("minilm")
    tokenizer = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    tokenizer.no_padding()
    reviews = load_reviews("movies")
    text = next(r.text for r in reviews if r.text.startswith("Maryam is a small film"))
    encoded = tokenizer.encode(text)
    hidden = bert(np.array([encoded.ids])).hidden_states[3][0].astype(np.float64)

    def project(part):
        name = f"encoder.layer.3.attention.self.{part}"
        weight, bias = (
            bert.weights[f"{name}.{kind}"][32:64].astype(np.float64)
            for kind in ("weight", "bias")
        )
        return linear(hidden, weight, bias)

    return encoded.tokens, *(project(part) for part in ("query", "key", "value"))


def slopes(f, x, step=1e-5):
    nudges = step * np.eye(x.size).reshape(-1, *x.shape)
    rises = [f(x + nudge) - f(x - nudge) for nudge in nudges]
    return np.reshape(rises, x.shape) / (2 * step)


def total_slope(scores):
    shares = softmax(scores)
    return np.abs(np.diag(shares) - np.outer(shares, shares)).sum()


# --- predictions ----------------------------------------------------------------------


def test_the_best_step():
    steps = [float(choice) for choice in (ANSWERS["13.p1"], *WRONG["13.p1"])]
    errors = {
        step: abs((math.exp(1 + step) - math.exp(1 - step)) / (2 * step) - math.e)
        for step in steps
    }
    assert min(errors, key=errors.get) == float(ANSWERS["13.p1"])
    assert errors[0.1] == pytest.approx(0.005, abs=0.001)  # what is said to the others
    assert errors[1e-15] > 0.02 * math.e


def test_the_number_of_runs(head):
    _, *arrays = head
    runs = 0

    def count(_):
        nonlocal runs
        runs += 1
        return 0.0

    for array in arrays:
        slopes(count, array)
    assert runs == ANSWERS["13.p2"]


def test_the_model_has_as_many_numbers_as_the_lesson_says():
    weights = load_file(minilm_folder() / "model.safetensors")
    count = sum(w.size for w in weights.values() if w.dtype.kind == "f")
    assert f"{count / 1e6:.1f}" == "22.7"
    assert 2 * count == pytest.approx(45e6, rel=0.02)


def test_two_paths():
    slope = slopes(lambda x: float(3 * x * x**2), np.array(2.0))
    assert slope == pytest.approx(ANSWERS["13.p3"])
    a, b = 3 * 2, 2**2
    assert (3 * b, 4 * a) == (12, 24)
    assert a * b == 24  # by chance, as is said


def test_the_shape_of_the_gradient_of_the_weights():
    ones = np.ones
    grads = linear_backward(ones((15, 32)), ones((15, 384)), ones((32, 384)))
    assert grads[1].shape == ANSWERS["13.p4"]


def test_shares_that_move_add_up_to_nothing():
    three = np.array([2.0, 1.0, -1.0])
    moved = softmax(three + np.array([0.001, 0, 0])) - softmax(three)
    assert moved.sum() == pytest.approx(ANSWERS["13.p5"], abs=1e-15)
    assert moved[0] == pytest.approx(0.000208, abs=1e-6)  # what is said to that guess


def test_the_slopes_of_seven_scores_times_eight():
    assert softmax(SEVEN).max() == pytest.approx(0.45, abs=0.005)  # lesson 11's
    assert f"{softmax(8 * SEVEN).max():.5f}" == "0.99997"
    assert ANSWERS["13.p6"] == "more than 10,000 times smaller"
    assert total_slope(SEVEN) > 10_000 * total_slope(8 * SEVEN)


def test_whose_value_has_the_largest_say(head):
    tokens, query, key, value = head
    grads = scaled_dot_product_attention_backward(
        np.ones_like(value), query, key, value
    )
    say = dict(zip(tokens, grads[2][:, 0], strict=True))
    assert max(say, key=say.get) == ANSWERS["13.p7"]
    assert say["[CLS]"] == pytest.approx(5.6, abs=0.05)  # as is said
    assert say["film"] == pytest.approx(2.8, abs=0.05)
    assert say["it"] < 0.2


def test_the_first_query_under_the_causal_mask(head, rng):
    _, query, key, value = head
    grads = [
        scaled_dot_product_attention_backward(
            rng.normal(size=value.shape), query, key, value, is_causal=is_causal
        )
        for is_causal in (True, False)
    ]
    assert ANSWERS["13.p8"] == "exactly 0"
    assert not grads[0][0][0].any()
    assert grads[1][0][0].any()  # so without the mask it is not the same
    assert np.abs(grads[0][2][0]).sum() > np.abs(grads[1][2][0]).sum()  # the value's


def test_how_steep_gelu_gets():
    x = np.linspace(-6, 6, 1201)
    slope = gelu_backward(np.ones_like(x), x)
    assert np.allclose(slope, slopes(lambda x: gelu(x).sum(), x), atol=1e-6)
    assert ANSWERS["13.p9"] == f"yes, by about {100 * (slope.max() - 1):.0f} %"
    assert x[slope.argmax()] == pytest.approx(math.sqrt(2), abs=0.01)
    assert (slope[x < -0.77] <= 0).all()
    assert (slope[x > -0.74] > 0).all()  # the lesson says: left of −0.75


def test_a_row_ten_times_as_large(rng):
    row, grad, weight = rng.normal(size=(3, 384))
    once, ten = (layer_norm_backward(grad, k * row, weight)[0] for k in (1.0, 10.0))
    assert ANSWERS["13.p10"] == "10 times smaller"
    assert np.allclose(once, 10 * ten)
    bias = np.zeros(384)
    same = layer_norm(10 * row + 5, weight, bias)
    assert np.allclose(layer_norm(row, weight, bias), same)


def climbed(head, push, steps):
    """The share of `rewards` after steps along the gradient that `push` asks for."""
    tokens, query, key, value = head
    it, rewards = tokens.index("it"), tokens.index("rewards")
    for _ in range(steps):
        _, weights = scaled_dot_product_attention(
            query, key, value, return_weights=True
        )
        grad_weights = np.zeros_like(weights)
        grad_weights[it, rewards] = push(weights[it, rewards])
        query = query + softmax_backward(grad_weights, weights) @ key / math.sqrt(32)
    _, weights = scaled_dot_product_attention(query, key, value, return_weights=True)
    return weights[it, rewards]


def test_ten_steps_for_a_share_that_is_nearly_nothing(head):
    before = climbed(head, lambda share: 1.0, steps=0)
    assert f"{before:.4f}" == "0.0004"
    assert ANSWERS["13.p11"] == "hardly changed"
    assert before < climbed(head, lambda share: 1.0, steps=10) < 1.1 * before
    assert climbed(head, lambda share: 1 / share, steps=10) > 0.7


# --- the quiz -------------------------------------------------------------------------


def test_the_quiz_about_a_forgotten_root(rng):
    grad, query, key, value = (rng.normal(size=(7, 5)) for _ in range(4))
    wrong = grad_of_query_and_key.misconceptions["without_the_root"].function
    grad_query, grad_key = wrong(grad, query, key, value)
    assert (grad_query.shape, grad_key.shape) == (query.shape, key.shape)

    def loss(query):
        return -(grad * scaled_dot_product_attention(query, key, value)).sum()

    assert loss(query + 1e-3 * grad_query) < loss(query)  # training would go on
    nudged = slopes(lambda q: -loss(q), query)
    assert not np.allclose(grad_query, nudged)
    assert np.allclose(grad_query / math.sqrt(5), nudged)
    assert QUIZ["13.q1"].right[0].startswith("comparing it with central differences")
    shares = softmax(query @ key.T)
    rows = softmax_backward(grad @ value.T, shares).sum(axis=1)
    assert np.allclose(3 * rows, 0)  # with any factor in front


def test_the_quiz_about_shared_weights(rng):
    x, weight, grad = rng.normal(size=(3, 5, 5))
    nudged = slopes(lambda w: (grad * linear(linear(x, w), w)).sum(), weight)
    grad_inner, last, _ = linear_backward(grad, linear(x, weight), weight)
    _, first, _ = linear_backward(grad_inner, x, weight)
    assert QUIZ["13.q2"].right[0] == "the sum of what both layers send back"
    assert np.allclose(nudged, first + last)


def test_the_quiz_about_a_sure_row(rng):
    shares = np.array([0.999, 0.0005, 0.0005])
    table = softmax_backward(np.eye(3), np.tile(shares, (3, 1)))
    assert QUIZ["13.q3"].right[0].startswith("next to nothing")
    assert np.abs(table).max() == pytest.approx(0.999 * 0.001)


def test_the_quiz_about_a_loss_times_two(rng):
    x = rng.normal(size=(5, 5))
    grad = rng.normal(size=(5, 5))

    def all_the_way_back(grad):
        inputs = [x]
        for _ in range(10):
            inputs.append(scaled_dot_product_attention(*[inputs[-1]] * 3))
        for layer_input in reversed(inputs[:-1]):
            grad = sum(scaled_dot_product_attention_backward(grad, *[layer_input] * 3))
        return grad

    assert QUIZ["13.q4"].right[0] == "it doubles"
    assert np.allclose(all_the_way_back(2 * grad), 2 * all_the_way_back(grad))
