"""Every lesson with its exercises solved: each says correct, and the rest runs on."""

import os
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from course_lib.exercises import all_exercises
from course_lib.exercises.hints import source

COURSE = Path(__file__).resolve().parents[2]
LESSONS = {
    path.name[:2]: path
    for path in sorted((COURSE / "notebooks").rglob("*.ipynb"))
    if ".ipynb_checkpoints" not in path.parts
}
SOLVABLE = sorted({exercise.lesson for exercise in all_exercises()})

pytestmark = pytest.mark.slow


def stub_of(exercise, cells):
    """The cell in which a learner writes the answer."""
    asks = re.compile(rf'check\("{exercise.id}", {exercise.name}\)')
    found = [c for c in cells if c.cell_type == "code" and asks.search(c.source)]
    assert len(found) == 1, f"{exercise.id} needs one cell with its stub and its check"
    assert f"def {exercise.name}(" in found[0].source
    return found[0]


def run(notebook, folder, progress):
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=os.environ | {"COURSE_PROGRESS": str(progress)})


@pytest.mark.parametrize("lesson", SOLVABLE)
def test_with_the_solutions_put_in_every_exercise_is_correct(lesson, tmp_path):
    path = LESSONS[lesson]
    notebook = nbformat.read(path, as_version=4)
    exercises = [e for e in all_exercises() if e.lesson == lesson]
    stubs = {e.id: stub_of(e, notebook.cells) for e in exercises}
    for exercise in exercises:
        answer = source(exercise.function, exercise.name)
        ask = f'check("{exercise.id}", {exercise.name})'
        stubs[exercise.id].source = f"{answer}\n\n\n{ask}"
    run(notebook, path.parent, tmp_path / "progress.json")
    for id, cell in stubs.items():
        said = cell.outputs[-1].data["text/plain"]
        assert said.startswith("✓ Correct"), f"{id}: {said}"


@pytest.mark.parametrize("lesson", SOLVABLE)
def test_the_committed_lesson_is_unsolved(lesson):
    notebook = nbformat.read(LESSONS[lesson], as_version=4)
    for exercise in all_exercises():
        if exercise.lesson == lesson:
            said = stub_of(exercise, notebook.cells).outputs[-1].data["text/plain"]
            assert said.startswith("○ Not started"), exercise.id
