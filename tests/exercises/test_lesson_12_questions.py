"""The answers of lesson 12's questions are what the model and its arrays really do."""

import numpy as np
import pytest
import torch

from course_lib.attention import (
    MultiHeadAttention,
    gelu,
    layer_norm,
    linear,
    merge_heads,
    scaled_dot_product_attention,
    split_heads,
)
from course_lib.datasets import load_reviews
from course_lib.exercises.questions import asking, predictions, questions
from course_lib.models import load_encoder, load_tokenizer

asking.load_lesson("12")
ANSWERS = {id: made.answer for id, made in predictions.PREDICTIONS.items()}
WRONG = {id: made.wrong for id, made in predictions.PREDICTIONS.items()}
QUIZ = {made.id: made for made in questions.QUIZZES["12"].values()}
HEADS, SIZE = 12, 32


@pytest.fixture
def rng():
    return np.random.default_rng(12)


@pytest.fixture(scope="module")
def model():
    return load_tokenizer(), load_encoder()


def arrays(part):
    return part.weight.detach().numpy(), part.bias.detach().numpy()


class Layer3:
    """The lesson's layer and sentence, as arrays."""

    def __init__(self, tokenizer, encoder):
        texts = (review.text for review in load_reviews("movies"))
        text = next(t for t in texts if t.startswith("Maryam is a small film"))
        inputs = tokenizer(text, return_tensors="pt")
        self.tokens = inputs.tokens()
        outputs = encoder(**inputs, output_hidden_states=True)
        self.x = outputs.hidden_states[3][0].detach().numpy()
        self.layer = encoder.encoder.layer[3]
        inside = self.layer.attention.self
        output = self.layer.attention.output.dense
        four = [inside.query, inside.key, inside.value, output]
        weights, biases = zip(*map(arrays, four), strict=True)
        self.attention = MultiHeadAttention(HEADS, *weights, *biases)
        split = [
            split_heads(linear(self.x, weights[i], biases[i]), HEADS) for i in range(3)
        ]
        self.z, self.maps = scaled_dot_product_attention(*split, return_weights=True)
        self.output_weight = weights[3]

    def attend(self, x):
        return self.attention(x, x, x)

    def feed_forward(self, h):
        inner = gelu(linear(h, *arrays(self.layer.intermediate.dense)))
        added = h + linear(inner, *arrays(self.layer.output.dense))
        return layer_norm(added, *arrays(self.layer.output.LayerNorm))


@pytest.fixture(scope="module")
def lesson(model):
    return Layer3(*model)


def dog_and_man(model, encoder):
    """The vectors of both sentences, each with its tokens."""
    tokenizer, _ = model
    for text in ("the dog bit the man", "the man bit the dog"):
        found = tokenizer(text, return_tensors="pt")
        yield found.tokens(), encoder(**found).last_hidden_state[0].detach().numpy()


def test_what_a_direct_reshape_does():
    # Each number says whose it is: head + 100 · token.
    heads, tokens = np.arange(HEADS).repeat(SIZE), np.arange(15)[:, None]
    whose = (heads + 100 * tokens).reshape(HEADS, 15, SIZE)[1, 0]
    token, head = divmod(int(whose[0]), 100)
    assert (whose == whose[0]).all()
    assert ANSWERS["12.p1"] == f"head {head} of token {token}"
    pieces = (heads + 100 * tokens).reshape(-1, SIZE)
    assert pieces[12, 0] == 100  # what is said to the other guesses
    assert pieces[15, 0] == 103


def test_who_writes_most(lesson):
    it, film = lesson.tokens.index("it"), lesson.tokens.index("film")
    blocks = lesson.output_weight.T.reshape(HEADS, SIZE, -1)
    lengths = np.linalg.norm(lesson.z[:, it, None] @ blocks, axis=-1)[:, 0]
    order = lengths.argsort()[::-1]
    assert list(order[:2]) == [9, 1]
    assert order[-1] == 5
    assert lengths[9] - lengths[1] > 0.05  # far above rounding
    assert lengths[9] / lengths[5] == pytest.approx(3, abs=0.2)
    share = lesson.maps[:, it]
    assert ANSWERS["12.p2"] == f"head 9, whose largest share is {share[9].max():.2f}"
    assert f"head 1, which gives {share[1, film]:.2f} to film" in WRONG["12.p2"]
    assert f"head 5, which gives {share[5, 0]:.2f} to [CLS]" in WRONG["12.p2"]


def torch_layer():
    torch.manual_seed(12)
    made = torch.nn.MultiheadAttention(384, HEADS, batch_first=True)
    return made.double()


def test_a_mask_that_is_the_other_way_round(rng):
    module, x = torch_layer(), torch.from_numpy(rng.normal(size=(2, 15, 384)))
    real = torch.arange(15) < torch.tensor([[15], [8]])
    output, weights = module(x, x, x, key_padding_mask=real)
    assert ANSWERS["12.p3"] == "NaN everywhere"
    assert output[0].isnan().all()
    assert weights[1, :, 8:].sum(dim=1).detach().numpy() == pytest.approx(np.ones(15))


def test_attention_is_blind_to_order(lesson, rng):
    shuffle = rng.permutation(15)
    before = lesson.attend(lesson.x[shuffle])
    after = lesson.attend(lesson.x)[shuffle]
    assert ANSWERS["12.p4"] == "not at all, to rounding"
    assert np.abs(before - after).max() < 1e-5


def test_one_row_moves_by_feed_forward_and_all_by_attention(lesson):
    film, large = (lesson.tokens.index(word) for word in ("film", "large"))
    touched = lesson.x.copy()
    touched[film] = lesson.x[large]
    for layer, rows in [(lesson.feed_forward, ANSWERS["12.p5"]), (lesson.attend, 15)]:
        moved = np.abs(layer(touched) - layer(lesson.x)).max(axis=1)
        assert (moved > 1e-3).sum() == rows


def test_two_sentences_of_the_same_words(model):
    (_, dog), (_, man) = dog_and_man(model, model[1])
    a, b = dog.mean(axis=0), man.mean(axis=0)
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert cosine == pytest.approx(ANSWERS["12.p6"], abs=0.005)


def test_the_quiz_about_gluing(rng):
    z = rng.normal(size=(HEADS, 15, SIZE))
    assert z.reshape(15, 384).shape == merge_heads(z).shape
    tokens = np.broadcast_to(np.arange(15)[:, None], z.shape).reshape(15, 384)
    assert all(len(set(row)) > 1 for row in tokens)
    assert QUIZ["12.q1"].right[0] == "each row then holds pieces of several tokens"


def test_the_quiz_about_a_silenced_head(lesson):
    silenced = lesson.z.copy()
    silenced[1] = 0
    moved = (merge_heads(lesson.z) - merge_heads(silenced)) @ lesson.output_weight.T
    assert (moved[lesson.tokens.index("it")] != 0).all()
    assert QUIZ["12.q2"].right[0] == "all of them"


def test_the_quiz_about_a_causal_mask(rng):
    module, x = torch_layer(), torch.from_numpy(rng.normal(size=(15, 384)))
    output, weights = module(x, x, x, attn_mask=torch.ones(15, 15).tril().bool())
    seen = weights[:-1].detach().numpy() > 0
    assert (seen == ~np.tri(15, dtype=bool)[:-1]).all()
    assert output[-1].isnan().all()
    assert QUIZ["12.q3"].right[0] == "each token sees only the tokens after it"


def test_the_quiz_about_a_model_without_positions(model):
    blind = load_encoder()
    blind.embeddings.position_embeddings.weight.data[:] = 0
    (tokens, dog), (others, man) = dog_and_man(model, blind)
    for word in ("dog", "bit", "man"):
        same = dog[tokens.index(word)] - man[others.index(word)]
        assert np.abs(same).max() < 1e-5
    assert "the dog bit the man" in QUIZ["12.q4"].right[0]


def test_the_quiz_about_the_number_of_weights():
    def weights(num_heads):
        module = torch.nn.MultiheadAttention(384, num_heads)
        return sum(parameter.numel() for parameter in module.parameters())

    assert weights(12) == weights(1)
    assert QUIZ["12.q5"].right[0] == "as many"
