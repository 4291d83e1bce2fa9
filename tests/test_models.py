"""Tokenizer and encoder: offline, exact, and refusing what they should not load."""

import http.server
import json
import logging
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertModel
from transformers.utils import logging as transformers_logging

from course_lib import models, weights
from course_lib.models import HubUnavailable, load_encoder, load_tokenizer

pytestmark = pytest.mark.slow  # loads models again and again


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer()


@pytest.fixture(scope="module")
def encoder():
    return load_encoder()


@pytest.fixture
def no_sockets(monkeypatch):
    """Make every attempt to reach a network fail the test."""
    tried = []

    def forbidden(*arguments, **_):
        tried.append(arguments)
        raise OSError("this test has no network")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)
    yield
    assert tried == []


# --- the tokenizer --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", [101, 102]),
        ("   \t\n", [101, 102]),
        ("Hello, WORLD!", [101, 7592, 1010, 2088, 999, 102]),
        (
            "ah\u535a\u63a8zz",
            [101, 6289, 1786, 100, 1062, 2480, 102],
        ),  # 博 known, 推 not
        ("\u4eba\u4eba", [101, 1756, 1756, 102]),  # one token per ideograph
        ("\U0001f600", [101, 100, 102]),
        ("\U0001f469\u200d\U0001f467 \U0001f1e8\U0001f1ed \U0001f44d\U0001f3fd", None),
        ("caf\u00e9", [101, 7668, 102]),  # accents are stripped
        ("[MASK] [SEP]", [101, 103, 102, 102]),
        ("\x00\ufffd", [101, 102]),
        ("\ud7ff", [101, 100, 102]),  # not assigned to any character
    ],
)
def test_exact_ids(tokenizer, text, ids):
    got = tokenizer(text).input_ids
    assert got == (ids or [101, 100, 100, 100, 102])


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_tokenized_with_valid_offsets(tokenizer, text):
    encoded = tokenizer(text, return_offsets_mapping=True)
    assert [encoded.input_ids[0], encoded.input_ids[-1]] == [101, 102]
    assert all(0 <= i < 30522 for i in encoded.input_ids)
    ends = [end for _, end in encoded.offset_mapping[1:-1]]
    assert ends == sorted(ends)
    assert all(0 <= a <= b <= len(text) for a, b in encoded.offset_mapping)


def seconds(function, argument):
    start = time.process_time()  # whatever else the computer is doing
    function(argument)
    return time.process_time() - start


@pytest.mark.slow
@pytest.mark.parametrize("piece", ["good film ", "a"], ids=["text", "one word"])
def test_a_megabyte_takes_two_seconds_at_most_and_linear_time(tokenizer, piece):
    half, whole = piece * (500_000 // len(piece)), piece * (1_000_000 // len(piece))
    quick = min(seconds(tokenizer, half) for _ in range(3))
    slow = min(seconds(tokenizer, whole) for _ in range(3))
    assert slow < 2
    assert slow < 3 * quick + 0.1  # twice as long if linear, four times if quadratic


@pytest.mark.parametrize(
    ("length", "known"), [(100, True), (101, False), (10**6, False)]
)
def test_a_word_of_more_than_100_letters_is_unknown(tokenizer, length, known):
    assert (100 not in tokenizer("a" * length).input_ids) is known


@pytest.mark.parametrize("words", [0, 1, 5, 6, 7, 300, 509, 510, 511, 600])
def test_truncation_keeps_the_special_tokens(tokenizer, words):
    ids = tokenizer("good " * words, truncation=True, max_length=9).input_ids
    assert ids == [101, *[2204] * min(words, 7), 102]
    assert len(tokenizer("good " * words, truncation=True).input_ids) <= 512


@pytest.mark.parametrize(
    ("first", "second", "kept"), [(9, 2, (4, 2)), (2, 9, (2, 4)), (9, 9, (3, 3))]
)
def test_pairs_are_cut_longest_first(tokenizer, first, second, kept):
    ids = tokenizer("good " * first, "bad " * second, truncation=True, max_length=9)
    assert ids.input_ids == [101, *[2204] * kept[0], 102, *[2919] * kept[1], 102]


def test_nothing_is_cut_or_padded_unless_told(tokenizer):
    fresh = load_tokenizer()
    assert len(fresh.backend_tokenizer.encode("good " * 300).ids) == 302
    assert len(fresh.backend_tokenizer.encode("good").ids) == 3
    padded = tokenizer(["good", "good good"], padding=True)
    assert padded.attention_mask == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert padded.input_ids[0][3] == tokenizer.pad_token_id == 0


def test_a_text_too_long_for_the_model_is_said_once(monkeypatch):
    said = []
    handler = logging.Handler()
    monkeypatch.setattr(
        handler, "emit", lambda record: said.append(record.getMessage())
    )
    monkeypatch.setattr(logging.getLogger("transformers"), "handlers", [handler])
    fresh = load_tokenizer()
    fresh("good " * 600)
    fresh("good " * 600)
    assert sum("longer than the specified maximum" in message for message in said) == 1


# --- the encoder ----------------------------------------------------------------------


def vectors(encoder, tokenizer, *texts):
    batch = tokenizer(list(texts), padding=True, return_tensors="pt")
    with torch.no_grad():
        hidden = encoder(**batch).last_hidden_state
    mask = batch.attention_mask[..., None]
    mean = (hidden * mask).sum(1) / mask.sum(1)
    return torch.nn.functional.normalize(mean, dim=-1)


def test_the_encoder_is_ready_to_use(encoder):
    assert type(encoder) is BertModel
    assert not any(module.training for module in encoder.modules())
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    assert {p.device.type for p in encoder.parameters()} == {"cpu"}
    assert sum(p.numel() for p in encoder.parameters()) == 22_713_216


def test_attention_weights_are_returned_and_sum_to_one(encoder, tokenizer):
    batch = tokenizer(["A fine film.", "No."], padding=True, return_tensors="pt")
    with torch.no_grad():
        attentions = encoder(**batch, output_attentions=True).attentions
    assert len(attentions) == 6
    for layer in attentions:
        assert layer.shape == (2, 12, 6, 6)
        assert layer.sum(-1).allclose(torch.ones(2, 12, 6), atol=1e-6)
        assert layer[1, :, :, 4:].max() == 0  # padding gets nothing
    assert encoder.config._attn_implementation == "eager"


def test_the_same_text_gives_the_same_numbers_bit_for_bit(encoder, tokenizer):
    batch = tokenizer("Twice the same.", return_tensors="pt")
    with torch.no_grad():
        one, two = encoder(**batch), load_encoder()(**batch)
    assert torch.equal(one.last_hidden_state, two.last_hidden_state)


def test_paraphrases_are_closer_than_strangers(encoder, tokenizer):
    anchor, near, middle, far = vectors(
        encoder,
        tokenizer,
        "A man is eating food.",
        "A man is eating a meal.",
        "A woman is cooking dinner.",
        "The stock market fell sharply.",
    )
    assert anchor @ near > 0.85
    assert anchor @ near > anchor @ middle + 0.2 > anchor @ far + 0.4
    assert abs(anchor @ far) < 0.15


def test_published_similarities_are_found_again(encoder, tokenizer):
    # The example of the sentence-transformers documentation, Quickstart.
    weather, sunny, stadium = vectors(
        encoder,
        tokenizer,
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    )
    got = [weather @ sunny, weather @ stadium, sunny @ stadium]
    assert torch.stack(got).tolist() == pytest.approx(
        [0.6660, 0.1046, 0.1411], abs=2e-4
    )


def test_padding_does_not_change_a_vector(encoder, tokenizer):
    alone = vectors(encoder, tokenizer, "Short.")[0]
    beside = vectors(encoder, tokenizer, "Short.", "A very much longer sentence.")[0]
    assert alone.allclose(beside, atol=1e-6)


def test_two_encoders_share_no_memory(encoder):
    mine = load_encoder()
    before = encoder.embeddings.word_embeddings.weight[7].clone()
    with torch.no_grad():
        mine.embeddings.word_embeddings.weight[7] = 0
    assert torch.equal(encoder.embeddings.word_embeddings.weight[7], before)
    assert torch.equal(load_encoder().embeddings.word_embeddings.weight[7], before)


def test_loading_draws_no_random_numbers():
    before = torch.get_rng_state()
    load_encoder()
    assert torch.equal(torch.get_rng_state(), before)


# --- quiet and offline ----------------------------------------------------------------


def test_loading_opens_no_socket(no_sockets):
    load_tokenizer()
    load_encoder()


@pytest.mark.slow
def test_a_fresh_process_opens_no_socket_either():
    code = """
import sys
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        print(event, arguments)
sys.addaudithook(watch)
from course_lib.models import load_encoder, load_tokenizer
load_tokenizer(); load_encoder(); load_encoder()
print("loaded")
"""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert (result.stdout, result.stderr) == ("loaded\n", "")


def settings():
    return (
        transformers_logging.get_verbosity(),
        transformers_logging.is_progress_bar_enabled(),
    )


def test_loading_prints_nothing_and_restores_the_settings(capfd):
    before = settings()
    load_tokenizer()
    load_encoder()
    assert capfd.readouterr() == ("", "")
    assert settings() == before


def test_a_failed_load_restores_the_settings_too(tmp_path):
    before = settings()
    with pytest.raises(OSError, match="config"):
        load_encoder(broken(tmp_path, "config.json", b"{"))
    assert settings() == before


def test_saved_files_do_not_tell_this_computers_paths(encoder, tokenizer, tmp_path):
    encoder.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    for path in tmp_path.glob("*.json"):
        assert "site-packages" not in path.read_text("utf-8")
    assert encoder.config.name_or_path == tokenizer.name_or_path == "minilm"


# --- folders --------------------------------------------------------------------------


def tiny(**changes):
    settings = {
        "vocab_size": 11,
        "hidden_size": 6,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 5,
    }
    return BertConfig(**{**settings, **changes})


def broken(folder, name=None, content=b""):
    """Save a tiny encoder and spoil one of its files."""
    BertModel(tiny()).save_pretrained(folder)
    if name:
        (folder / name).write_bytes(content)
    return folder


@pytest.mark.parametrize("kind", [str, Path])
def test_a_folder_gives_back_what_was_saved(tmp_path, kind, no_sockets):
    saved = BertModel(tiny())
    saved.save_pretrained(tmp_path)
    loaded = load_encoder(kind(tmp_path))
    assert not loaded.training
    assert loaded.config._attn_implementation == "eager"
    for one, two in zip(saved.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(one, two)


def test_half_precision_is_read_as_float32(tmp_path):
    BertModel(tiny()).half().save_pretrained(tmp_path)
    assert {p.dtype for p in load_encoder(tmp_path).parameters()} == {torch.float32}


def test_a_folder_gives_back_its_tokenizer(tokenizer, tmp_path, no_sockets):
    tokenizer.save_pretrained(tmp_path)
    assert load_tokenizer(tmp_path)("Good.") == tokenizer("Good.")


def test_a_folder_without_vocabulary_is_refused(tmp_path):
    # transformers would make a tokenizer that knows five special tokens and no word.
    with pytest.raises(FileNotFoundError, match=r"no vocabulary.*tokenizer\.json"):
        load_tokenizer(broken(tmp_path))


def resave(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def drop(tensors):
    del tensors["encoder.layer.0.output.dense.bias"]


def add(tensors):
    tensors["foreign.weight"] = torch.zeros(2)


def reshape(tensors):
    tensors["pooler.dense.weight"] = torch.zeros(6, 7)


def everything(tensors):
    drop(tensors), add(tensors), reshape(tensors)


LISTED = {
    drop: "missing: encoder.layer.0.output.dense.bias; unexpected: none; wrong sha",
    add: "missing: none; unexpected: foreign.weight; wrong shape: none",
    reshape: (
        "missing: none; unexpected: none; "
        "wrong shape: pooler.dense.weight is (6, 7), wanted (6, 6)"
    ),
    everything: (
        "missing: encoder.layer.0.output.dense.bias; unexpected: foreign.weight; "
        "wrong shape: pooler.dense.weight is (6, 7), wanted (6, 6)"
    ),
}


@pytest.mark.parametrize("change", LISTED)
def test_weights_that_do_not_fit_are_listed_in_one_error(change, tmp_path, capfd):
    resave(broken(tmp_path), change)
    capfd.readouterr()  # saving has a progress bar
    with pytest.raises(RuntimeError) as error:
        load_encoder(tmp_path)
    assert LISTED[change] in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("setting", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_another_configuration_does_not_fit(setting, tmp_path):
    broken(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config[setting] *= 2
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RuntimeError, match=r"don't fit its config\.json"):
        load_encoder(tmp_path)


def test_a_model_with_a_head_says_what_is_too_much(tmp_path):
    BertForMaskedLM(tiny()).save_pretrained(tmp_path)
    with pytest.raises(
        RuntimeError, match=r"missing: pooler\.dense.*unexpected: cls\."
    ):
        load_encoder(tmp_path)


class Trap:
    def __reduce__(self):
        return (os.mkdir, (os.environ["TRAP"],))


def pickled(path):
    path.write_bytes(pickle.dumps(Trap()))


def torch_saved(path):
    torch.save(Trap(), path)


def numpy_saved(path):
    with path.open("wb") as file:
        np.save(file, np.array([Trap()], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("write", [pickled, torch_saved, numpy_saved])
@pytest.mark.parametrize(
    "name", ["model.safetensors", "pytorch_model.bin", "model.pt", "w.pkl", "w.npy"]
)
def test_a_pickle_is_refused_and_never_runs(write, name, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "it ran"))
    folder = tmp_path / "model"
    broken(folder)
    (folder / "model.safetensors").unlink()
    write(folder / name)
    with pytest.raises(ValueError, match=r"pickle.*Nothing was loaded"):
        load_encoder(folder)
    with pytest.raises(ValueError, match=r"pickle.*Nothing was loaded"):
        load_encoder(folder / name)
    assert os.listdir(tmp_path) == ["model"]


def test_a_pickle_beside_good_weights_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "it ran"))
    pickled(broken(tmp_path) / "pytorch_model.bin")
    load_encoder(tmp_path)
    assert not (tmp_path / "it ran").exists()


def test_shards_must_be_safetensors_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "it ran"))
    folder = broken(tmp_path / "model")
    index = {"weight_map": {"pooler.dense.bias": "../evil.bin"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").rename(folder / "model-1-of-2.safetensors")
    pickled(tmp_path / "evil.bin")
    with pytest.raises(ValueError, match=r"names \.\./evil\.bin"):
        load_encoder(folder)
    assert not (tmp_path / "it ran").exists()


def test_an_index_of_pickles_beside_good_weights_is_left_alone(tmp_path):
    index = json.dumps({"weight_map": {"pooler.dense.bias": "pytorch_model-1.bin"}})
    load_encoder(broken(tmp_path, "pytorch_model.bin.index.json", index.encode()))


def test_sharded_weights_are_read(tmp_path):
    saved = BertModel(tiny())
    saved.save_pretrained(tmp_path, max_shard_size="1KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    loaded = load_encoder(tmp_path)
    assert torch.equal(saved.pooler.dense.weight, loaded.pooler.dense.weight)


def test_code_that_comes_with_a_model_is_never_run(tmp_path):
    folder = broken(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "evil.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(folder / 'it ran')!r}, 'w')")
    with pytest.raises(ValueError, match="trust_remote_code"):
        load_encoder(folder)
    assert not (folder / "it ran").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_folder_without_one_of_its_files_is_refused(name, tmp_path):
    (broken(tmp_path) / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_encoder(tmp_path)


def test_truncated_weights_are_refused(tmp_path):
    folder = broken(tmp_path)
    whole = (folder / "model.safetensors").read_bytes()
    broken(tmp_path, "model.safetensors", whole[:-1])
    with pytest.raises(ValueError, match="truncated"):
        load_encoder(folder)


@pytest.mark.parametrize("load", [load_encoder, load_tokenizer])
@pytest.mark.parametrize("name", ["/no/such/folder", "../gone", "a/b/c", "", "a b"])
def test_what_is_neither_folder_nor_hub_name_is_said(load, name, no_sockets):
    with pytest.raises(FileNotFoundError) as error:
        load(name)
    assert f"{load.__name__}: `name` {name!r} is no existing folder" in str(error.value)


@pytest.mark.parametrize("name", [None, 7, ["minilm"]])
def test_a_name_of_another_type_is_said(name):
    with pytest.raises(TypeError, match=r"load_encoder: `name` is a \w+, wanted"):
        load_encoder(name)


def test_an_altered_embedded_model_is_refused(monkeypatch):
    monkeypatch.setitem(weights.FILES, "config.json", "0" * 64)
    with pytest.raises(RuntimeError, match="pip install --force-reinstall"):
        load_encoder()


# --- the hub --------------------------------------------------------------------------


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of a model hub as loading needs, serving one folder as `tests/tiny`."""

    folder, illness, asked = None, None, ()
    commit = "1234567890abcdef1234567890abcdef12345678"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(send_body=False)

    def do_GET(self):
        self.answer(send_body=True)

    def answer(self, send_body):
        self.asked.append(self.path)
        if self.illness == "silent":
            return time.sleep(5)
        if isinstance(self.illness, int):
            return self.refuse(self.illness)
        if self.illness == "gated":
            return self.refuse(403, {"X-Error-Code": "GatedRepo"})
        prefix = "/tests/tiny/resolve/"
        path = self.folder / self.path.rpartition("/")[2]
        if not self.path.startswith(prefix) or not path.is_file():
            return self.refuse(404, {"X-Error-Code": "EntryNotFound"})
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hash(body)}"')
        self.send_header("X-Repo-Commit", self.commit)
        self.end_headers()
        if send_body:
            self.wfile.write(body)

    def refuse(self, status, headers=None):
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", "0")
        self.end_headers()


@pytest.fixture(scope="module")
def server():
    # One for all tests, since transformers remembers the first hub that it talked to.
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(server, tmp_path, monkeypatch, tokenizer):
    """A hub on 127.0.0.1 with one model, and an empty cache."""
    BertForMaskedLM(tiny(vocab_size=30522)).save_pretrained(tmp_path / "served")
    tokenizer.save_pretrained(tmp_path / "served")
    monkeypatch.setattr(Hub, "folder", tmp_path / "served")
    monkeypatch.setattr(Hub, "illness", None)
    monkeypatch.setattr(Hub, "asked", [])
    point_to(monkeypatch, f"http://127.0.0.1:{server.server_port}", tmp_path / "cache")
    return Hub


def point_to(monkeypatch, endpoint, cache):
    constants = huggingface_hub.constants
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_hub_model_is_loaded_then_comes_from_the_cache(hub, monkeypatch):
    with pytest.warns(UserWarning, match="no weights for pooler"):
        online = load_encoder("tests/tiny")
    assert load_tokenizer("tests/tiny").tokenize("good") == ["good"]
    hub.illness = 500
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = load_encoder("tests/tiny")
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        offline = load_encoder("tests/tiny")
    assert load_tokenizer("tests/tiny").tokenize("good") == ["good"]
    for other in (again, offline):
        one, two = online.embeddings.word_embeddings, other.embeddings.word_embeddings
        assert torch.equal(one.weight, two.weight)


def assert_optional(load, reason, name="tests/tiny", within=10):
    start = time.monotonic()
    with pytest.raises(HubUnavailable) as error:
        load(name)
    assert time.monotonic() - start < within
    message = str(error.value)
    assert message.startswith(
        f"{load.__name__}: `name` '{name}' is not on this computer"
    )
    assert "It is optional; the lesson goes on without it." in message
    assert f"{load.__name__}('minilm') always works." in message
    assert reason in message
    assert "\n" not in message


each_load = pytest.mark.parametrize("load", [load_encoder, load_tokenizer])


@each_load
@pytest.mark.parametrize(
    ("illness", "reason"), [(404, ""), (500, "can't be reached"), ("gated", "gated")]
)
def test_an_ill_hub_means_optional(hub, load, illness, reason):
    hub.illness = illness
    assert_optional(load, reason)


@each_load
def test_a_silent_hub_is_not_waited_for(hub, load, monkeypatch):
    monkeypatch.setattr(models, "_HUB_PATIENCE", 0.5)
    hub.illness = "silent"
    assert_optional(load, "the hub gave no answer in 0.5 s", within=2)


@each_load
def test_no_network_means_optional(load, monkeypatch, tmp_path):
    point_to(monkeypatch, "http://127.0.0.1:9", tmp_path)
    assert_optional(load, "can't be reached")


@each_load
def test_no_name_server_means_optional(load, monkeypatch, tmp_path):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    point_to(monkeypatch, "http://hub.invalid", tmp_path)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert_optional(load, "can't be reached")


@each_load
def test_offline_mode_opens_no_socket(load, monkeypatch, tmp_path, no_sockets):
    point_to(monkeypatch, "http://127.0.0.1:9", tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert_optional(load, "")


def test_a_hub_model_that_is_only_a_pickle_is_not_loaded(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("TRAP", str(tmp_path / "it ran"))
    (hub.folder / "model.safetensors").unlink()
    pickled(hub.folder / "pytorch_model.bin")
    assert_optional(load_encoder, "has no model.safetensors")
    assert not (tmp_path / "it ran").exists()


def cached(hub, *names):
    """Put these files of the served model into the cache, as a broken-off load does."""
    repository = hub.folder.parent / "cache" / "models--tests--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(hub.commit)
    (repository / "snapshots" / hub.commit).mkdir(parents=True)
    for name in names:
        content = (hub.folder / name).read_bytes()
        (repository / "snapshots" / hub.commit / name).write_bytes(content)


def test_a_cached_pickle_is_not_loaded_even_if_harmless(hub):
    BertModel(tiny()).save_pretrained(hub.folder)
    torch.save(BertModel(tiny()).state_dict(), hub.folder / "pytorch_model.bin")
    cached(hub, "config.json", "pytorch_model.bin")
    hub.illness = 500
    assert_optional(load_encoder, "can't be reached")


@each_load
def test_a_half_cached_model_and_a_dead_hub_mean_optional(hub, load):
    cached(hub, "config.json")
    hub.illness = 500
    assert_optional(load, "can't be reached")
    # No service was asked to convert anything, no list of files was waited for.
    assert {path.split("/")[3] for path in hub.asked} == {"resolve"}


@each_load
def test_a_half_cached_model_is_completed(hub, load):
    cached(hub, "config.json")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load("tests/tiny")


def test_wrong_shapes_from_the_hub_are_an_error(hub):
    resave(
        hub.folder,
        lambda t: t.update({"bert.embeddings.LayerNorm.bias": torch.ones(7)}),
    )
    with pytest.raises(RuntimeError, match=r"LayerNorm.bias is \(7,\), wanted \(6,\)"):
        load_encoder("tests/tiny")
