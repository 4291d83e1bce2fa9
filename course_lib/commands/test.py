"""Run every test: style, unit tests and doctests, notebooks, browser.

Ends with one summary; the exit code is 0 only if all that ran has passed. Browser tests
use the Chrome or Chromium that is there; without one they are reported as not run.
"""

import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

from course_lib import environment
from course_lib.commands.lab import fetch_embedded

REPORTS = environment.COURSE / "build" / "test"
PARALLEL = ["-n", "2", "--dist", "loadfile"]  # cells of one notebook stay together


def add_options(parser):
    """Add the options of ``test``."""
    parser.add_argument(
        "--fast", action="store_true", help="only what needs under 30 s together"
    )


def run(options):
    """Run the steps one after the other and print the summary."""
    fetch_embedded()
    REPORTS.mkdir(parents=True, exist_ok=True)
    # Guesses and answers of whoever runs this must not change what lessons show.
    progress = REPORTS / "progress.json"
    progress.unlink(missing_ok=True)
    os.environ["COURSE_PROGRESS"] = str(progress)
    results = {"style": style(), "unit tests, doctests": unit_tests(options.fast)}
    if not options.fast:
        results["notebooks (nbval)"] = notebooks()
        results["browser"] = browser()
    (REPORTS / "summary.json").write_text(json.dumps(results, indent=1))
    print_summary(results)
    return 0 if all(result["failed"] == 0 for result in results.values()) else 1


def style():
    """Ruff's two looks at every Python file and notebook."""
    started = time.monotonic()
    codes = [
        call([sys.executable, "-m", "ruff", *words])
        for words in (["check", "."], ["format", "--check", "."])
    ]
    failed = sum(code != 0 for code in codes)
    return result(len(codes) - failed, failed, 0, started)


def unit_tests(fast):
    """The tests that mirror the package, and the examples in its docstrings."""
    words = ["tests", "course_lib", "--doctest-modules", "--ignore=tests/browser"]
    return pytest("unit", [*words, *PARALLEL, *(["-m", "not slow"] if fast else [])])


def notebooks():
    """Every cell of every lesson against its stored output."""
    words = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=300"]
    cleaned = "--nbval-sanitize-with=tests/notebooks/sanitize.cfg"
    return pytest("notebooks", [*words, cleaned, *PARALLEL, "notebooks"])


def browser():
    """The commands and the lessons as a person sees them."""
    if environment.find_browser() is None:
        started = time.monotonic()
        advice = f"no Chrome or Chromium here: {environment.how_to_get_a_browser()}"
        return result(0, 0, 1, started, advice)
    return pytest("browser", ["tests/browser"])


def pytest(name, words):
    """Run pytest and count what it says; a run that tests nothing has failed."""
    started, report = time.monotonic(), REPORTS / f"{name}.xml"
    report.unlink(missing_ok=True)
    code = call([sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *words])
    if not report.exists():
        return result(0, 1, 0, started, f"pytest ended with code {code}, no report")
    counts = ElementTree.parse(report).find("testsuite").attrib
    failed = int(counts["failures"]) + int(counts["errors"])
    skipped = int(counts["skipped"])
    passed = int(counts["tests"]) - failed - skipped
    if code and not failed:
        failed, note = 1, f"pytest ended with code {code}"
        return result(passed, failed, skipped, started, note)
    return result(passed, failed, skipped, started)


def call(command):
    """Run it in the checkout, its output shown; return its exit code."""
    print(f"\n$ python3 -m {' '.join(command[2:])}", flush=True)
    return subprocess.run(command, cwd=environment.COURSE, check=False).returncode


def result(passed, failed, not_run, started, note=""):
    """One row of the summary."""
    seconds = round(time.monotonic() - started, 1)
    return dict(
        passed=passed, failed=failed, not_run=not_run, seconds=seconds, note=note
    )


def print_summary(results):
    """A table for people; its last line is the plain count."""
    print(f"\n{'':24}{'passed':>8}{'failed':>8}{'not run':>9}{'seconds':>9}")
    for name, row in results.items():
        numbers = f"{row['passed']:8}{row['failed']:8}{row['not_run']:9}"
        print(f"{name:24}{numbers}{row['seconds']:9.1f}  {row['note']}".rstrip())
    total = {
        key: sum(row[key] for row in results.values())
        for key in results["style"]
        if key != "note"
    }
    skipped = f", {total['not_run']} skipped" if total["not_run"] else ""
    print(f"\n{total['passed']} passed, {total['failed']} failed{skipped}")
