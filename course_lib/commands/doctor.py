"""Check this machine and the set-up: each line is ok, or says what to do.

Python, packages, disk, model, data, browser, threads. Changes nothing.
"""

import os
import re
import shutil
import sys
from importlib import metadata

from course_lib import environment

ENTERS = False  # a doctor that installs 2 GB first would be no doctor


def add_options(parser):
    """``doctor`` has no options."""


def run(options):
    """Print one line a check; the exit code is 0 if all are ok."""
    environment.isolate()
    here = environment.is_inside() or environment.is_installed_here()
    if environment.is_ready() and not here:
        environment.restart(["doctor"])
    checks = [python, packages, disk, model, data, browser, threads]
    return 1 if sum(not report(check) for check in checks) else 0


def report(check):
    """Run one check, print its line, and say whether it is ok."""
    try:
        ok, text = check()
    except Exception as error:  # a broken set-up may break in any way; say which
        ok, text = False, f"{type(error).__name__}: {error}"
    print(f"{'ok' if ok else 'NOT OK':7}{check.__name__:10}{text}", flush=True)
    return ok


def python():
    """The version, and whether it is one that has been tested."""
    version = sys.version.split()[0]
    if sys.version_info[:2] == environment.PROVEN:
        return True, f"{version}, {sys.prefix}"
    return True, f"{version}: newer than the proven 3.11, and untested"


def packages():
    """Each line of requirements.txt against what is installed."""
    if not (environment.is_inside() or environment.is_installed_here()):
        return False, "not set up yet: run python3 -m course_lib lab"
    wanted = requirement_lines()
    missing = [line for line in wanted if not is_met(line)]
    if missing:
        command = "run python3 -m pip install -r requirements.txt"
        return False, f"missing or another version: {', '.join(missing)}; {command}"
    return True, f"all {len(wanted)} of requirements.txt"


def requirement_lines():
    """The named requirements, without comments and `-e .`."""
    lines = environment.REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if re.match(r"\w", line)]


def is_met(line):
    """Whether the installed version fits the requirement."""
    from packaging.requirements import Requirement

    wanted = Requirement(line)
    try:
        return wanted.specifier.contains(metadata.version(wanted.name))
    except metadata.PackageNotFoundError:
        return False


def disk():
    """Room for set-up, or for the learner's own work after it."""
    free = shutil.disk_usage(environment.COURSE).free / 1e9
    needed = 0.5 if environment.is_ready() else environment.DISK_NEEDED / 1e9
    if free < needed:
        return False, f"{free:.1f} GB free; make room for {needed:.1f} GB"
    return True, f"{free:.1f} GB free"


def model():
    """The embedded model's weights, against their published hash."""
    from course_lib import weights

    return True, f"{weights.minilm_folder().name}: the published weights"


def data():
    """The embedded text, against its hash."""
    from course_lib import weights
    from course_lib.datasets import archive

    path = archive.DOWNLOADS / archive.ARCHIVE
    if not path.exists():
        return False, "not fetched yet: run python3 -m course_lib lab"
    if weights.sha256(path) != archive.ARCHIVE_SHA256:
        return False, f"{path} is damaged: delete it and run python3 -m course_lib lab"
    return True, f"{path.name}: the published sentences"


def browser():
    """A browser for the browser tests; learners may use any."""
    found = environment.find_browser()
    if found is None:
        how = environment.how_to_get_a_browser()
        return False, f"no Chrome or Chromium; only the browser tests need it: {how}"
    return True, found


def threads():
    """How many cores, and how many torch will use."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = cores or os.cpu_count()
    used = torch.get_num_threads()
    if used > cores:
        advice = f"set OMP_NUM_THREADS={cores} before starting"
        return False, f"torch uses {used} threads on {cores} cores: {advice}"
    return True, f"torch uses {used} on {cores} cores"
