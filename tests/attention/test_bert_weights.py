"""Any published BERT's folder: read as transformers reads it, or refused by name."""

import doctest
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
)

from course_lib.attention import NumpyBert, bert_weights
from course_lib.models import load_encoder

pytestmark = pytest.mark.slow  # loads transformers

SIZES = {  # different primes, but for the hidden size: 2 heads of 11
    "vocab_size": 53,
    "hidden_size": 22,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 13,
    "max_position_embeddings": 17,
    "type_vocab_size": 5,
    "layer_norm_eps": 1e-3,
}
CLOSE = 1e-5  # of a step's largest value: sums of 22 products, each rounded by 6e-8
RNG = np.random.default_rng(7)
INPUTS = {
    "input_ids": RNG.integers(0, 53, (3, 17)),
    "attention_mask": (np.arange(17) < np.array([[17], [11], [2]])).astype(int),
    "token_type_ids": RNG.integers(0, 5, (3, 17)),
}


def tiny(kind=BertModel, **options):
    """Return a model in which no number is 0 or 1, unlike in a fresh one."""
    model = kind(BertConfig(**SIZES), **options).eval()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(0.3 * noise + (parameter.ndim == 1))
    return model


@pytest.fixture
def folder(tmp_path):
    tiny().save_pretrained(tmp_path)
    return tmp_path


def steps(output):
    arrays = [*output.hidden_states, *output.attentions]
    if output.pooler_output is not None:
        arrays.append(output.pooler_output)
    return [np.asarray(array) for array in arrays]


def assert_same(ours, encoder):
    tensors = {name: torch.from_numpy(array) for name, array in INPUTS.items()}
    with torch.no_grad():
        theirs = encoder(**tensors, output_hidden_states=True, output_attentions=True)
    pairs = list(zip(steps(ours), steps(theirs), strict=True))
    assert len(pairs) in (7, 8)
    for a, b in pairs:
        assert a.dtype == np.float32
        np.testing.assert_allclose(
            a, b, rtol=0, atol=CLOSE * np.abs(b).max(), equal_nan=False
        )


# --- read as transformers reads it ------------------------------------------------


def resave(folder, change):
    """Change the tensors of a folder."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def old_names(tensors):
    """What a file of 2018 called them, and the numbers 0, 1, 2 … that it kept."""
    for name in list(tensors):
        new = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        new = new.replace("LayerNorm.bias", "LayerNorm.beta")
        tensors[new] = tensors.pop(name)
    assert sum(name.endswith(("gamma", "beta")) for name in tensors) == 14
    tensors["embeddings.position_ids"] = torch.arange(17)[None]


@pytest.mark.parametrize("kind", [str, Path])
def test_a_saved_encoder(folder, kind):
    assert_same(NumpyBert.from_pretrained(kind(folder))(**INPUTS), load_encoder(folder))


@pytest.mark.parametrize("size", ["2KB", "5KB"])
def test_shards(size, tmp_path):
    tiny().save_pretrained(tmp_path, max_shard_size=size)
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    assert_same(NumpyBert.from_pretrained(tmp_path)(**INPUTS), load_encoder(tmp_path))


@pytest.mark.parametrize(
    ("kind", "pooler"),
    [(BertForMaskedLM, False), (BertForSequenceClassification, True)],
)
@pytest.mark.parametrize("old", [False, True])
def test_the_encoder_under_a_head(kind, pooler, old, tmp_path):
    model = tiny(kind)
    model.save_pretrained(tmp_path)
    assert any(
        not name.startswith("bert.")
        for name in load_file(tmp_path / "model.safetensors")
    )
    if old:
        resave(tmp_path, lambda tensors: old_names_of(tensors, "bert."))
    output = NumpyBert.from_pretrained(tmp_path)(**INPUTS)
    assert (output.pooler_output is not None) is pooler
    encoder = BertModel.from_pretrained(
        tmp_path, add_pooling_layer=pooler, attn_implementation="eager"
    )
    assert_same(output, encoder.eval())


def old_names_of(tensors, prefix):
    inside = {n: tensors.pop(n) for n in list(tensors) if n.startswith(prefix)}
    inside = {name.removeprefix(prefix): tensor for name, tensor in inside.items()}
    old_names(inside)
    tensors |= {prefix + name: tensor for name, tensor in inside.items()}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(dtype, tmp_path):
    tiny().to(dtype).save_pretrained(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {dtype}
    bert, encoder = NumpyBert.from_pretrained(tmp_path), load_encoder(tmp_path)
    assert {array.dtype for array in bert.weights.values()} == {np.dtype(np.float32)}
    for name, parameter in encoder.named_parameters():
        np.testing.assert_array_equal(bert.weights[name], parameter.detach().numpy())
    assert_same(bert(**INPUTS), encoder)


def test_names_of_2018(folder):
    expected = NumpyBert.from_pretrained(folder)(**INPUTS)
    encoder = load_encoder(folder)
    resave(folder, old_names)
    output = NumpyBert.from_pretrained(folder)(**INPUTS)
    assert_same(output, encoder)
    assert_same(output, load_encoder(folder))
    assert [a.tobytes() for a in steps(output)] == [
        a.tobytes() for a in steps(expected)
    ]


def test_a_model_without_pooler(tmp_path):
    model = tiny(add_pooling_layer=False)
    model.save_pretrained(tmp_path)
    output = NumpyBert.from_pretrained(tmp_path)(**INPUTS)
    assert output.pooler_output is None
    model.set_attn_implementation("eager")
    assert_same(output, model)


def test_float32_is_mapped_and_not_copied(folder):
    bert = NumpyBert.from_pretrained(folder)
    assert set(bert.weights) == set(load_file(folder / "model.safetensors"))
    for array in bert.weights.values():
        assert not array.flags.writeable
        assert not array.flags.owndata
        assert array.flags.c_contiguous
        base = array
        while isinstance(base, np.ndarray):
            base = base.base
        assert type(base).__name__ == "mmap"


def test_a_pickle_beside_good_weights_is_left_alone(folder):
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps("a program"))
    NumpyBert.from_pretrained(folder)


# --- weights that are refused -----------------------------------------------------


def drop(tensors):
    del tensors["encoder.layer.1.output.dense.bias"], tensors["pooler.dense.bias"]


def add(tensors):
    tensors |= {"foreign.weight": torch.zeros(2), "a.b": torch.zeros(3)}


def reshape(tensors):
    tensors["embeddings.LayerNorm.bias"] = torch.zeros(23)


MISSING = "missing: encoder.layer.1.output.dense.bias, pooler.dense.bias"
UNEXPECTED = "unexpected: a.b, foreign.weight"
SHAPE = "wrong shape or type: embeddings.LayerNorm.bias is (23,), wanted (22,)"


@pytest.mark.parametrize(
    ("changes", "listed"),
    [
        ([drop], f"{MISSING}; unexpected: none; wrong shape or type: none"),
        ([add], f"missing: none; {UNEXPECTED}; wrong shape or type: none"),
        ([reshape], f"missing: none; unexpected: none; {SHAPE}"),
        ([drop, add, reshape], f"{MISSING}; {UNEXPECTED}; {SHAPE}"),
    ],
)
def test_weights_that_do_not_fit_are_listed_in_one_error(changes, listed, folder):
    for change in changes:
        resave(folder, change)
    with pytest.raises(ValueError) as caught:
        NumpyBert.from_pretrained(folder)
    assert "NumpyBert.from_pretrained: the weights in" in str(caught.value)
    assert str(folder) in str(caught.value)
    assert listed in str(caught.value)


def test_numbers_of_another_type_are_refused(folder):
    tensor = torch.zeros(22, dtype=torch.int64)
    resave(folder, lambda tensors: tensors.update({"pooler.dense.bias": tensor}))
    with pytest.raises(ValueError, match=r"type: pooler\.dense\.bias is int64"):
        NumpyBert.from_pretrained(folder)
    resave(folder, lambda tensors: tensors.update({"x": tensor.to(torch.float8_e5m2)}))
    with pytest.raises(ValueError, match=r"F8_E5M2.*dtype out of BF16, F64, F32"):
        NumpyBert.from_pretrained(folder)


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    "change",
    [
        {"shape": [3]},
        {"shape": "x"},
        {"shape": None},
        {"dtype": "F31"},
        {"dtype": ["F32"]},
        {"dtype": "BF16"},
        {"data_offsets": [0, 7]},
        {"data_offsets": [0, 8, 8]},
        {"data_offsets": [0.0, 8]},
        {"data_offsets": [4, 8]},
    ],
    ids=str,
)
def test_a_header_that_contradicts_itself_is_refused(change, folder):
    entry = {k: v for k, v in (ENTRY | change).items() if v is not None}
    header = json.dumps({"x": entry}).encode()
    data = bytes(entry["data_offsets"][1])
    path = folder / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + data)
    with pytest.raises(ValueError) as caught:
        NumpyBert.from_pretrained(folder)
    assert str(path) in str(caught.value)
    assert str(entry) in str(caught.value)


class Trap:
    def __reduce__(self):
        return (os.mkdir, (os.environ["TRAP"],))


def torch_saved(path):
    torch.save(Trap(), path)


def pickled(path):
    path.write_bytes(pickle.dumps(Trap()))


def numpy_saved(path):
    with path.open("wb") as file:
        np.save(file, np.array([Trap()], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("write", [pickled, torch_saved, numpy_saved])
@pytest.mark.parametrize("name", ["model.safetensors", "model-2-of-2.safetensors"])
def test_a_pickle_called_safetensors_never_runs(
    write, name, folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("TRAP", str(tmp_path / "it ran"))
    write(folder / name)
    with pytest.raises(ValueError, match=r"pickle.*Nothing was loaded"):
        NumpyBert.from_pretrained(folder)
    assert not (tmp_path / "it ran").exists()


@pytest.mark.parametrize("kept", [0, 1, 8, 100, 0.5, 0.9, -1])
def test_a_truncated_file_is_refused(kept, folder):
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if 0 < kept < 1 else kept])
    with pytest.raises(ValueError, match=r"model\.safetensors is .*Nothing was loaded"):
        NumpyBert.from_pretrained(folder)


def test_a_missing_shard_is_seen(tmp_path):
    tiny().save_pretrained(tmp_path, max_shard_size="5KB")
    sorted(tmp_path.glob("*.safetensors"))[1].unlink()
    with pytest.raises(ValueError, match=r"missing: embeddings\..*encoder\."):
        NumpyBert.from_pretrained(tmp_path)


# --- folders and configs that are refused -----------------------------------------


@pytest.mark.parametrize("name", ["/no/such/folder", "", "bert-base-uncased", "~/no"])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_that_does_not_exist_is_named(name, kind, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError) as caught:
        NumpyBert.from_pretrained(kind(name))
    for word in ["NumpyBert.from_pretrained: `name`", repr(str(kind(name))), "config"]:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_folder_without_one_of_its_files_is_refused(name, folder):
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        NumpyBert.from_pretrained(folder)


@pytest.mark.parametrize("name", [None, 7, ["minilm"], b"minilm", True])
def test_what_is_no_name_is_said(name):
    with pytest.raises(TypeError) as caught:
        NumpyBert.from_pretrained(name)
    message = str(caught.value)
    assert "NumpyBert.from_pretrained: `name` is a " in message
    assert type(name).__name__ in message
    assert "'minilm' or a folder" in message


def change_config(folder, **entries):
    """Write other entries into config.json; None takes one out."""
    path = folder / "config.json"
    config = json.loads(path.read_text("utf-8")) | entries
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"model_type": "roberta"}, ["model_type 'roberta'", "wanted 'bert'"]),
        ({"model_type": None}, ["model_type None", "wanted 'bert'"]),
        ({"hidden_act": "gelu_new"}, ["hidden_act 'gelu_new'", "wanted 'gelu'"]),
        ({"hidden_act": "relu"}, ["hidden_act 'relu'", "wanted 'gelu'"]),
        ({"is_decoder": True}, ["is_decoder True", "wanted False"]),
        ({"position_embedding_type": "relative_key"}, ["relative_key", "'absolute'"]),
        *(({name: None}, [f"lacks {name}"]) for name in SIZES),
        (
            {"vocab_size": None, "layer_norm_eps": None},
            ["lacks vocab_size, layer_norm_eps"],
        ),
        ({"num_attention_heads": 3}, ["22", "3", "evenly"]),
        ({"num_attention_heads": 0}, ["num_attention_heads 0", "positive integer"]),
        ({"hidden_size": -22}, ["hidden_size -22", "positive integer"]),
        ({"hidden_size": "22"}, ["hidden_size '22'", "positive integer"]),
        ({"num_hidden_layers": 3.0}, ["num_hidden_layers 3.0", "positive integer"]),
        ({"layer_norm_eps": "1e-3"}, ["layer_norm_eps '1e-3'", "a number from 0 on"]),
        ({"layer_norm_eps": -1}, ["layer_norm_eps -1", "a number from 0 on"]),
        ({"vocab_size": 59}, ["word_embeddings.weight is (53, 22), wanted (59, 22)"]),
        ({"num_hidden_layers": 4}, ["missing: encoder.layer.3.", "unexpected: none"]),
        ({"num_hidden_layers": 2}, ["missing: none", "unexpected: encoder.layer.2."]),
        ({"intermediate_size": 26}, ["is (13, 22), wanted (26, 22)"]),
    ],
    ids=str,
)
def test_a_config_that_is_no_bert_of_this_size_is_named(entries, words, folder):
    change_config(folder, **entries)
    with pytest.raises(ValueError) as caught:
        NumpyBert.from_pretrained(folder)
    assert str(caught.value).startswith("NumpyBert")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\0", b"\xff\xfe", b"[]", b"null", b"7"]
)
def test_a_config_that_is_no_object_is_named(content, folder):
    (folder / "config.json").write_bytes(content)
    with pytest.raises(ValueError) as caught:
        NumpyBert.from_pretrained(folder)
    assert str(caught.value).startswith("NumpyBert.from_pretrained: ")
    assert str(folder / "config.json") in str(caught.value)


def test_older_configs_say_what_is_the_default(folder):
    change_config(folder, position_embedding_type="absolute", is_decoder=None)
    assert_same(NumpyBert.from_pretrained(folder)(**INPUTS), load_encoder(folder))


def test_the_docstrings_are_right():
    assert not doctest.testmod(bert_weights).failed
