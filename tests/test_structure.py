"""The laws of the house, read from the files themselves."""

import ast
import json
import re
import subprocess
from pathlib import Path
from statistics import median

import pytest

from course_lib.exercises.questions import asking, questions

COURSE = Path(__file__).resolve().parent.parent
PACKAGE = COURSE / "course_lib"
MODULES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((COURSE / "tests").rglob("*.py"))
LESSONS = sorted(
    path
    for path in (COURSE / "notebooks").rglob("*.ipynb")
    if ".ipynb_checkpoints" not in path.parts
)


def name_of(path):
    return path.relative_to(COURSE).as_posix()


each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=name_of)


def cells(path, kind=None):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [c for c in notebook["cells"] if kind is None or c["cell_type"] == kind]


def prose(path):
    return "\n\n".join("".join(c["source"]) for c in cells(path, "markdown"))


# --- who may import whom --------------------------------------------------------------

STANDARD_ONLY: set[str] = set()
FLOORS = {  # room → what it may import besides the standard library and itself
    "attention": {"numpy", "scipy.special", "course_lib.weights"},
    "training": {"torch", "accelerate", "tqdm"},
    "weights": STANDARD_ONLY,
    "datasets": {"numpy"},
    "environment": STANDARD_ONLY,
    "my_lessons": {"course_lib.environment"},
    "models": {"numpy", "torch", "transformers", "course_lib.weights"},
    "pretraining": {
        *("numpy", "torch", "transformers"),
        *("course_lib.training", "course_lib.models", "course_lib.datasets"),
    },
    "finetuning": {
        *("numpy", "torch", "transformers", "peft"),
        *("course_lib.training", "course_lib.models", "course_lib.datasets"),
    },
    "evaluation": {"numpy", "scipy", "sklearn", "course_lib.datasets"},
    "views": {"numpy", "matplotlib", "PIL", "anywidget", "bertviz"},
}
ANYTHING = {"exercises", "applications", "commands", "__main__", "__init__"}


def imports(path):
    """Every module that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield f"course_lib.{node.module or room_of(path)}"  # one room, one dot
        elif isinstance(node, ast.ImportFrom):
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def is_under(name, allowed):
    return any(name == a or name.startswith(a + ".") for a in allowed)


@each_module
def test_a_room_imports_only_from_the_floors_below(path):
    room = room_of(path)
    if room in ANYTHING:
        return
    assert room in FLOORS, f"{room} has no floor: add it to FLOORS"
    standard = set(__import__("sys").stdlib_module_names)
    allowed = FLOORS[room] | {f"course_lib.{room}"}
    seen = {i for i in imports(path) if i.split(".")[0] not in standard}
    forbidden = {i for i in seen if not is_under(i, allowed | {"course_lib"})}
    inside = {i for i in seen if i.startswith("course_lib.")}
    forbidden |= {i for i in inside if not is_under(i, allowed)}
    assert not forbidden


@pytest.mark.parametrize("room", ["exercises"])
def test_only_notebooks_commands_and_tests_import(room):
    users = [p for p in MODULES if room_of(p) not in {room, "commands", "__main__"}]
    assert not [name_of(p) for p in users if f"course_lib.{room}" in set(imports(p))]


@pytest.mark.parametrize("name", ["__init__.py", "__main__.py"])
def test_an_old_python_can_parse_what_tells_it_that_it_is_too_old(name):
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    modern = (ast.JoinedStr, ast.NamedExpr, ast.AnnAssign, ast.Match, ast.AsyncFor)
    assert not [node for node in ast.walk(tree) if isinstance(node, modern)]


def test_commands_load_the_standard_library_alone_before_set_up():
    standard = set(__import__("sys").stdlib_module_names) | {"course_lib"}
    for path in [PACKAGE / "__main__.py", *(PACKAGE / "commands").glob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = [node for node in tree.body if isinstance(node, ast.Import)]
        names = {alias.name.split(".")[0] for node in top for alias in node.names}
        froms = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        names |= {node.module.split(".")[0] for node in froms}
        assert names <= standard, name_of(path)


# --- readable in one sitting ----------------------------------------------------------


def functions(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def length(node):
    return node.end_lineno - node.lineno + 1


@each_module
def test_a_module_is_at_most_350_lines_and_a_function_60(path):
    # A lesson's exercises are read one by one, each in a sitting of its own.
    most = 800 if re.fullmatch(r"lesson_\d\d\.py", path.name) else 350
    assert len(path.read_text(encoding="utf-8").splitlines()) <= most
    assert not [f.name for f in functions(path) if code_length(f) > 60]


def code_length(function):
    """Lines without the docstring: a long explanation is welcome."""
    has_docstring = ast.get_docstring(function) is not None
    return length(function) - (length(function.body[0]) if has_docstring else 0)


def test_the_median_function_is_short():
    lengths = [code_length(f) for path in MODULES for f in functions(path)]
    assert median(lengths) <= 12


@each_module
def test_public_functions_say_what_they_do(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) is not None
    if path.parent.name == "exercises" and path.name.startswith("lesson_"):
        return  # a misconception has its teacher's sentence instead
    kinds = (ast.FunctionDef, ast.ClassDef)
    public = [n for n in tree.body if isinstance(n, kinds) and n.name[0] != "_"]
    assert not [node.name for node in public if not ast.get_docstring(node)]


def test_lessons_named_by_taught_in_mention_the_function():
    numbers = {path.name[:2]: path for path in LESSONS}
    for path in MODULES:
        for function in functions(path):
            for number in taught_in(function):
                if number in numbers:  # a lesson to come can't mention it yet
                    assert function.name in numbers[number].read_text("utf-8"), (
                        f"{function.name} claims lesson {number}"
                    )


def taught_in(function):
    line = re.search(r"Taught in:([^\n]*)", ast.get_docstring(function) or "")
    return re.findall(r"\b\d\d\b", line.group(1)) if line else []


# --- lessons --------------------------------------------------------------------------

ENDING = ["What you learned", "Quiz", "Sources", "Next"]
SHORT = {"00", "61", "62", "63"}  # a welcome and the reference pages


@each_lesson
def test_a_lesson_has_its_parts_in_order(path):
    headings = re.findall(r"^## (.*)$", prose(path), flags=re.M)
    sections, ending = headings[: -len(ENDING)], headings[-len(ENDING) :]
    assert ending == ENDING
    numbered = [re.match(r"(\d+) · ", title) for title in sections]
    assert [int(n.group(1)) for n in numbered] == list(range(1, len(sections) + 1))


@each_lesson
def test_a_lesson_opens_with_title_promise_time_and_needs(path):
    first = "".join(cells(path)[0]["source"])
    assert re.match(rf"# {path.name[:2]} · .+\n\n\*\*.+\*\*\n", first)
    assert re.search(r"\*Time:\* \d+ minutes", first)
    assert "*You need:*" in first
    imports_cell = cells(path, "code")[0]
    assert "import" in "".join(imports_cell["source"])


@each_lesson
def test_a_lesson_has_three_to_five_quiz_questions(path):
    number = path.name[:2]
    code = ["".join(cell["source"]) for cell in cells(path, "code")]
    assert f'quiz("{number}")' in code
    asking.load_lesson(number)
    assert 3 <= len(questions.QUIZZES[number]) <= 5


@each_lesson
def test_a_lesson_can_be_read_in_one_sitting(path):
    if path.name[:2] in SHORT:
        return
    code = [len("".join(c["source"]).strip().splitlines()) for c in cells(path, "code")]
    assert 30 <= len(cells(path)) <= 70
    assert median(code) <= 5
    assert sorted(code)[int(0.9 * len(code))] <= 18
    assert 1000 <= len(prose(path).split()) <= 2500


@each_lesson
def test_prose_stands_between_code(path):
    kinds = "".join(cell["cell_type"][0] for cell in cells(path))
    assert "cccc" not in kinds


@each_lesson
def test_a_lesson_is_committed_as_it_ran(path):
    code = cells(path, "code")
    counts = [cell["execution_count"] for cell in code]
    assert counts == list(range(1, len(code) + 1)), "run it: clean.py --run"
    outputs = [o["output_type"] for cell in code for o in cell["outputs"]]
    assert "error" not in outputs
    assert path.stat().st_size < 2**20
    assert "widgets" not in json.loads(path.read_text("utf-8"))["metadata"]


@each_lesson
def test_lessons_draw_with_the_course_charts(path):
    code = "\n".join("".join(c["source"]) for c in cells(path, "code"))
    assert not re.search(r"\bplt\.|sys\.path|^!|^%pip", code, flags=re.M)


@each_lesson
def test_links_to_files_lead_somewhere(path):
    for link in re.findall(r"\]\(([^)#\s]+)", prose(path)):
        if not link.startswith(("http:", "https:")):
            assert (path.parent / link).exists(), link


def test_readme_lists_every_lesson_with_its_minutes():
    readme = (COURSE / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| \[(\d\d) .*?\| (\d+) \|", readme, flags=re.M))
    stated = {
        path.name[:2]: re.search(r"\*Time:\* (\d+) minutes", prose(path)).group(1)
        for path in LESSONS
    }
    assert rows == stated


# --- nothing from elsewhere, nothing left over ----------------------------------------


def committed():
    """Every file of the course, committed or about to be."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(
        words, cwd=COURSE, capture_output=True, text=True, check=True
    )
    return [COURSE / line for line in listing.stdout.splitlines()]


def texts(*suffixes):
    return [p for p in committed() if p.suffix in suffixes and p.exists()]


def test_scripts_and_styles_load_nothing_remote():
    for path in texts(".js", ".css", ".html"):
        assert not re.search(r"(https?:)?//\w+\.\w", path.read_text("utf-8")), path
    for path in MODULES:
        html = re.findall(
            r"<(?:script|link|img)[^>]*https?://", path.read_text("utf-8")
        )
        assert not html, name_of(path)


def test_nothing_names_a_persons_machine():
    places = re.compile(r"(?<![\w.])/(?:home/\w|root/|Users/\w)|[A-Z]:\\Users")
    for path in texts(".py", ".md", ".toml", ".txt", ".cfg", ".ipynb", ".yaml"):
        if path != Path(__file__).resolve():
            assert not places.search(path.read_text("utf-8")), name_of(path)


def test_no_large_files():
    for path in committed():
        is_model = path.suffix == ".safetensors" and path.is_relative_to(
            COURSE / "data"
        )
        if path.exists():
            assert path.stat().st_size < (24 if is_model else 1) * 2**20, name_of(path)


def test_every_module_is_used():
    sources = [p for p in [*MODULES, *TESTS] if p.exists()]
    used = {name for path in sources for name in imports(path)}
    used |= {n for path in LESSONS for n in words_of(path)}
    for path in MODULES:
        dotted = ".".join(path.relative_to(COURSE).with_suffix("").parts)
        assert dotted.removesuffix(".__init__") in used or is_loaded_by_name(path), path


def is_loaded_by_name(path):
    """Commands, a lesson's exercises, and what runs before there is a package."""
    if path.stem == "__main__" or re.match(r"lesson_\d\d", path.stem):
        return True
    folder = path.parent.glob("*.py")
    return any(f'"{path.stem}"' in other.read_text("utf-8") for other in folder)


def words_of(lesson):
    code = "\n".join("".join(c["source"]) for c in cells(lesson, "code"))
    for package, names in re.findall(r"from (course_lib[\w.]*) import (.+)", code):
        yield package
        yield from (f"{package}.{name.strip()}" for name in names.split(","))


def test_every_test_file_mirrors_a_module_or_stands_in_a_named_room():
    rooms = {"notebooks", "browser", "benchmarks", "no_network"}
    for path in TESTS:
        parts = path.relative_to(COURSE / "tests").parts
        if parts[0] in rooms or path.name in {"conftest.py", "test_structure.py"}:
            continue
        mirrored = PACKAGE.joinpath(*parts[:-1], path.stem.removeprefix("test_"))
        assert mirrored.is_dir() or mirrored.with_suffix(".py").exists(), name_of(path)


def test_requirements_say_who_needs_each_line_and_end_with_the_course():
    lines = (COURSE / "requirements.txt").read_text("utf-8").rstrip().splitlines()
    assert lines[-1] == "-e ."
    assert "torch==2.13.0" in lines
    for number, line in enumerate(lines):
        if line and not line.startswith("#"):
            assert lines[number - 1].startswith("# "), f"{line}: who needs it?"
