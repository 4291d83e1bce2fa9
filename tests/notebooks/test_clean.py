"""The cleaner and nbval's sanitiser: what they take out, and that results stay in."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

HERE = Path(__file__).resolve().parent
CLEANER = HERE / "clean.py"
cleaner = SimpleNamespace(**runpy.run_path(str(CLEANER)))


def code(source, outputs=(), count=1, **more):
    cell = {
        "cell_type": "code",
        "execution_count": count,
        "id": "code",
        "metadata": {},
        "outputs": list(outputs),
        "source": source,
    }
    return cell | more


def prose(source, **more):
    cell = {"cell_type": "markdown", "id": "prose", "metadata": {}, "source": source}
    return cell | more


def printed(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def shown(data, count=1, **more):
    kind = {"output_type": "execute_result", "execution_count": count}
    return kind | {"data": data, "metadata": {}} | more


def notebook(*cells, **more):
    """Text of a notebook that is clean if its cells are."""
    metadata = json.loads(json.dumps(cleaner.METADATA))
    whole = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return cleaner.write(nbformat.from_dict(whole | more))


CLEAN = notebook(
    prose("# 缩放"),
    code("print(1)", [printed("1\n")]),
    code("2", [shown({"text/plain": "2"}, count=2)], count=2, id="second"),
)


def cleaned(text):
    """Clean twice; the second time must change nothing."""
    new, reasons = cleaner.clean(text, "11")
    assert cleaner.clean(new, "11") == (new, [])
    nbformat.validate(json.loads(new), version=4)
    return json.loads(new), reasons


def test_a_clean_notebook_stays_as_it_is():
    assert cleaner.clean(CLEAN) == (CLEAN, [])
    assert cleaner.faults(CLEAN) == []
    assert "缩放" in CLEAN
    assert CLEAN.endswith("}\n")
    assert CLEAN.startswith('{\n "cells"')


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (notebook(code("1"), nbformat_minor=4), "4.5"),
        (notebook(code("1", collapsed=True)), "4.5"),
        (notebook(prose("a"), prose("b")), "share one"),
        (notebook(prose("a", id="")), "share one"),
        (notebook(code("1"), metadata={}), "its metadata"),
        (notebook(code("1"), metadata={"widgets": {}}), "its metadata"),
        (notebook(code("1", metadata={"scrolled": True})), "a cell's metadata"),
        (notebook(code("1", metadata={"tags": ["b", "a"]})), "a cell's metadata"),
        (notebook(code("1", [printed("warning", "stderr")])), "an output"),
        (notebook(code("1", [printed("a"), printed("b")])), "an output"),
        (notebook(code("1", [shown({cleaner.WIDGET: {}})])), "an output"),
        (notebook(code("1", [shown({"a/b": ""}, metadata={"x": 1})])), "an output"),
        (notebook(code("1", count=3)), "counts"),
        (notebook(code("1", [shown({"a/b": ""}, count=5)])), "counts"),
        (json.dumps(json.loads(CLEAN)), "laid out"),
        (CLEAN.replace("缩", "\\u7f29"), "laid out"),
        (CLEAN.rstrip(), "laid out"),
    ],
)
def test_each_kind_of_dirt_is_found_named_and_mended(text, reason):
    _, reasons = cleaned(text)
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_ids_that_are_there_stay_and_new_ones_tell_the_place():
    cells = [prose("a", id="kept"), prose("b", id="11-01"), prose("c", id="")]
    new, _ = cleaned(notebook(*cells, prose("d", id="kept")))
    assert [cell["id"] for cell in new["cells"]] == ["kept", "11-01", "11-02", "11-03"]


def test_a_notebook_of_format_4_4_gets_ids():
    old = json.loads(CLEAN) | {"nbformat_minor": 4}
    for cell in old["cells"]:
        del cell["id"]
    new, _ = cleaned(json.dumps(old))
    assert [cell["id"] for cell in new["cells"]] == ["11-00", "11-01", "11-02"]
    assert new["nbformat_minor"] == 5


def test_pieces_of_a_stream_are_joined_around_a_warning():
    pieces = [printed("a\n"), printed("hm\n", "stderr"), printed("b\n")]
    new, _ = cleaned(notebook(code("1", [*pieces, shown({"a/b": ""}), printed("c\n")])))
    texts = ["".join(o.get("text", "-")) for o in new["cells"][0]["outputs"]]
    assert texts == ["a\nb\n", "-", "c\n"]


def test_what_a_widget_says_in_text_stays():
    data = {cleaner.WIDGET: {"model_id": "1f"}, "text/plain": "a slider"}
    new, _ = cleaned(notebook(code("1", [shown(data)])))
    assert new["cells"][0]["outputs"][0]["data"] == {"text/plain": ["a slider"]}


def test_tags_and_attachments_stay():
    attached = {"a.png": {"image/png": "iVBORw0KGgo="}}
    cells = [prose("a", attachments=attached), code("1", metadata={"tags": ["hide"]})]
    assert cleaned(notebook(*cells)) == (json.loads(notebook(*cells)), [])


def test_counts_follow_the_order_of_the_cells_that_ran():
    cells = [
        code("1", [shown({"a/b": ""}, count=9)], count=9, id="a"),
        code("2", count=None, id="b"),
        code("3", count=4, id="c"),
    ]
    new, _ = cleaned(notebook(*cells))
    assert [cell["execution_count"] for cell in new["cells"]] == [1, None, 2]
    assert new["cells"][0]["outputs"][0]["execution_count"] == 1


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        (code("1", count=None), "never run, use --run: cells 0"),
        (code("", count=None), "never run, use --run: cells 0"),
        (
            code("1/0", [{"output_type": "error", "ename": "E", "evalue": ""}]),
            "cell 0 shows a E",
        ),
        (code("1", [printed("x" * 2**20)]), "1.0 MB"),
        (prose(5), "no valid notebook"),
    ],
)
def test_what_no_cleaner_can_mend_is_a_fault(cell, fault):
    assert fault in "\n".join(cleaner.faults(notebook(cell)))


def test_an_error_that_the_lesson_wants_to_show_is_no_fault():
    shows = {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}
    tagged = code("1/0", [shows], metadata={"tags": ["raises-exception"]})
    assert cleaner.faults(notebook(tagged)) == []


# --- the command ----------------------------------------------------------------------


def command(*words):
    line = [sys.executable, str(CLEANER), *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_check_names_file_and_reason_and_changes_nothing(tmp_path, capsys):
    dirty = tmp_path / "folder" / "dirty.ipynb"
    dirty.parent.mkdir()
    dirty.write_text(notebook(code("1", count=3)))
    hidden = tmp_path / ".ipynb_checkpoints" / "dirty.ipynb"
    hidden.parent.mkdir()
    hidden.write_text("{")
    (tmp_path / "clean.ipynb").write_text(CLEAN, encoding="utf-8")
    assert cleaner.main(["--check", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "dirty.ipynb: its execution counts" in said.err
    assert "clean.ipynb" not in said.err
    assert said.out.startswith("2 notebooks")
    assert dirty.read_text() == notebook(code("1", count=3))
    assert cleaner.main([str(tmp_path)]) == 0
    assert cleaner.main(["--check", str(tmp_path)]) == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nbformat": 3}', '{"nbformat": 4}'])
def test_what_is_no_notebook_is_reported_and_left_alone(tmp_path, text, capsys):
    path = tmp_path / "x.ipynb"
    path.write_text(text)
    assert cleaner.main([str(path)]) == 1
    assert f"{path}: it can't be read" in capsys.readouterr().err
    assert path.read_text() == text


@pytest.mark.parametrize("name", ["missing.ipynb", "99"])
def test_a_missing_file_is_reported(name, capsys):
    assert cleaner.main(["--check", name]) == 1
    assert f"{name}: it can't be read" in capsys.readouterr().err


@pytest.mark.slow
def test_run_stores_outputs_of_this_python_in_the_notebooks_folder(tmp_path):
    path = tmp_path / "x.ipynb"
    source = (
        "import os, sys\nprint(sys.executable, os.getcwd())\n_ = sys.stderr.write('hm')"
    )
    path.write_text(notebook(code(source, count=None), code("6 * 7", count=8, id="b")))
    assert command("--run", path).returncode == 0
    first, second = json.loads(path.read_text())["cells"]
    assert first["outputs"] == [printed([f"{sys.executable} {tmp_path}\n"])]
    assert second["outputs"] == [shown({"text/plain": ["42"]}, count=2)]
    assert command("--check", path).returncode == 0


@pytest.mark.slow
def test_a_notebook_that_does_not_run_is_left_as_it_was(tmp_path):
    path = tmp_path / "x.ipynb"
    path.write_text(notebook(code("1 / 0", count=None)))
    before = path.read_bytes()
    done = command("--run", path)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert path.read_bytes() == before


# --- the sanitiser --------------------------------------------------------------------


def sanitised(text):
    """The text as nbval compares it."""
    rules = re.findall(
        r"^regex: (.*)$\n^replace: (.*)$",
        (HERE / "sanitize.cfg").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    assert len(rules) == 8
    for regex, replace in rules:
        text = re.sub(regex, replace, text)
    return text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            '<img alt="a" src="data:image/png;base64,iVBOR+/=" width="600" style="">',
            '<img alt="a" src="data:image/png;base64,AAAA" width="603" style="">',
        ),
        ("trained in 0.12 s", "trained in 14 s"),
        ("(340 ms)", "(1,340 ms)"),
        ("5.1 µs ± 12 ns per loop", "4 µs ± 3.5 ns per loop"),
        ("about 2 minutes", "about 3 minutes"),
        ("1,234.5 tokens/s", "99 tokens/s"),
        ("12.1it/s", "9it/s"),
        ("| 4/10 [00:01<00:02, 2.5it/s]", "| 4/10 [00:11<?, 0.5it/s]"),
        ("<f at 0x7f3a5c0d1e40>", "<f at 0x55d0c0ffee00>"),
        ("id 3f2b8a1e9c4d4e5f8a7b6c5d4e3f2a1b", "id " + "0123456789abcdef" * 2),
        (
            "3f2b8a1e-9c4d-4e5f-8a7b-6c5d4e3f2a1b",
            "00000000-0000-4000-8000-000000000000",
        ),
        ("on 2026-11-24 08:01:59", "on 2027-01-02T09:10:11.123"),
        ("/tmp/tmpab_1/x.json", "/var/folders/q9/T/tmp2/x.json"),
    ],
)
def test_what_differs_from_run_to_run_is_not_compared(one, other):
    assert sanitised(one) == sanitised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("accuracy 0.87", "accuracy 0.88"),
        ("0.12 min, 0.98 max", "0.13 min, 0.98 max"),
        ("(5, 7)", "(5, 8)"),
        ("array([0.312, 0.998])", "array([0.312, 0.997])"),
        ("15 tokens: [CLS]", "16 tokens: [CLS]"),
        ("17 sentences", "18 sentences"),
        ("12 heads / 6 layers", "12 heads / 7 layers"),
        ("sha256 " + "ab" * 32, "sha256 " + "cd" * 32),
        ('<img alt="a" src="data:image/png;base64,A">', '<img alt="b" src="x">'),
        ("lesson 2026", "lesson 2027"),
        ("0x1f", "0x2f"),
        ("40%", "50%"),
    ],
)
def test_results_are_compared(one, other):
    assert sanitised(one) != sanitised(other)


def nbval(folder):
    """Compare the notebooks in the folder as the course's test command does."""
    words = ["--nbval", "--nbval-current-env", "-q", "-p", "no:cacheprovider"]
    rules = f"--nbval-sanitize-with={HERE / 'sanitize.cfg'}"
    line = [sys.executable, "-m", "pytest", *words, rules, str(folder)]
    return subprocess.run(
        line, capture_output=True, text=True, cwd=folder, check=False
    ).stdout


@pytest.mark.slow
def test_nbval_catches_a_changed_number_and_no_changed_picture_or_time(tmp_path):
    draw = (
        "from course_lib.views import charts\n"
        "charts.heatmap([[1, 0]], title='A title', alt='A sentence.')"
    )
    path = tmp_path / "x.ipynb"
    path.write_text(
        notebook(
            code("import time; print(f'took {time.perf_counter():.3f} s')", id="a"),
            code(draw, id="b"),
            code("0.5 + 0.25", id="c"),
        )
    )
    assert command("--run", path).returncode == 0
    assert "3 passed" in nbval(tmp_path)
    ran = path.read_text()
    path.write_text(ran.replace("[[1, 0]]", "[[0, 3]]"))  # draws another picture
    assert "3 passed" in nbval(tmp_path)
    path.write_text(
        ran.replace('"0.75"', '"0.76"')
        .replace('alt=\\"A sentence', 'alt=\\"Another')
        .replace(
            "import time", "import sys; _ = sys.stderr.write('noise'); import time"
        )
    )
    assert "3 failed" in nbval(tmp_path)
