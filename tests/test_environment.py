"""Making `.venv`, and what may go wrong meanwhile. Each test has its own checkout."""

import http.server
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from course_lib import environment

COURSE = environment.COURSE
MAKE = [
    "import sys; from course_lib import environment as e",
    "try: e.make()",
    "except e.SetupError as error: sys.exit(f'course_lib: {error}')",
]


@pytest.fixture
def checkout(tmp_path):
    """A course in a folder with a space and a letter beyond ASCII, without needs."""
    place = tmp_path / "mein Kurs ü"
    for path in [*(COURSE / "course_lib").glob("*.py")]:
        (place / "course_lib").mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / "course_lib")
    shutil.copytree(COURSE / "course_lib" / "commands", place / "course_lib/commands")
    (place / "requirements.txt").write_text("# nothing\n")
    return place


def make(checkout, wait=True, **env):
    """Run `environment.make()` there in a fresh Python."""
    quick = {"PIP_RETRIES": "1", "PIP_TIMEOUT": "5", "PIP_NO_CACHE_DIR": "1"}
    started = subprocess.Popen(
        [sys.executable, "-c", "\n".join(MAKE)],
        cwd=checkout,
        env=os.environ | quick | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    if not wait:
        return started
    said, _ = started.communicate(timeout=120)
    return started.returncode, said


def ready(checkout):
    code = "from course_lib import environment as e; print(e.is_ready())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip() == "True"


@pytest.fixture
def index():
    """A package index on this machine that answers each request with 404, or hangs."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            while self.server.hangs:
                time.sleep(0.1)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hangs = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.url = f"http://127.0.0.1:{server.server_port}/simple"
    yield server
    server.hangs = False
    server.shutdown()


@pytest.mark.slow
def test_makes_it_once_and_is_then_ready(checkout):
    code, said = make(checkout)
    assert code == 0, said
    assert "[1/2]" in said
    assert "[2/2]" in said
    assert ready(checkout)
    assert make(checkout) == (0, "")  # a second time there is nothing to do or to say
    news = checkout / ".venv/etc/jupyter/labconfig/default_setting_overrides.json"
    assert '"fetchNews": "false"' in news.read_text()


@pytest.mark.slow
def test_a_changed_requirements_file_is_installed_on_top(checkout):
    make(checkout)
    mine = checkout / ".venv" / "kept"
    mine.touch()
    (checkout / "requirements.txt").write_text("# nothing more\n")
    assert not ready(checkout)
    code, _ = make(checkout)
    assert code == 0
    assert mine.exists()
    assert ready(checkout)


@pytest.mark.slow
def test_a_moved_checkout_makes_it_anew(checkout):
    make(checkout)
    moved = checkout.with_name("moved")
    checkout.rename(moved)
    assert not ready(moved)
    code, said = make(moved)
    assert code == 0
    assert "was made in another folder" in said
    assert ready(moved)


@pytest.mark.slow
def test_killed_in_its_middle_the_next_run_starts_afresh(checkout, index):
    index.hangs = True
    (checkout / "requirements.txt").write_text("six==1.17.0\n")
    process = make(checkout, wait=False, PIP_INDEX_URL=index.url)
    until = time.monotonic() + 60
    while "[2/2]" not in process.stdout.readline():
        assert time.monotonic() < until
    time.sleep(1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    half_made = checkout / ".venv" / "half-made"
    half_made.touch()
    assert not ready(checkout)
    (checkout / "requirements.txt").write_text("# nothing\n")
    code, said = make(checkout)
    assert code == 0
    assert "is half-made" in said
    assert not half_made.exists()
    assert ready(checkout)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["no network", "nothing there"])
def test_without_a_network_it_says_so_in_one_sentence(checkout, index, kind):
    url = "http://127.0.0.1:9/simple" if kind == "no network" else index.url
    (checkout / "requirements.txt").write_text("six==1.17.0\n")
    away = {"PIP_INDEX_URL": url, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    code, said = make(checkout, **away, PIP_CONFIG_FILE=os.devnull)
    assert code == 1
    assert "Traceback" not in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("course_lib: ")
    if kind == "no network":
        assert "could not be reached" in last
        assert "run the same command again" in last
    else:
        assert "six==1.17.0" in last
    assert not ready(checkout)


@pytest.mark.slow
def test_two_at_once_wait_for_each_other(checkout):
    both = [make(checkout, wait=False) for _ in range(2)]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("Setting up" in text for text in said) == 1
    assert ready(checkout)


def test_a_read_only_checkout_is_named(checkout):
    (checkout / ".venv").write_text("a file where a folder should be")
    code, said = make(checkout)
    assert code == 1
    assert "Traceback" not in said
    assert ".venv" in said
    assert "Then run the same command again" in said


def test_too_little_disk_is_said_before_the_work(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "VENV", tmp_path / ".venv")
    usage = shutil._ntuple_diskusage(10**10, 10**10 - 10**9, 10**9)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(environment.SetupError, match=r"1\.0 GB free.* about 3 GB"):
        environment.check_disk()


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("OSError: [Errno 28] No space left on device", "disk became full"),
        ("ConnectTimeoutError(<x>, 'timed out')\nERROR: No matching", "be reached"),
        ("NewConnectionError(Connection refused)", "could not be reached"),
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM", "pip cache purge"),
        ("ERROR: torch needs wheels\n", "(ERROR: torch needs wheels)"),
        ("", "no reason given"),
    ],
)
def test_pips_failures_become_one_sentence(log, words):
    assert words in environment.why_pip_failed(log)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk")
@pytest.mark.skipif(os.name != "posix" or os.geteuid(), reason="mounting needs root")
@pytest.mark.slow
def test_a_full_disk_is_said_and_does_not_break_the_next_run(checkout, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=9m", "tmpfs", str(small)]
    if subprocess.run(words, check=False).returncode:
        pytest.skip("this machine lets nobody mount")
    try:
        shutil.copytree(checkout, small / "course")
        text = MAKE[0] + "; e.DISK_NEEDED = 0"
        command = [sys.executable, "-c", "\n".join([text, *MAKE[1:]])]
        done = subprocess.run(
            command, cwd=small / "course", capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "disk became full" in done.stderr
        assert "Traceback" not in done.stderr
        subprocess.run(["mount", "-o", "remount,size=99m", str(small)], check=True)
        code, said = make(small / "course")
        assert code == 0, said
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_started_by_its_path_from_another_folder(checkout, tmp_path):
    done = subprocess.run(
        [sys.executable, str(checkout / "course_lib"), "lab", "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--no-browser" in done.stdout


def test_an_old_python_is_told_what_to_do(tmp_path):
    old = "import sys; sys.version_info = (3, 8, 1); import runpy; "
    code = old + "runpy.run_module('course_lib', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=COURSE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "this is Python 3.8, and the course needs 3.11" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_jupyter_writes_stays_in_the_checkout(monkeypatch):
    monkeypatch.setattr(os, "environ", dict(os.environ))
    environment.isolate()
    names = ["JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "MPLCONFIGDIR"]
    for name in names:
        assert Path(os.environ[name]).is_relative_to(COURSE)
