"""Starts and stops the real `lab` command, offline, and finds its way in a lesson."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import types
import urllib.error
import urllib.request

from course_lib import environment

COURSE = environment.COURSE
OUTPUT = COURSE / "build" / "test"


def lab_environment(lessons):
    """The learner's copy elsewhere than my_lessons/, and no network for any Python."""
    offline = str(COURSE / "tests" / "no_network")
    return os.environ | {"COURSE_MY_LESSONS": str(lessons), "PYTHONPATH": offline}


def start_lab(lessons, *words, **variables):
    """Start `lab`; return its process, address and the seconds until it answered."""
    command = [sys.executable, "-m", "course_lib", "lab", "--no-browser", *words]
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=COURSE,
        env=lab_environment(lessons) | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"http://127\.0\.0\.1\S*token=\w+", line):
            wait_until_it_answers(found.group())
            seconds = time.monotonic() - started
            return types.SimpleNamespace(
                process=process, url=found.group(), seconds=seconds, said="".join(said)
            )
    raise AssertionError(f"lab ended before it served:\n{''.join(said)}")


def wait_until_it_answers(url, seconds=30):
    """JupyterLab prints its address shortly before it listens there."""
    until = time.monotonic() + seconds
    while True:
        try:
            return urllib.request.urlopen(url, timeout=10).close()
        except urllib.error.URLError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def stop(process):
    """As Ctrl-C twice does, and harder if that is not heard."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=15)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)


def open_lesson(page, lab, path):
    """Open a lesson of the learner's copy and wait until its kernel rests."""
    base, token = lab.url.split("/lab", 1)[0], lab.url.split("token=")[1]
    relative = (lab.lessons / path).relative_to(COURSE).as_posix()
    page.goto(f"{base}/lab/tree/{relative}?token={token}&reset")
    wait_until_idle(page)
    time.sleep(3)  # JupyterLab swallows "Run All" while it still sets up the notebook


def wait_until_idle(page, seconds=120):
    idle = ".jp-Notebook-ExecutionIndicator[data-status=idle]"
    page.wait_for_selector(idle, state="attached", timeout=seconds * 1000)


def run_all(page, lab, path, seconds=300):
    """Run > Run All Cells, wait for the last one, save; return the notebook's cells."""
    until = time.monotonic() + seconds
    asked = 0
    while time.monotonic() < until:
        code = saved_code(page, lab.lessons / path)
        if all(cell["execution_count"] for cell in code):
            return code
        has_begun = any(cell["execution_count"] for cell in code)
        # JupyterLab now and then swallows the order while it still sets things up.
        if not has_begun and time.monotonic() > asked + 30:
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_text("Run All Cells", exact=True).click()
            asked = time.monotonic()
    page.screenshot(path=OUTPUT / "stuck.png")
    raise AssertionError(f"after {seconds} s some cells of {path} have not run")


def saved_code(page, file):
    """Save the notebook as the learner would, and read its code cells from disk."""
    page.keyboard.press("Control+s")
    time.sleep(2)
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def outputs(code, kind):
    return [o for cell in code for o in cell["outputs"] if o["output_type"] == kind]
