"""Measure every speed and memory figure that the course claims, beside its peer.

Prints one table and writes the same figures as JSON. Let nothing else run meanwhile.
"""

import subprocess
import sys

from course_lib import environment


def add_options(parser):
    """Add the options of ``bench``."""
    parser.add_argument("--json", help="where to write the figures (build/bench.json)")


def run(options):
    """Run tests/benchmarks/run.py with this Python."""
    command = [sys.executable, "tests/benchmarks/run.py"]
    if options.json:
        command += ["--json", options.json]
    return subprocess.run(command, cwd=environment.COURSE, check=False).returncode
