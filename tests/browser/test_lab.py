"""The first hour, as a newcomer sees it: `lab`, lesson 00, lesson 11."""

import json
import subprocess
import sys
import time

import pytest
from browser.started_lab import (
    COURSE,
    OUTPUT,
    lab_environment,
    open_lesson,
    outputs,
    run_all,
    start_lab,
    stop,
)


def open_as_a_newcomer(page, lab):
    """Follow the printed address; `reset` forgets what an earlier run left open."""
    page.goto(f"{lab.url}&reset")
    page.get_by_role("heading", name="00 · Start here").wait_for(timeout=60_000)


def test_lab_opens_lesson_00_in_the_learners_own_copy(lab, page):
    open_as_a_newcomer(page, lab)
    copy = json.loads((lab.lessons / "00_start_here.ipynb").read_text("utf-8"))
    assert not any(cell.get("outputs") for cell in copy["cells"])
    page.screenshot(path=OUTPUT / "lesson_00_opened.png")


def test_no_news_greet_the_newcomer(lab, page):
    open_as_a_newcomer(page, lab)
    time.sleep(4)  # the question about news comes with a delay
    assert page.locator(".Toastify__toast").count() == 0


@pytest.mark.parametrize(
    ("path", "heat_map"),
    [
        ("00_start_here.ipynb", "Where each token looks: layer 3, head 1"),
        (
            "1_attention/11_scaled_dot_product_attention.ipynb",
            "Computed by hand: layer 3, head 1",
        ),
    ],
)
def test_a_lesson_runs_offline_and_shows_its_heat_map(lab, page, path, heat_map):
    open_lesson(page, lab, path)
    code = run_all(page, lab, path)
    assert not outputs(code, "error")
    figure = page.locator("figure.course-chart", has_text=heat_map)
    figure.scroll_into_view_if_needed()
    picture = figure.locator("img")
    assert picture.evaluate("img => img.naturalWidth") > 400
    assert len(picture.get_attribute("alt")) > 40
    page.screenshot(path=OUTPUT / f"{path.split('/')[-1][:2]}_heat_map.png")
    assert page.elsewhere == []


def test_a_second_start_brings_nothing_new_and_answers(lab, tmp_path):
    again = start_lab(lab.lessons, HOME=str(tmp_path))
    stop(again.process)
    assert list(tmp_path.iterdir()) == []  # nothing is written outside the checkout
    assert "new lesson" not in again.said
    assert "Setting up" not in again.said
    assert "is taken" in again.said  # the first one still runs on port 8888
    print(f"answered after {again.seconds:.1f} s")


@pytest.mark.parametrize(
    "words",
    [
        ["--ip", "0.0.0.0", "--", "--IdentityProvider.token="],
        ["--ip", "*", "--", "--IdentityProvider.token="],
        ["--ip", "::", "--", "--IdentityProvider.token="],
    ],
)
def test_lab_refuses_an_open_door(words, tmp_path):
    command = [sys.executable, "-m", "course_lib", "lab", "--no-browser", *words]
    done = subprocess.run(
        command,
        env=lab_environment(OUTPUT / "my_lessons"),
        cwd=COURSE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "needs a token or a password" in done.stderr
    assert "Traceback" not in done.stderr
