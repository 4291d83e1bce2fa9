"""The table of progress, in a notebook, as text, and as a command."""

import os
import re
import subprocess
import sys

import pytest

from course_lib.environment import COURSE
from course_lib.exercises import progress, progress_file
from course_lib.exercises.exercise import exercise
from course_lib.exercises.progress import lesson_name


@pytest.fixture
def course(rows):
    """Three exercises in two lessons, and some work done."""
    about = {"minutes": 12, "section": "1 · One"}
    exercise("98.10", "Last", difficulty=3, **about)(lambda x: x)
    exercise("97.1", "Other <b>", difficulty=2, **about)(lambda x: x)
    for id, entry in {
        "98.1": {"status": "correct", "attempts": 3, "hints": 1, "shown": True},
        "97.1": {"status": "timeout", "attempts": 1},
        "98.99": {"status": "correct"},  # no longer in the course
    }.items():
        progress_file.update("exercises", id, lambda kept, e=entry: kept.update(e))


def test_as_text(course):
    assert str(progress()).splitlines() == [
        "1 of 3 exercises done",
        "",
        "Lesson 97  [■]  0 of 1",
        "  ■ 97.1  Other <b>  ★★☆  12 min  Stopped, 1 try",
        "",
        "Lesson 98  [✓○]  1 of 2",
        "  ✓ 98.1  Rows  ★☆☆   2 min  Correct, 3 tries, 1 hint, solution seen",
        "  ○ 98.10 Last  ★★★  12 min  Not started",
    ]


def test_as_html(course):
    shown = progress()._repr_mimebundle_()
    assert shown["text/plain"] == str(progress())
    page = shown["text/html"]
    assert page.count("<tr") == 3
    assert "Other &lt;b&gt;" in page
    assert 'aria-label="1 of 2 done"' in page
    text = re.sub(r"<[^>]+>", " ", page)
    for words in ("1 of 3 exercises done", "98.1 · Rows", "Correct, 3 tries, 1 hint"):
        assert words in text


def test_nothing_done_and_nothing_there(registry, rows, progress_path):
    assert str(progress()).startswith("0 of 1 exercises done")
    assert not progress_path.parent.exists()
    registry.clear()
    assert str(progress()) == "0 of 0 exercises done"
    assert "0 of 0" in progress()._repr_html_()


def test_a_status_of_another_version_counts_as_not_started(rows):
    progress_file.update("exercises", "98.1", lambda entry: entry.update(status="odd"))
    assert "○ 98.1  Rows  ★☆☆   2 min  Not started" in str(progress())


def test_lessons_are_named_as_their_files():
    assert lesson_name("11") == "11 · Scaled dot product attention"
    assert lesson_name("99") == "Lesson 99"


@pytest.mark.slow
def test_the_command(progress_path):
    progress_file.update("exercises", "11.4", lambda e: e.update(status="correct"))
    words = [sys.executable, "-m", "course_lib", "progress"]
    for encoding in ("utf-8", "ascii"):
        done = subprocess.run(
            words,
            capture_output=True,
            cwd=COURSE,
            env=os.environ | {"PYTHONIOENCODING": encoding},
            check=True,
        )
        assert b"1 of " in done.stdout
        assert b"11.4" in done.stdout
    help_text = subprocess.run([*words, "--help"], capture_output=True, check=True)
    assert b"Show which exercises you have done" in help_text.stdout
