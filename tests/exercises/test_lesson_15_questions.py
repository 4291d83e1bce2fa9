"""The answers of lesson 15's questions are what the real model does."""

import numpy as np
import pytest
from tokenizers import Tokenizer

from course_lib.attention import (
    NumpyBert,
    compare_layers,
    gelu,
    layer_norm,
    linear,
    merge_heads,
    scaled_dot_product_attention,
    split_heads,
)
from course_lib.datasets import load_reviews
from course_lib.exercises import all_exercises
from course_lib.exercises.questions import asking, predictions, questions
from course_lib.weights import minilm_folder

pytestmark = pytest.mark.slow  # many tests that draw and compare

asking.load_lesson("15")
ANSWERS = {id: made.answer for id, made in predictions.PREDICTIONS.items()}
WRONG = {id: made.wrong for id, made in predictions.PREDICTIONS.items()}
QUIZ = {made.id: made for made in questions.QUIZZES["15"].values()}
OURS = 30522, 512, 2, 384, 1536, 6, 12


@pytest.fixture(scope="module")
def bert():
    return NumpyBert.from_pretrained("minilm")


@pytest.fixture(scope="module")
def tokenizer():
    made = Tokenizer.from_file(str(minilm_folder() / "tokenizer.json"))
    made.no_padding()
    made.no_truncation()
    return made


@pytest.fixture(scope="module")
def texts():
    return [review.text for review in load_reviews("movies")]


@pytest.fixture(scope="module")
def input_ids(tokenizer, texts):
    found = next(t for t in texts if t.startswith("Maryam is a small film"))
    return np.array([tokenizer.encode(found).ids])


def batch_of(tokenizer, texts):
    lists = [tokenizer.encode(text).ids for text in texts]
    mask = np.zeros((len(lists), max(map(len, lists))), dtype=int)
    batch = np.zeros_like(mask)
    for row, ids in enumerate(lists):
        batch[row, : len(ids)], mask[row, : len(ids)] = ids, 1
    return batch, mask


def direction(state):
    added = state.sum(axis=-2)
    return added / np.linalg.norm(added, axis=-1, keepdims=True)


def vector(model, input_ids):
    return direction(model(input_ids).last_hidden_state)[0]


def moved(model, bert, input_ids):
    return np.linalg.norm(vector(model, input_ids) - vector(bert, input_ids))


def suspect_layer_norm(x, weight, bias, eps):
    mean, deviation = x.mean(-1, keepdims=True), x.std(-1, ddof=1, keepdims=True)
    return weight * (x - mean) / (deviation + eps) + bias


def suspect_gelu(x):
    inside = np.float32((2 / np.pi) ** 0.5) * (x + np.float32(0.044715) * x**3)
    return x * (1 + np.tanh(inside)) / 2


def suspect_merge_heads(x):
    batch, heads, tokens, size = x.shape
    return x.reshape(batch, tokens, heads * size)


def count_parameters(*sizes):
    found = next(made for made in all_exercises() if made.id == "15.1")
    return found.function(*sizes)


def test_the_share_of_the_word_table(bert):
    total = sum(array.size for array in bert.weights.values())
    assert total == count_parameters(*OURS) == 22_713_216
    word = bert.weights["embeddings.word_embeddings.weight"].size
    assert word / total == pytest.approx(ANSWERS["15.p1"], abs=0.005)
    assert round(word / 1e6, 1) == 11.7
    layers = [a.size for name, a in bert.weights.items() if ".layer." in name]
    assert round(sum(layers) / 1e6, 1) == 10.6
    inner = 6 * (2 * 384 * 1536 + 1536 + 384)  # what is said to a guess of 0.31
    assert round(inner / total, 2) == 0.31
    assert 0.31 in WRONG["15.p1"]


def test_a_layer_has_twelve_squares(bert):
    names = [n for n in bert.weights if ".layer.0." in n and n.endswith("weight")]
    matrices = sum(bert.weights[n].size for n in names if bert.weights[n].ndim == 2)
    assert matrices == 12 * 384 * 384


def test_pre_norm_with_post_norms_weights(bert, input_ids):
    def dense(name, x):
        return linear(x, bert.weights[f"{name}.weight"], bert.weights[f"{name}.bias"])

    def norm(name, x):
        weight, bias = (bert.weights[f"{name}.{part}"] for part in ("weight", "bias"))
        return layer_norm(x, weight, bias)

    x = bert(input_ids).hidden_states[0]
    for number in range(6):
        name = f"encoder.layer.{number}"
        inside = norm(f"{name}.attention.output.LayerNorm", x)
        heads = (
            split_heads(dense(f"{name}.attention.self.{part}", inside), 12)
            for part in ("query", "key", "value")
        )
        merged = merge_heads(scaled_dot_product_attention(*heads))
        x = x + dense(f"{name}.attention.output.dense", merged)
        inside = norm(f"{name}.output.LayerNorm", x)
        inner = gelu(dense(f"{name}.intermediate.dense", inside))
        x = x + dense(f"{name}.output.dense", inner)
    cosine = direction(x)[0] @ vector(bert, input_ids)
    assert cosine == pytest.approx(ANSWERS["15.p2"], abs=0.005)
    grown = np.abs(x).max() / np.abs(bert(input_ids).last_hidden_state).max()
    assert 35 < grown < 45  # "forty times their size"


def test_padding_without_its_mask(bert, tokenizer, texts):
    found = next(t for t in texts if t.startswith("Maryam is a small film"))
    batch, mask = batch_of(tokenizer, [found, "Maryam is a film."])
    assert mask.sum(axis=1).tolist() == [15, 8]
    forgotten = bert(batch).last_hidden_state[1, :8]
    alone = bert(batch[1:, :8]).last_hidden_state[0]
    cosine = direction(forgotten) @ direction(alone)
    assert cosine == pytest.approx(ANSWERS["15.p3"], abs=0.01)
    assert 0.53 in WRONG["15.p3"]
    assert round(8 / 15, 2) == 0.53
    assert np.abs(bert.weights["embeddings.word_embeddings.weight"][0]).max() > 0.01


def test_a_missing_constant(bert, input_ids):
    def without_segments(input_ids, token_type_ids, word, position, segment):
        return word[input_ids] + position[: input_ids.shape[1]]

    careless = bert.with_pieces(add_embeddings=without_segments)
    assert vector(careless, input_ids) @ vector(bert, input_ids) < 0.5
    assert ANSWERS["15.p4"].endswith("below 0.5")
    constant = bert.weights["embeddings.token_type_embeddings.weight"][0]
    word = bert.weights["embeddings.word_embeddings.weight"][input_ids[0]]
    length = np.linalg.norm(word, axis=1).mean()
    assert 0.35 < np.linalg.norm(constant) / length < 0.5  # "nearly half as long"


def test_a_bug_that_a_single_sentence_hides(bert, tokenizer, input_ids):
    def one_segment(input_ids, token_type_ids, word, position, segment):
        return word[input_ids] + position[: input_ids.shape[1]] + segment[0]

    mended = bert.with_pieces(add_embeddings=one_segment)
    found = compare_layers(mended(input_ids), bert(input_ids))
    assert f"{found.first_difference}: no difference" == ANSWERS["15.p5"]
    both = tokenizer.encode("Maryam is a small film.", "It offers large rewards.")
    pair, types = np.array([both.ids]), np.array([both.type_ids])
    ours, theirs = (model(pair, token_type_ids=types) for model in (mended, bert))
    assert compare_layers(ours, theirs).first_difference == "embeddings"


def test_the_norm_that_divides_by_one_less(bert, input_ids):
    suspect = bert.with_pieces(layer_norm=suspect_layer_norm)
    far = moved(suspect, bert, input_ids)
    assert ANSWERS["15.p6"] == f"about {100 * far:.1f} % of its length"
    assert np.sqrt(384 / 383) - 1 == pytest.approx(0.01 / 8, rel=0.05)
    of_variance = 384 / 383 - 1
    assert of_variance == pytest.approx(0.01 / 4, rel=0.05)
    norms = [n for n in bert.weights if n.endswith("LayerNorm.weight")]
    assert len(norms) == 13
    assert 1 - np.sqrt(3 / 4) == pytest.approx(0.13, abs=0.005)  # at width 4


def test_the_step_where_wrong_gluing_shows_first(bert, input_ids):
    suspect = bert.with_pieces(merge_heads=suspect_merge_heads)
    found = compare_layers(suspect(input_ids), bert(input_ids))
    assert found.first_difference == ANSWERS["15.p7"]
    names = {name for name, _ in found.steps}
    assert set(WRONG["15.p7"]) < names
    assert moved(suspect, bert, input_ids) > 0.9


def test_who_loses_the_nearest_review(bert, tokenizer, texts):
    short = [text for text in texts if len(text) < 80]
    batch, mask = batch_of(tokenizer, short[:60])

    def nearest(model):
        vectors = direction(model(batch, mask).last_hidden_state * mask[..., None])
        return (vectors @ vectors.T - 2 * np.eye(60)).argmax(axis=1)

    suspects = {
        "layer_norm": suspect_layer_norm,
        "gelu": suspect_gelu,
        "merge_heads": suspect_merge_heads,
    }
    truth = nearest(bert)
    lost = {
        name: (nearest(bert.with_pieces(**{name: function})) != truth).mean()
        for name, function in suspects.items()
    }
    assert lost["merge_heads"] == pytest.approx(ANSWERS["15.p8"], abs=0.03)
    assert lost["layer_norm"] == lost["gelu"] == 0  # what is said to that guess


def test_the_quiz_about_heads():
    assert count_parameters(*OURS[:-1], 24) == count_parameters(*OURS)
    assert QUIZ["15.q1"].right[0] == "as many as before"


def test_the_quiz_about_the_first_difference(bert, input_ids):
    """A bug in one layer's attention shows in its weights, one in its values later."""
    assert QUIZ["15.q2"].right[0].startswith("in the queries, keys")

    def first_difference(part):
        name = f"encoder.layer.2.attention.self.{part}.bias"
        changed = bert.weights | {name: bert.weights[name] + np.float32(0.5)}
        ours = type(bert)(bert.config, changed)(input_ids)
        return compare_layers(ours, bert(input_ids)).first_difference

    assert first_difference("query") == "layer 2, attention weights"
    assert first_difference("value") == "layer 2, output"


def test_the_quiz_about_what_one_sentence_hides(bert, input_ids):
    """An inverted mask changes nothing where all is real and none is given."""
    assert QUIZ["15.q3"].right[0] == "the mask hides the wrong keys"

    def inverted(query, key, value, mask, **options):
        mask = None if mask is None else np.where(mask == 0, np.float32(-1e9), 0)
        mask = None if mask is None else mask.astype(np.float32)
        return scaled_dot_product_attention(query, key, value, mask, **options)

    suspect = bert.with_pieces(attention=inverted)
    assert compare_layers(suspect(input_ids), bert(input_ids)).first_difference is None
    mask = np.ones_like(input_ids)
    mask[0, 8:] = 0
    found = compare_layers(suspect(input_ids, mask), bert(input_ids, mask))
    assert found.first_difference == "layer 0, attention weights"
    with_tanh = bert.with_pieces(gelu=suspect_gelu)
    assert compare_layers(with_tanh(input_ids), bert(input_ids)).difference > 1e-5


def test_the_quiz_about_accuracy(bert, input_ids):
    """A learned stretch makes up for the factor of the suspect norm."""
    rng = np.random.default_rng(15)
    x, weight, bias = rng.normal(size=(5, 384)), rng.normal(size=384), np.zeros(384)
    made_up = suspect_layer_norm(x, weight * np.sqrt(384 / 383), bias, 0)
    right = weight * (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    assert np.allclose(made_up, right)
    assert QUIZ["15.q4"].right[0].startswith("accuracy can't find")
    suspect = bert.with_pieces(layer_norm=suspect_layer_norm)
    assert round(100 * moved(suspect, bert, input_ids), 1) == 0.2
