"""The first wrong layer is named, and the bug, if it is one that people write."""

import doctest
import itertools
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from course_lib.attention import NumpyBert, compare_layers
from course_lib.attention import compare_layers as function
from course_lib.attention.numpy_bert import Pieces
from course_lib.attention.suspects import SUSPECTS
from course_lib.models import load_encoder, load_tokenizer

pytestmark = pytest.mark.slow  # loads transformers

LAYERS, HEADS, HIDDEN = 3, 2, 22
RNG = np.random.default_rng(7)
INPUTS = {  # padding and segments: without them, some bugs cannot be seen
    "input_ids": RNG.integers(0, 53, (3, 17)),
    "attention_mask": (np.arange(17) < np.array([[17], [11], [5]])).astype(int),
    "token_type_ids": RNG.integers(0, 5, (3, 17)),
}
STEPS = [
    "embeddings",
    *(
        f"layer {layer}, {part}"
        for layer in range(LAYERS)
        for part in ("attention weights", "output")
    ),
    "pooler",
]


def tiny_model():
    """Return a model of transformers in which no number is 0 or 1."""
    config = BertConfig(
        vocab_size=53,
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=13,
        max_position_embeddings=19,
        type_vocab_size=5,
        layer_norm_eps=1e-3,
        attn_implementation="eager",
    )
    model = BertModel(config).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.3 * noise + (parameter.ndim == 1))
    return model


def numpy_of(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    model.save_pretrained(folder)
    return NumpyBert.from_pretrained(folder)


def run(model, inputs=None, **options):
    wanted = {"output_hidden_states": True, "output_attentions": True, **options}
    tensors = {n: torch.from_numpy(a) for n, a in (inputs or INPUTS).items()}
    with torch.no_grad():
        return model(**tensors, **wanted)


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def bert(model, tmp_path_factory):
    return numpy_of(model, tmp_path_factory)


@pytest.fixture(scope="module")
def theirs(model):
    return run(model)


def only_in(layer, name, wrong):
    """Return a piece that is wrong in one layer; it counts its calls."""
    calls = itertools.count()
    each = {"linear": 6, "layer_norm": 2, "split_heads": 3, "residual": 2}.get(name, 1)
    first = layer * each + (name == "layer_norm")  # there is one of the embeddings

    def piece(*arguments, **options):
        is_wrong = first <= next(calls) < first + each
        right = getattr(Pieces(), name)
        return (wrong if is_wrong else right)(*arguments, **options)

    return {name: piece}


# --- nothing to find --------------------------------------------------------------


def assert_nothing_found(found):
    assert found.first_difference is found.likely_cause is None
    assert str(found).endswith("\nAll the same.")
    assert found.difference == max(difference for _, difference in found.steps) <= 1e-5


def test_the_same_is_said_to_be_the_same(bert, theirs):
    ours = bert(**INPUTS)
    assert_nothing_found(compare_layers(ours, theirs))
    found = compare_layers(ours, bert(**INPUTS))
    assert_nothing_found(found)
    assert found.steps == [(name, 0.0) for name in STEPS]


def test_theirs_may_be_bfloat16(bert):
    ours = bert(**INPUTS)
    parts = {
        name: tuple(torch.from_numpy(a).bfloat16() for a in getattr(ours, name))
        for name in ("hidden_states", "attentions")
    }
    theirs = SimpleNamespace(**parts, pooler_output=torch.tensor(ours.pooler_output))
    found = compare_layers(ours, theirs)
    assert found.first_difference == "embeddings"
    assert 1e-5 < found.difference < 2**-8  # bfloat16 keeps 8 binary digits


def test_float64_and_gradients_of_theirs_do_no_harm(bert):
    model = tiny_model().double()
    tensors = {name: torch.from_numpy(array) for name, array in INPUTS.items()}
    theirs = model(**tensors, output_hidden_states=True, output_attentions=True)
    assert theirs.last_hidden_state.requires_grad
    assert_nothing_found(compare_layers(bert(**INPUTS), theirs))


TEXTS = [
    *("", "\U0001f600", "\U0001f469\u200d\U0001f467 \U0001f44d\U0001f3fd"),
    "\u535a\u63a8zz \u4f60\u597d\uff0c\u4e16\u754c",
]


def test_rounding_at_padding_is_no_difference():
    # There, MiniLM blows the roundings of transformers up to 1e-5 too.
    bert, encoder = NumpyBert.from_pretrained("minilm"), load_encoder()
    batch = load_tokenizer()(TEXTS, padding=True, return_tensors="np")
    found = compare_layers(bert(**batch), run(encoder, dict(batch)))
    assert_nothing_found(found)
    batch["attention_mask"][1] = 0  # a text of nothing but padding
    assert_nothing_found(compare_layers(bert(**batch), bert(**batch)))


def test_a_model_without_pooler(tmp_path_factory):
    model = tiny_model()
    model.pooler = None
    bert = numpy_of(model, tmp_path_factory)
    found = compare_layers(bert(**INPUTS), run(model))
    assert_nothing_found(found)
    assert [name for name, _ in found.steps] == STEPS[:-1]


def test_no_texts_are_the_same(bert):
    nothing = bert(np.empty((0, 5), int))
    assert_nothing_found(compare_layers(nothing, nothing))


# --- a bug in one layer -----------------------------------------------------------


IN_LAYERS = [
    cause for cause, piece in SUSPECTS.items() if "add_embeddings" not in piece
]


@pytest.mark.parametrize("cause", IN_LAYERS)
@pytest.mark.parametrize("layer", range(LAYERS))
def test_the_layer_and_the_bug_are_found(layer, cause, bert, theirs):
    [(name, wrong)] = SUSPECTS[cause].items()
    ours = bert.with_pieces(**only_in(layer, name, wrong))(**INPUTS)
    found = compare_layers(ours, theirs)
    later = name in ("merge_heads", "residual", "layer_norm", "gelu")
    part = "output" if later else "attention weights"
    assert found.first_difference == f"layer {layer}, {part}"
    assert found.likely_cause == cause
    # The steps before are the same, and the number is that of a loop over them.
    index = STEPS.index(found.first_difference)
    assert all(difference <= 1e-5 for _, difference in found.steps[:index])
    assert found.steps[index] == (found.first_difference, found.difference)
    kind = "hidden_states" if later else "attentions"
    ours, right = (
        np.asarray(getattr(output, kind)[layer + later]) for output in (ours, theirs)
    )
    real = INPUTS["attention_mask"].astype(bool)
    ours, right = (a if later else a.swapaxes(1, 2) for a in (ours, right))
    expected = np.abs(ours - right)[real].max() / np.abs(right[real]).max()
    assert found.difference == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("cause", SUSPECTS)
def test_a_bug_in_all_layers_is_found_in_the_first(cause, bert, theirs):
    found = compare_layers(bert.with_pieces(**SUSPECTS[cause])(**INPUTS), theirs)
    assert found.likely_cause == cause
    [name] = SUSPECTS[cause]
    at_once = name in ("add_embeddings", "layer_norm")
    assert found.first_difference.startswith("embeddings" if at_once else "layer 0, ")
    assert str(found).endswith(f"\nLikely cause: {cause}.")


@pytest.mark.parametrize("layer", range(6))
def test_the_layer_is_found_in_a_published_model(layer):
    bert = NumpyBert.from_pretrained("minilm")
    batch = load_tokenizer()(TEXTS[1:], padding=True, return_tensors="np")
    cause = "ReLU in the place of GELU"
    ours = bert.with_pieces(**only_in(layer, "gelu", SUSPECTS[cause]["gelu"]))(**batch)
    found = compare_layers(ours, bert(**batch))
    assert (found.first_difference, found.likely_cause) == (
        f"layer {layer}, output",
        cause,
    )


@pytest.mark.parametrize("layer", range(LAYERS))
@pytest.mark.parametrize("noise", [0.01, 1e-4, 3.0])
def test_of_an_unknown_bug_the_layer_is_found(layer, noise, bert, theirs):
    factors = 1 + noise * np.random.default_rng(5).uniform(-1, 1, 13)
    wrong = only_in(layer, "gelu", lambda x: Pieces().gelu(x) * factors.astype("f4"))
    found = compare_layers(bert.with_pieces(**wrong)(**INPUTS), theirs)
    assert found.first_difference == f"layer {layer}, output"
    assert found.likely_cause is None
    assert str(found).endswith(
        "\nLikely cause: none of the known bugs gives these numbers."
    )


def test_two_bugs_at_once_are_not_taken_for_one(bert, theirs):
    one, two = ("the biases are missing", "the scores are not divided by √d_k")
    ours = bert.with_pieces(**SUSPECTS[one], **SUSPECTS[two])(**INPUTS)
    found = compare_layers(ours, theirs)
    assert found.first_difference == "layer 0, attention weights"
    assert found.likely_cause is None


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("layer", range(LAYERS))
def test_nan_differs_from_everything(poison, layer, bert, theirs):
    def wrong(x):
        x = Pieces().gelu(x)
        x[1, 2, 3] = poison
        return x

    ours = bert.with_pieces(**only_in(layer, "gelu", wrong))(**INPUTS)
    found = compare_layers(ours, theirs)
    assert found.first_difference == f"layer {layer}, output"
    assert np.isnan(found.difference)
    assert found.likely_cause is None
    assert "differs by nan %  <- first" in str(found)


@pytest.mark.parametrize("poison", [np.nan, np.inf])
@pytest.mark.parametrize("whose", ["ours", "theirs", "both"])
def test_what_is_not_finite_differs_without_a_warning(poison, whose, bert):
    right = bert(**INPUTS)
    states = [np.full_like(state, poison) for state in right.hidden_states]
    wrong = right._replace(hidden_states=tuple(states))
    pair = (right if whose == "theirs" else wrong, right if whose == "ours" else wrong)
    with warnings.catch_warnings(action="error"):
        found = compare_layers(*pair)
    assert (found.first_difference, found.likely_cause) == ("embeddings", None)


@pytest.mark.parametrize(
    "cause", ["the biases are missing", "x W in the place of x Wᵀ"]
)
def test_the_pooler_may_be_what_is_wrong(cause, bert, theirs):
    # The linear maps of all layers come before that of the pooler.
    wrong = only_in(LAYERS, "linear", SUSPECTS[cause]["linear"])
    found = compare_layers(bert.with_pieces(**wrong)(**INPUTS), theirs)
    assert (found.first_difference, found.likely_cause) == ("pooler", cause)


# --- the table --------------------------------------------------------------------


def changed(array, factor):
    """Return a copy whose largest number is multiplied."""
    array = np.array(array)
    array.flat[np.abs(array).argmax()] *= factor
    return array


def test_the_table_exactly(bert):
    right = bert(np.array([[3, 5, 7]]))
    states, maps = list(right.hidden_states), list(right.attentions)
    maps[1] = changed(maps[1], 1.0304)
    states[2] = changed(states[2], 3)
    states[3] = changed(states[3], 0.99986)
    ours = right._replace(hidden_states=tuple(states), attentions=tuple(maps))
    found = compare_layers(ours, right)
    assert (
        str(found)
        == repr(found)
        == """\
embeddings                  same
layer 0, attention weights  same
layer 0, output             same
layer 1, attention weights  differs by 3 %  <- first
layer 1, output             differs by 200 %
layer 2, attention weights  same
layer 2, output             differs by 0.01 %
pooler                      same
Likely cause: none of the known bugs gives these numbers."""
    )
    assert found.difference == pytest.approx(0.0304, abs=1e-6)
    assert str(compare_layers(right, right)) == "\n".join(
        [*(f"{name:28}same" for name in STEPS), "All the same."]
    )


def test_the_docstring_is_right():
    example = doctest.DocTestFinder().find(function, globs={})[0]
    example.globs |= {
        "np": np,
        "NumpyBert": NumpyBert,
        "compare_layers": compare_layers,
    }
    assert not doctest.DocTestRunner().run(example).failed


# --- what it refuses --------------------------------------------------------------


@pytest.mark.parametrize("missing", ["hidden_states", "attentions"])
@pytest.mark.parametrize(
    "how", ["absent", "None", "empty", "of None", "of lists", "a tensor"]
)
def test_missing_parts_are_named(missing, how, bert, theirs):
    parts = {"hidden_states": theirs.hidden_states, "attentions": theirs.attentions}
    kinds = {"None": None, "empty": (), "of None": (None,), "of lists": ([[1.0]],)}
    parts[missing] = kinds.get(how, torch.ones(3, 5))
    if how == "absent":
        del parts[missing]
    with pytest.raises(ValueError) as caught:
        compare_layers(bert(**INPUTS), SimpleNamespace(**parts))
    for word in [
        f"compare_layers: `theirs` has no {missing}",
        'attn_implementation="eager"',
        "output_hidden_states=True, output_attentions=True",
    ]:
        assert word in str(caught.value)


def test_what_transformers_returns_unasked_or_with_sdpa(bert, model):
    with pytest.raises(ValueError, match="no hidden_states; load"):
        compare_layers(bert(**INPUTS), run(model, output_hidden_states=False))
    with pytest.raises(ValueError, match="no attentions; load"):
        compare_layers(bert(**INPUTS), run(model, output_attentions=False))
    fast = tiny_model()
    fast.set_attn_implementation("sdpa")
    with pytest.raises(ValueError, match='attn_implementation="eager"'):
        compare_layers(bert(**INPUTS), run(fast))


@pytest.mark.parametrize(
    "change", ["tokens", "texts", "layers", "pooler", "width", "maps"]
)
def test_outputs_of_other_sizes_are_refused(change, bert, tmp_path_factory):
    ours = bert(**INPUTS)
    if change == "tokens":
        theirs = bert(*(array[:, :13] for array in INPUTS.values()))
    elif change == "texts":
        theirs = bert(*(array[:2] for array in INPUTS.values()))
    elif change == "layers":
        states, weights = ours.hidden_states[:-1], ours.attentions[:-1]
        theirs = ours._replace(hidden_states=states, attentions=weights)
    elif change == "maps":
        theirs = ours._replace(attentions=ours.attentions[:-1])
    elif change == "pooler":
        theirs = ours._replace(pooler_output=None)
    else:
        states = tuple(state[..., :11] for state in ours.hidden_states)
        theirs = ours._replace(hidden_states=states)
    words = {
        "tokens": ["at 'embeddings'", "(3, 17, 22)", "(3, 13, 22)", "the same input"],
        "texts": ["at 'embeddings'", "(3, 17, 22)", "(2, 17, 22)", "the same input"],
        "layers": ["`ours` has 8 steps but `theirs` 6", "the same model"],
        "maps": ["`theirs` has 4 hidden_states and 2 attentions"],
        "pooler": ["`ours` has 8 steps but `theirs` 7", "the same model"],
        "width": ["at 'embeddings'", "(3, 17, 22)", "(3, 17, 11)"],
    }[change]
    with pytest.raises(ValueError) as caught:
        compare_layers(ours, theirs)
    for word in ["compare_layers: ", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("kind", ["theirs", "array", "None", "tuple"])
def test_ours_must_be_of_numpy_bert(kind, bert, theirs):
    ours = {"theirs": theirs, "array": np.ones(3), "None": None}.get(kind, (1, 2))
    with pytest.raises(TypeError) as caught:
        compare_layers(ours, theirs)
    for word in ["compare_layers: `ours` is of type", type(ours).__name__, "NumpyBert"]:
        assert word in str(caught.value)
