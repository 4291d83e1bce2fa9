"""The answers of lesson 00's questions are what the model really does."""

import pytest
import torch

from course_lib.datasets import load_reviews
from course_lib.exercises.questions import asking, predictions
from course_lib.models import load_encoder, load_tokenizer

pytestmark = pytest.mark.slow
asking.load_lesson("00")
PREDICTIONS = dict(predictions.PREDICTIONS)


@pytest.fixture(scope="module")
def reviews():
    return load_reviews("movies")


@pytest.fixture(scope="module")
def attentions():
    """Texts → attentions (layers, texts, heads, query, key), and the tokens."""
    tokenizer, encoder = load_tokenizer(), load_encoder()

    def look(texts):
        inputs = tokenizer(texts, padding=True, return_tensors="pt")
        with torch.no_grad():
            outputs = encoder(**inputs, output_attentions=True)
        return torch.stack(outputs.attentions), inputs

    return look


@pytest.fixture(scope="module")
def sentence(attentions, reviews):
    """Shares (layers, heads, query, key) and tokens of the lesson's sentence."""
    text = next(r.text for r in reviews if r.text.startswith("Maryam is a small film"))
    shares, inputs = attentions([text])
    return shares[:, 0].numpy(), inputs.tokens()


def test_what_it_looks_at(sentence):
    shares, tokens = sentence
    it = shares[3, 1, tokens.index("it")]
    share = {token: float(weight) for token, weight in zip(tokens, it, strict=True)}
    assert max(share, key=share.get) == PREDICTIONS["00.p1"].answer
    assert share["film"] == pytest.approx(0.57, abs=0.005)  # why
    assert share["mary"] + share["##am"] > (1 - share["film"]) / 2
    assert share["it"] < 0.01  # what is said to the wrong choices
    assert share["rewards"] < 0.001
    assert share["[CLS]"] == pytest.approx(0.02, abs=0.005)
    assert set(PREDICTIONS["00.p1"].wrong) < set(tokens)
    assert tokens.index("but") == tokens.index("it") - 1


def test_how_much_the_heat_map_adds_up_to(sentence):
    head = sentence[0][3, 1]
    assert head.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert head.sum(axis=0).min() == pytest.approx(0.03, abs=0.005)
    assert head.sum(axis=0).max() == pytest.approx(5.56, abs=0.005)


def test_how_many_heads_look_at_cls(sentence):
    to_cls = sentence[0][3, :, 1:-1, 0].mean(axis=1)
    assert (to_cls > 0.3).sum() == 11
    assert to_cls[1] > 0.3  # “so does this one”


def test_how_much_goes_to_the_token_before(attentions, reviews):
    shares, inputs = attentions([r.text for r in reviews[:200]])
    to_previous = shares.diagonal(offset=-1, dim1=-2, dim2=-1)
    real = inputs["attention_mask"][:, 1:].bool()
    means = torch.stack(
        [head[real].mean() for head in to_previous.transpose(1, 2).flatten(0, 1)]
    )
    assert real.sum() == 5224
    assert means[2].item() == pytest.approx(PREDICTIONS["00.p2"].answer, abs=0.0005)
    assert (means < 0.1).float().mean() > 0.8  # “most heads of this model”
