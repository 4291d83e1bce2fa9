"""Every lesson runs alone, as a learner has it: new kernel, empty caches, offline."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from course_lib import my_lessons

COURSE = Path(__file__).resolve().parents[2]
LESSONS = sorted(
    path.relative_to(COURSE / "notebooks").as_posix()
    for path in (COURSE / "notebooks").rglob("*.ipynb")
    if ".ipynb_checkpoints" not in path.parts
)

pytestmark = pytest.mark.slow


def run(path, home):
    """Run a notebook from a new kernel that knows nothing but `home`."""
    elsewhere = {
        name: str(home)
        for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "MPLCONFIGDIR", "IPYTHONDIR")
    }
    elsewhere["COURSE_PROGRESS"] = str(home / "progress.json")
    offline = {"PYTHONPATH": str(COURSE / "tests" / "no_network")}
    client = NotebookClient(
        nbformat.read(path, as_version=4),
        timeout=600,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute(env=os.environ | elsewhere | offline)


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_runs_alone_twice_and_offline(name, tmp_path):
    my_lessons.deliver(COURSE / "notebooks", tmp_path / "my_lessons")
    for _ in range(2):  # the second time it finds what the first has left behind
        run(tmp_path / "my_lessons" / name, tmp_path / "home")


@pytest.mark.parametrize(
    "source",
    [
        "import urllib.request; urllib.request.urlopen('http://192.0.2.1')",
        "import socket; socket.getaddrinfo('example.org', 443)",
        "import socket; socket.socket().connect_ex(('192.0.2.1', 80))",
        "import socket; socket.socket(type=2).sendto(b'', ('192.0.2.1', 53))",
        "import subprocess, sys\n"
        "code = 'import socket; socket.gethostbyname(\"example.org\")'\n"
        "subprocess.run([sys.executable, '-c', code], check=True)",
    ],
)
def test_these_runs_are_cut_off(source, tmp_path):
    path = tmp_path / "x.ipynb"
    cells = [nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    with pytest.raises(
        CellExecutionError, match=r"NetworkIsOff|no lesson|exit status 1"
    ):
        run(path, tmp_path)
