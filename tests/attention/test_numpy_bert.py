"""The whole BERT: transformers' numbers at every step, shared weights, clear errors."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.attention import NumpyBert, numpy_bert
from course_lib.attention.numpy_bert import BertConfig, Pieces
from course_lib.attention.suspects import SUSPECTS
from course_lib.datasets import load_reviews
from course_lib.models import load_encoder, load_tokenizer

pytestmark = pytest.mark.slow  # loads transformers and a model

# Of a step's largest value. Sums of up to 1,536 products, each rounded by 6e-8, differ
# by 3e-6 at most over 60 batches of reviews; other processors may round otherwise.
CLOSE = 1e-5
# What stands at padding is nobody's reading, and MiniLM blows up its rounding: there
# transformers itself is 6e-6 from its own float64, and up to 2.3e-5 from us.
CLOSE_AT_PADDING = 1e-4


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Two libraries that both wait for two cores take three times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer()


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


@pytest.fixture(scope="module")
def bert():
    return NumpyBert.from_pretrained("minilm")


def run(encoder, **arrays):
    """What transformers computes for NumPy arrays."""
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    with torch.no_grad():
        return encoder(**tensors, output_hidden_states=True, output_attentions=True)


def steps(output):
    """All arrays of an output, also of one of torch, with the tokens in axis 1."""
    hidden = [np.asarray(array) for array in output.hidden_states]
    weights = [np.asarray(array).swapaxes(1, 2) for array in output.attentions]
    last, pooled = output.last_hidden_state, output.pooler_output
    return [*hidden, *weights, np.asarray(last), np.asarray(pooled)[:, None]]


def difference(ours, theirs, where=...):
    """The largest difference at some tokens, relative to the largest value anywhere."""
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype == np.float32
    assert np.isfinite(theirs).all()
    largest = np.abs(theirs).max(initial=1e-30)
    return np.abs(ours - theirs)[where].max(initial=0) / largest


def differences(ours, theirs, real):
    """The largest ones of all steps at real tokens, and at padding."""
    assert len(ours.hidden_states) == len(theirs.hidden_states) == 7
    assert len(ours.attentions) == len(theirs.attentions) == 6
    pairs = list(zip(steps(ours), steps(theirs), strict=True))
    return [
        max(difference(a, b, where[:, : a.shape[1]]) for a, b in pairs)
        for where in (real, ~real)
    ]


def assert_same(ours, theirs, mask=None):
    real = np.ones(ours.last_hidden_state.shape[:2]) if mask is None else mask
    at_tokens, at_padding = differences(ours, theirs, real.astype(bool))
    assert at_tokens <= CLOSE
    assert at_padding <= CLOSE_AT_PADDING


def test_the_docstrings_are_right():
    result = doctest.testmod(numpy_bert)
    assert result.attempted
    assert not result.failed


# --- the same numbers as transformers ---------------------------------------------


def reviews(domain, count, start=7):
    return [review.text for review in load_reviews(domain)[start : start + count]]


LONG = " ".join(reviews("editorials", 40))
TEXTS = {
    "one sentence": reviews("movies", 1),
    "a batch": [t for d in ("movies", "tweets", "editorials") for t in reviews(d, 2)],
    "pairs": list(zip(reviews("products", 2), reviews("products", 2, 17), strict=True)),
    "a pair": [("It was long.", "It was good.")],
    "nothing, emoji, ZWJ, Chinese": [
        *("", "\U0001f600", "\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd"),
        "\u535a\u63a8zz \u4f60\u597d\uff0c\u4e16\u754c",
    ],
    "2 tokens": [""],
    "511 tokens": [LONG],
    "512 tokens": [LONG],
}


@pytest.mark.parametrize("kind", TEXTS)
def test_every_step_equals_transformers(kind, tokenizer, encoder, bert):
    length = 511 if kind == "511 tokens" else 512
    batch = tokenizer(
        TEXTS[kind],
        padding=True,
        truncation=True,
        max_length=length,
        return_tensors="np",
    )
    if kind[:3] in ("2 t", "511", "512"):
        assert batch.input_ids.shape == (1, int(kind.split()[0]))
    assert_same(bert(**batch), run(encoder, **batch), batch.attention_mask)


def test_one_token(encoder, bert):
    ids = np.array([[101], [7592]])
    assert_same(bert(ids), run(encoder, input_ids=ids))


IDS = np.random.default_rng(3).integers(1000, 20000, (3, 11))
MASKS = {
    "right padding": np.arange(11) < np.array([[11], [5], [1]]),
    "left padding": np.arange(11) >= np.array([[0], [7], [10]]),
    "holes": np.random.default_rng(5).random((3, 11)) < 0.5,
    "nothing but padding in one row": np.arange(11) < np.array([[7], [0], [11]]),
    "nothing but padding": np.zeros((3, 11)),
    "no padding": np.ones((3, 11)),
}


@pytest.mark.parametrize("kind", MASKS)
@pytest.mark.parametrize("dtype", [np.int64, bool, np.float32, np.uint8])
def test_masks_equal_transformers(kind, dtype, encoder, bert):
    mask, segments = MASKS[kind], np.arange(33).reshape(3, 11) % 2
    ours = bert(IDS, mask.astype(dtype), segments)
    theirs = run(
        encoder,
        input_ids=IDS,
        attention_mask=mask.astype(np.int64),
        token_type_ids=segments,
    )
    assert_same(ours, theirs, mask)
    if kind == "no padding":
        assert_same(bert(IDS, None, segments), theirs)


@pytest.mark.parametrize("dtype", ["i1", "u1", "i2", "i4", "u4", "u8", ">i4"])
def test_any_integers_will_do(dtype, bert):
    ids = IDS % 120
    expected, output = bert(ids), bert(ids.astype(dtype), None, (ids * 0).astype(dtype))
    assert [a.tobytes() for a in steps(output)] == [
        a.tobytes() for a in steps(expected)
    ]


@pytest.fixture(scope="module")
def pairs(tokenizer, encoder):
    """A batch with padding and two segments, and what transformers makes of it."""
    batch = tokenizer(TEXTS["pairs"], padding=True, return_tensors="np")
    assert {0, 1} == set(np.unique(batch.token_type_ids * batch.attention_mask))
    assert not batch.attention_mask.all()
    return batch, run(encoder, **batch)


@pytest.mark.parametrize("cause", SUSPECTS)
def test_every_known_bug_would_be_seen(cause, pairs, bert):
    batch, theirs = pairs
    ours = bert.with_pieces(**SUSPECTS[cause])(**batch)
    with pytest.raises(AssertionError):
        assert_same(ours, theirs, batch.attention_mask)
    at_tokens, _ = differences(ours, theirs, batch.attention_mask.astype(bool))
    assert at_tokens > 10 * CLOSE


# --- batches, repetition, inputs --------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 13), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_a_text_has_the_same_numbers_alone_and_in_a_padded_batch(bert, lengths, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, 30522, (len(lengths), max(lengths)))
    segments = rng.integers(0, 2, ids.shape)
    mask = np.arange(ids.shape[1]) < np.array(lengths)[:, None]
    together = bert(ids, mask, segments)
    for row, n in enumerate(lengths):
        alone = bert(ids[row : row + 1, :n], None, segments[row : row + 1, :n])
        for ours, theirs in zip(steps(together), steps(alone), strict=True):
            ours = ours[row, :n]
            assert not ours[..., theirs.shape[-1] :].any()  # no weight on padding
            assert difference(ours[..., : theirs.shape[-1]], theirs[0]) <= CLOSE


def test_two_calls_give_the_same_bits_and_change_nothing(bert):
    arrays = [IDS, MASKS["holes"].astype(int), np.arange(33).reshape(3, 11) % 2]
    before = [array.tobytes() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    one, two = bert(*arrays), NumpyBert.from_pretrained("minilm")(*arrays)
    assert [a.tobytes() for a in steps(one)] == [a.tobytes() for a in steps(two)]
    assert [array.tobytes() for array in arrays] == before
    views = [np.array(array.T).T for array in arrays]
    assert [a.tobytes() for a in steps(bert(*views))] == [
        a.tobytes() for a in steps(one)
    ]


def test_the_output_is_as_described(bert):
    output = bert(IDS, MASKS["right padding"])
    np.testing.assert_array_equal(output.last_hidden_state, output.hidden_states[-1])
    assert (np.abs(output.pooler_output) <= 1).all()
    for weights in output.attentions:
        assert ((weights >= 0) & (weights <= 1)).all()
        np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=0, atol=1e-6)
    assert output.model is bert
    no_texts = bert(np.empty((0, 5), int))
    assert no_texts.last_hidden_state.shape == (0, 5, 384)


def test_pieces_are_replaced_in_a_copy(bert):
    calls = []

    def counted(x):
        calls.append(x.shape)
        return Pieces().gelu(x)

    mine = bert.with_pieces(gelu=counted)
    again = mine.with_pieces(residual=lambda before, change: before + change)
    assert mine.weights is again.weights is bert.weights
    expected = steps(bert(IDS))
    for a, b in zip(steps(again(IDS)), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert calls == [(3, 11, 1536)] * 6
    assert bert.pieces == Pieces()


@pytest.mark.parametrize("name", Pieces.__dataclass_fields__)
def test_a_piece_may_return_float64(name, bert):
    def in_float64(*arguments, **options):
        result = getattr(Pieces(), name)(*arguments, **options)
        if name == "attention":  # it returns output and weights
            return tuple(array.astype(np.float64) for array in result)
        return result.astype(np.float64)

    wide, expected = bert.with_pieces(**{name: in_float64})(IDS), bert(IDS)
    for ours, theirs in zip(steps(wide), steps(expected), strict=True):
        assert difference(ours.astype(np.float32), theirs) <= CLOSE


# --- memory -----------------------------------------------------------------------

COST = """
import sys, warnings
warnings.simplefilter("error")
import numpy as np
import psutil
from course_lib.attention import NumpyBert, gelu

gelu(np.ones((300, 300), np.float32) @ np.ones((300, 300), np.float32))  # loads SciPy
process = psutil.Process()
before = process.memory_full_info().uss
bert = NumpyBert.from_pretrained("minilm")
bert(np.array([[101, 2023, 3185, 2003, 2307, 102]]))
print(process.memory_full_info().uss - before)
print(*sys.modules)
"""


def test_weights_are_shared_with_other_processes_and_torch_stays_away(bert):
    for array in bert.weights.values():
        assert not array.flags.writeable
        assert not array.flags.owndata
        # Every page is read here: those are the pages that the child may share.
        assert np.isfinite(array.sum(dtype=np.float64))
    size = sum(array.nbytes for array in bert.weights.values())
    assert size == 90_852_864
    child = subprocess.run(
        [sys.executable, "-c", COST], capture_output=True, text=True, check=True
    )
    grown, modules = child.stdout.splitlines()
    # A copy of the six layers alone takes 43 MB. It is some 2 MB of hidden states and
    # buffers, for which BLAS may take some more.
    assert int(grown) < 16e6
    assert {"torch", "transformers", "matplotlib"}.isdisjoint(modules.split())


def test_shared_weights_cannot_be_spoilt(bert):
    with pytest.raises(ValueError, match="read-only"):
        bert.weights["pooler.dense.bias"][0] = 1


# --- what it refuses --------------------------------------------------------------

GOOD = {"input_ids": np.array([[101, 7592, 102]])}


def ints(*rows):
    return np.array(rows)


@pytest.mark.parametrize(
    ("error", "change", "words"),
    [
        (ValueError, {"input_ids": np.zeros((1, 513), int)}, ["513", "1 to 512"]),
        (ValueError, {"input_ids": np.zeros((2, 0), int)}, ["0 tokens", "1 to 512"]),
        (ValueError, {"input_ids": ints([30521, 30522])}, ["30522", "0 to 30521"]),
        (ValueError, {"input_ids": ints([101, -1])}, ["holds -1", "0 to 30521"]),
        (ValueError, {"input_ids": ints([2**63]).astype("u8")}, [str(2**63)]),
        (ValueError, {"input_ids": ints(101, 102)}, ["(2,)", "(batch, tokens)"]),
        (ValueError, {"input_ids": ints([[101]])}, ["(1, 1, 1)", "(batch, tokens)"]),
        (TypeError, {"input_ids": np.array([[101.0]])}, ["float64", "integers"]),
        (TypeError, {"input_ids": np.array([[True]])}, ["bool", "integers"]),
        (TypeError, {"input_ids": np.array([["a"]])}, ["<U1", "integers"]),
        (TypeError, {"input_ids": [[101]]}, ["list", "np.array(input_ids"]),
        (TypeError, {"input_ids": "Good."}, ["str", "NumPy array"]),
        (TypeError, {"input_ids": None}, ["NoneType", "NumPy array"]),
        (TypeError, {"input_ids": torch.ones(1, 2)}, ["Tensor", "input_ids.detach()"]),
        (ValueError, {"token_type_ids": ints([0, 2, 0])}, ["holds 2", "0 to 1"]),
        (ValueError, {"token_type_ids": ints([0, -1, 0])}, ["holds -1", "0 to 1"]),
        (ValueError, {"token_type_ids": ints([0, 0])}, ["(1, 2)", "(1, 3)"]),
        (ValueError, {"token_type_ids": ints([0] * 3, [0] * 3)}, ["(2, 3)", "(1, 3)"]),
        (ValueError, {"token_type_ids": ints(0, 0, 0)}, ["(3,)", "(batch, tokens)"]),
        (TypeError, {"token_type_ids": np.zeros((1, 3))}, ["float64", "integers"]),
        (TypeError, {"token_type_ids": [[0, 0, 0]]}, ["list", "NumPy array"]),
        (ValueError, {"attention_mask": ints([1, 1])}, ["(1, 2)", "(1, 3)"]),
        (ValueError, {"attention_mask": ints([1] * 3, [1] * 3)}, ["(2, 3)", "(1, 3)"]),
        (ValueError, {"attention_mask": ints(1, 1, 1)}, ["(3,)", "(batch, "]),
        (ValueError, {"attention_mask": ints([1, 2, 0])}, ["holds 2", "1 for a"]),
        (ValueError, {"attention_mask": ints([1, -1, 0])}, ["holds -1", "1 for a"]),
        (ValueError, {"attention_mask": np.array([[1, 0.5, 0]])}, ["0.5", "1 for a"]),
        (ValueError, {"attention_mask": np.array([[1, np.nan, 0]])}, ["nan"]),
        (TypeError, {"attention_mask": [[1, 1, 1]]}, ["list", "NumPy array"]),
        (TypeError, {"attention_mask": torch.ones(1, 3)}, ["Tensor", ".detach()"]),
        (TypeError, {"attention_mask": np.ones((1, 3), complex)}, ["complex128"]),
    ],
)
def test_bad_arguments_are_named(error, change, words, bert):
    with pytest.raises(error) as caught:
        bert(**{**GOOD, **change})
    for word in ["NumpyBert: ", f"`{next(iter(change))}`", *words]:
        assert word in str(caught.value)


def test_the_longest_text_is_that_of_the_position_table(bert):
    config = bert.config
    assert isinstance(config, BertConfig)
    assert config.max_position_embeddings == 512
    assert bert(np.full((1, 512), 7592)).last_hidden_state.shape == (1, 512, 384)


@pytest.mark.parametrize("name", ["glu", "softmax", "Gelu", ""])
def test_an_unknown_piece_is_named(name, bert):
    with pytest.raises(TypeError) as caught:
        bert.with_pieces(**{name: np.tanh})
    message = str(caught.value)
    assert f"NumpyBert.with_pieces: there is no piece `{name}`" in message
    assert all(known in message for known in Pieces.__dataclass_fields__)


def test_a_piece_that_is_no_function_is_named(bert):
    with pytest.raises(TypeError, match="with_pieces: `gelu` is 3, wanted a function"):
        bert.with_pieces(gelu=3)
