"""A published BERT's folder: its config, and its weights without copying them.

A file of weights is mapped into memory: a page of it is read when it is first used, and
all processes that map the file share the pages.
"""

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from course_lib.weights import check_safetensors, minilm_folder

NAME = "NumpyBert.from_pretrained"
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4"}
OLD_NAMES = {"gamma": "weight", "beta": "bias"}  # of LayerNorm, in files of 2018
NOT_WEIGHTS = "embeddings.position_ids"  # 0, 1, 2 ...: older files keep them


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a BERT, named as in its config.json."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    layer_norm_eps: float
    hidden_act: str


def bert_folder(name):
    """Return the folder that `name` means: "minilm", or a path.

    Raises
    ------
    TypeError, FileNotFoundError
        If it is no name, no folder, or has no config.json and weights.
    """
    if not isinstance(name, str | os.PathLike):
        kind = type(name).__name__
        raise TypeError(f"{NAME}: `name` is a {kind}, wanted 'minilm' or a folder")
    if name == "minilm":
        return minilm_folder()
    folder = Path(name).expanduser()
    if not (folder / "config.json").is_file() or not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(
            f"{NAME}: `name` {str(name)!r} is no folder with config.json and "
            "model.safetensors; wanted one as model.save_pretrained(folder) writes it"
        )
    return folder


def read_config(folder):
    """Return the `BertConfig` of a folder; raise ValueError unless it is a BERT's."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ValueError(f"{NAME}: {path} is no JSON: {error}") from None
    if not isinstance(config, dict):
        raise ValueError(f"{NAME}: {path} holds no settings, wanted {{name: value}}")
    wanted = {
        "model_type": ("bert",),
        "position_embedding_type": (None, "absolute"),
        "is_decoder": (None, False),
        "hidden_act": ("gelu",),
    }
    for key, allowed in wanted.items():
        if (got := config.get(key)) not in allowed:
            raise ValueError(
                f"{NAME}: {path} has {key} {got!r}, wanted "
                f"{allowed[-1]!r}: a BERT encoder as Devlin et al. 2019 made it"
            )
    names = [field.name for field in fields(BertConfig)]
    if missing := [name for name in names if name not in config]:
        raise ValueError(f"{NAME}: {path} lacks {', '.join(missing)}")
    for field in fields(BertConfig):
        got = config[field.name]
        fits = {
            int: type(got) is int and got > 0,
            float: type(got) in (int, float) and got >= 0,
            str: True,  # seen above
        }
        if not fits[field.type]:
            kind = "a number from 0 on" if field.type is float else "a positive integer"
            raise ValueError(f"{NAME}: {path} has {field.name} {got!r}, wanted {kind}")
    return BertConfig(**{name: config[name] for name in names})


def read_weights(folder, config):
    """Return the encoder's arrays by name, float32, mapped where they are stored so.

    Raises
    ------
    ValueError
        If a file is not whole safetensors (see `check_safetensors`), or a tensor is
        missing, unexpected or of another shape than the config says: all are listed.
    """
    arrays = {}
    for path in sorted(folder.glob("*.safetensors")):
        arrays |= read_safetensors(path)
    # With a head on top, the encoder is the part called bert, and the rest is the head.
    inside = {n[5:]: array for n, array in arrays.items() if n.startswith("bert.")}
    arrays = {new_name(name): array for name, array in (inside or arrays).items()}
    arrays.pop(NOT_WEIGHTS, None)
    check_fit(folder, arrays, shapes(config))
    return {n: a.astype(np.float32, copy=False) for n, a in arrays.items()}


def read_safetensors(path):
    """Return all arrays of a safetensors file by name, mapped and read-only.

    NumPy has no bfloat16: such an array becomes a float32 copy.
    """
    check_safetensors(path)
    data = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    start = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:start].tobytes())
    header.pop("__metadata__", None)
    return {name: tensor(path, data[start:], entry) for name, entry in header.items()}


def tensor(path, data, entry):
    """Return one array of the file's data as its header's entry describes it."""
    try:
        begin, end = entry["data_offsets"]
        part, dtype = data[begin:end], entry["dtype"]
        if dtype == "BF16":  # the upper half of a float32
            part = (part.view("<u2").astype(np.uint32) << 16).view(np.uint8)
            dtype = "F32"
        return part.view(DTYPES[dtype]).reshape(entry["shape"])
    except (KeyError, TypeError, ValueError):
        raise ValueError(
            f"{NAME}: {path} describes a tensor as {entry}, wanted shape, data_offsets "
            f"that fit it, and a dtype out of BF16, {', '.join(DTYPES)}"
        ) from None


def new_name(name):
    """Return a tensor's name as newer files spell it."""
    stem, _, last = name.rpartition(".")
    return f"{stem}.{OLD_NAMES.get(last, last)}"


def shapes(config):
    """Return the shape of every tensor of a BERT encoder, by name."""
    hidden, inner = config.hidden_size, config.intermediate_size
    norm = {"weight": (hidden,), "bias": (hidden,)}
    square = {"weight": (hidden, hidden), "bias": (hidden,)}
    modules = {
        "embeddings.word_embeddings": {"weight": (config.vocab_size, hidden)},
        "embeddings.position_embeddings": {
            "weight": (config.max_position_embeddings, hidden)
        },
        "embeddings.token_type_embeddings": {
            "weight": (config.type_vocab_size, hidden)
        },
        "embeddings.LayerNorm": norm,
        "pooler.dense": square,
    }
    for layer in range(config.num_hidden_layers):
        modules |= {
            f"encoder.layer.{layer}.{name}": module
            for name, module in {
                "attention.self.query": square,
                "attention.self.key": square,
                "attention.self.value": square,
                "attention.output.dense": square,
                "attention.output.LayerNorm": norm,
                "intermediate.dense": {"weight": (inner, hidden), "bias": (inner,)},
                "output.dense": {"weight": (hidden, inner), "bias": (hidden,)},
                "output.LayerNorm": norm,
            }.items()
        }
    return {
        f"{m}.{n}": shape for m, part in modules.items() for n, shape in part.items()
    }


def check_fit(folder, arrays, wanted):
    """Raise one ValueError that lists all tensors that do not fit the config."""
    has_pooler = any(name.startswith("pooler.") for name in arrays)
    missing = [
        n for n in wanted.keys() - arrays.keys() if has_pooler or n[:6] != "pooler"
    ]
    wrong = [
        f"{name} is {arrays[name].shape}, wanted {wanted[name]}"
        for name in wanted.keys() & arrays.keys()
        if arrays[name].shape != wanted[name]
    ]
    wrong += [f"{n} is {a.dtype}" for n, a in arrays.items() if a.dtype.kind != "f"]
    groups = {
        "missing": missing,
        "unexpected": arrays.keys() - wanted.keys(),
        "wrong shape or type": wrong,
    }
    if any(groups.values()):
        listed = [f"{k}: {', '.join(sorted(v)) or 'none'}" for k, v in groups.items()]
        raise ValueError(
            f"{NAME}: the weights in {folder} don't fit its config.json. "
            f"{'; '.join(listed)}"
        )
