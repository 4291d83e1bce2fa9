"""Makes `.venv` inside the checkout and enters it. Runs on the standard library alone.

Two files tell the life of `.venv`. `course_making.txt` stands there while it is being
made: whoever finds it later has found a half-made one, and starts afresh.
`course_ready.json` is written last and says from what it was made: a changed
requirements.txt is installed on top, a moved checkout makes it anew.
"""

import collections
import contextlib
import errno
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

COURSE = Path(__file__).resolve().parent.parent
VENV = COURSE / ".venv"
REQUIREMENTS = COURSE / "requirements.txt"
READY = VENV / "course_ready.json"
MAKING = VENV / "course_making.txt"
PROVEN = (3, 11)  # newer Pythons may well do; no test has shown it
DISK_NEEDED = 3 * 10**9  # .venv weighs 2.0 GB with the CPU-only torch, and pip unpacks
DISK_FULL = "the disk became full during set-up. Make room."
AGAIN = "Then run the same command again."


class SetupError(RuntimeError):
    """Set-up can't go on; the message says why, and what to do."""


def enter(arguments):
    """Return if this is the course's environment, else restart the command there.

    Parameters
    ----------
    arguments : list of str
        The command's words, as in ``python3 -m course_lib WORDS``.

    Raises
    ------
    SetupError
        `.venv` can't be made; nothing is left that breaks the next try.
    """
    isolate()
    if not is_inside() and is_installed_here():
        return  # somebody ran `pip install -r requirements.txt` in a place of their own
    if not is_ready():
        make()
    if not is_inside():
        restart(arguments)


def isolate():
    """Keep what Jupyter, IPython and matplotlib write inside the checkout."""
    home = COURSE / ".jupyter"
    os.environ.update(
        JUPYTER_CONFIG_DIR=str(home / "config"),
        JUPYTER_DATA_DIR=str(home / "data"),
        JUPYTER_RUNTIME_DIR=str(home / "runtime"),
        JUPYTERLAB_SETTINGS_DIR=str(home / "lab" / "settings"),
        JUPYTERLAB_WORKSPACES_DIR=str(home / "lab" / "workspaces"),
        IPYTHONDIR=str(home / "ipython"),
        MPLCONFIGDIR=str(home / "matplotlib"),
    )


def is_inside():
    """Whether this Python is the one of `.venv`."""
    return Path(sys.prefix).resolve() == VENV.resolve()


def is_installed_here():
    """Whether this Python has course_lib, the last line of requirements.txt."""
    try:
        origin = importlib.metadata.distribution("course-lib").read_text(
            "direct_url.json"
        )
    except importlib.metadata.PackageNotFoundError:
        return False
    return origin is not None and json.loads(origin).get("url") == COURSE.as_uri()


def restart(arguments):
    """Run the same command with the Python of `.venv`; never returns."""
    # The folder, not `-m`: the working directory may hold another course_lib.
    command = [str(venv_python()), str(COURSE / "course_lib"), *arguments]
    sys.stdout.flush()
    if os.name == "posix":
        os.execv(command[0], command)  # one process, so that signals reach the server
    sys.exit(subprocess.run(command, check=False).returncode)


def venv_python():
    """Where the Python of `.venv` lies."""
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def recipe():
    """From what `.venv` is made; any difference means that there is work to do."""
    text = REQUIREMENTS.read_bytes()
    return {"place": str(COURSE), "requirements": hashlib.sha256(text).hexdigest()}


def is_ready():
    """Whether `.venv` is whole, stands where it was made, and fits requirements.txt."""
    return venv_python().exists() and not MAKING.exists() and made_from() == recipe()


def made_from():
    """What `course_ready.json` says, or {} where there is none that can be read."""
    try:
        return json.loads(READY.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


# --- making it ------------------------------------------------------------------------


def make():
    """Make or renew `.venv`; two commands at once wait for each other."""
    with one_at_a_time():
        if is_ready():
            return  # the other one has just made it
        try:
            fill()
        except OSError as error:
            raise SetupError(why_not_written(error)) from error


def fill():
    """All steps from nothing to a `.venv` that is ready."""
    check_disk()
    clear_the_ground()
    started = time.monotonic()
    print("Setting up the course in .venv (once; a few minutes).", flush=True)
    if sys.version_info[:2] != PROVEN:
        print("  Proven on Python 3.11; this is {}.{}.".format(*sys.version_info))
    print("[1/2] An empty environment", flush=True)
    make_empty()
    print("[2/2] The packages of requirements.txt", flush=True)
    install()
    silence_news()
    write_atomically(READY, json.dumps(recipe(), indent=1).encode())
    MAKING.unlink()
    print(f"Done in {time.monotonic() - started:.0f} s.", flush=True)


def why_not_written(error):
    """One sentence for what a disk can refuse."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{DISK_FULL} {AGAIN}"
    where = error.filename or COURSE
    return f"can't write {where} ({error.strerror}). Make it writable. {AGAIN}"


@contextlib.contextmanager
def one_at_a_time():
    """Hold a lock that the system frees even if this process is killed."""
    lock = sqlite3.connect(":memory:")  # no lock where the disk knows of none
    with contextlib.suppress(sqlite3.OperationalError):
        lock = sqlite3.connect(COURSE / ".setup.lock", timeout=0.2)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            print("Another command sets up the course; waiting for it.", flush=True)
            lock.execute("PRAGMA busy_timeout = 3600000")
            lock.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        lock.close()


def check_disk():
    """Say before the work, not in its middle, that the disk is too small."""
    free = shutil.disk_usage(COURSE).free
    if not venv_python().exists() and free < DISK_NEEDED:
        raise SetupError(
            f"the disk has {free / 1e9:.1f} GB free, and set-up needs about "
            f"{DISK_NEEDED / 1e9:.0f} GB. Make room. {AGAIN}"
        )


def clear_the_ground():
    """Remove a half-made or moved `.venv`; mark the new one as being made."""
    moved = made_from().get("place", str(COURSE)) != str(COURSE)
    if MAKING.exists() or moved:
        why = "was made in another folder" if moved else "is half-made"
        print(f"The .venv that is here {why}: making it anew.", flush=True)
        shutil.rmtree(VENV)
    VENV.mkdir(exist_ok=True)
    MAKING.write_text("course_lib is making this .venv, or was stopped in its middle.")


def make_empty():
    """A virtual environment with pip."""
    base = getattr(sys, "_base_executable", sys.executable)
    made = subprocess.run(
        [base, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        if shutil.disk_usage(COURSE).free < 50e6:  # it hides pip's own complaint
            raise SetupError(f"{DISK_FULL} {AGAIN}")
        said = (made.stdout + made.stderr).strip().splitlines() or ["no reason given"]
        raise SetupError(
            f"Python could not make a virtual environment ({said[0]}). On Debian and "
            f"Ubuntu `apt install python3-venv` helps. {AGAIN}"
        )


def install():
    """Install requirements.txt with pip, telling what it is at."""
    lines = collections.deque(maxlen=2000)
    pip = [str(venv_python()), "-m", "pip", "install", "--no-input"]
    process = subprocess.Popen(
        [*pip, "--progress-bar=off", "-r", str(REQUIREMENTS)],
        cwd=COURSE,  # `-e .` is read from here
        env=os.environ | {"PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    reader = threading.Thread(target=lines.extend, args=[process.stdout], daemon=True)
    reader.start()
    try:
        show_progress(process, lines)
    except BaseException:
        process.kill()
        raise
    reader.join()
    if process.returncode:
        log = COURSE / "build" / "pip.log"
        with contextlib.suppress(OSError):
            log.parent.mkdir(exist_ok=True)
            log.write_text("".join(lines), encoding="utf-8")
        raise SetupError(why_pip_failed("".join(lines)))


def show_progress(process, lines):
    """One line that is written over, or, into a file, a line for each large step."""
    started, told = time.monotonic(), ""
    while process.poll() is None:
        time.sleep(0.2)
        now = step_of(lines[-1]) if lines else ""
        if sys.stdout.isatty():
            seconds = f"{time.monotonic() - started:4.0f} s"
            told = now or told
            print(f"\r      {seconds}  {told:.60}\033[K", end="", flush=True)
        elif now and now != told and ("MB)" in now or "unpacking" in now):
            told = now
            print(f"      {told}", flush=True)
    if sys.stdout.isatty():
        print("\r\033[K", end="")


def step_of(line):
    """What a line of pip's says to a person who waits, or "".

    >>> step_of("  Downloading torch-2.13.0-cp311-none-any.whl (190.9 MB)")
    'downloading torch 2.13.0 (190.9 MB)'
    >>> step_of("Installing collected packages: zipp, torch, numpy")
    'unpacking 3 packages'
    """
    words = line.split()
    if line.startswith("Collecting"):
        return f"looking up {words[1]}"
    if words[:1] == ["Downloading"]:
        name, version, *_ = [*Path(words[1]).name.split("-"), ""]
        return " ".join(["downloading", name, version.removesuffix(".tar"), *words[2:]])
    if line.startswith("Installing collected packages"):
        return f"unpacking {line.count(',') + 1} packages"
    return ""


def why_pip_failed(log):
    """One sentence for a person, from pip's long talk."""
    if "No space left on device" in log or "Disk quota exceeded" in log:
        return f"{DISK_FULL} {AGAIN}"
    if re.search(r"NewConnectionError|NameResolution|Timeout|ProxyError|urlopen", log):
        return (
            "the package index could not be reached, and pip's cache does not hold all "
            f"that is needed. Set-up needs a network once: connect. {AGAIN}"
        )
    if "THESE PACKAGES DO NOT MATCH THE HASHES" in log:
        return f"a package came damaged or changed. Run `pip cache purge`. {AGAIN}"
    errors = [line for line in log.splitlines() if line.startswith("ERROR:")]
    said = errors[-1] if errors else "no reason given"
    return f"pip could not install the packages ({said}). Its log: build/pip.log."


def silence_news():
    """JupyterLab asks every newcomer about news: answer for them, in `.venv` only."""
    settings = {
        "@jupyterlab/apputils-extension:notification": {
            "fetchNews": "false",
            "checkForUpdates": False,
        }
    }
    path = VENV / "etc" / "jupyter" / "labconfig" / "default_setting_overrides.json"
    write_atomically(path, json.dumps(settings).encode())


def write_atomically(path, data):
    """Write all the bytes or nothing: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.half")
    try:
        half.write_bytes(data)
        os.replace(half, path)
    finally:
        half.unlink(missing_ok=True)


# --- what the commands ask of the machine ---------------------------------------------


def find_browser():
    """The path of a Chrome or Chromium on this machine, or None."""
    names = ["chromium", "chromium-browser", "google-chrome", "chrome", "msedge"]
    program_files = os.environ.get("PROGRAMFILES", "C:/Program Files")
    places = [
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        f"{program_files}/Google/Chrome/Application/chrome.exe",
        f"{program_files} (x86)/Microsoft/Edge/Application/msedge.exe",
    ]
    found = [shutil.which(name) for name in names]
    found += [place for place in places if Path(place).exists()]
    return next(filter(None, found), None)


def how_to_get_a_browser():
    """What to do where there is none."""
    if sys.platform.startswith("linux"):
        return "install one, for example `sudo apt install chromium`"
    return "install Google Chrome or Chromium"
