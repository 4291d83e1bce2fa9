"""The library's own answers can't be reached, in whatever way it is tried."""

import functools
import importlib
import io
import linecache
import os
import runpy
import subprocess
import sys
import warnings
import zipfile
import zipimport
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
import scipy.special

import course_lib.attention as attention_module
from course_lib.attention import scaled_dot_product_attention, softmax
from course_lib.attention.functional import softmax as alias
from course_lib.exercises.worker import guard, process

pytestmark = pytest.mark.slow  # starts processes

HERE = str(process.LIBRARY / "attention" / "functional.py")
SOFTMAX = ("course_lib.attention.softmax", "scipy.special.softmax")
ATTENTION = ("course_lib.attention.scaled_dot_product_attention",)
OWN_SOFTMAX_IS_FINE = np.ones((2, 3)) / 3


# --- importing the library ------------------------------------------------------------


def by_import(x):
    from course_lib.attention import softmax as ready

    return ready(x)


def by_importlib(x):
    return importlib.import_module("course_lib.attention.functional").softmax(x)


def by_exec(x):
    space = {}
    exec("import course_lib.exercises.lesson_11 as lesson", space)
    return space["lesson"].my_softmax.function(x)


def by_runpy(x):
    return runpy.run_path(HERE)["softmax"](x)


def by_runpy_module(x):
    return runpy.run_module("course_lib.attention.functional")["softmax"](x)


def by_spec(x):
    spec = spec_from_file_location("mine", HERE)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.softmax(x)


def by_bytecode(x):
    cache = Path(HERE).parent / "__pycache__" / "functional.cpython-311.pyc"
    return cache.read_bytes()


def by_searching_elsewhere(x):
    sys.meta_path[:] = [f for f in sys.meta_path if type(f) is type]
    sys.path.insert(0, str(Path(HERE).parents[2]))
    return importlib.import_module("course_lib.attention.functional").softmax(x)


def by_catching_all(x):
    try:
        import course_lib.attention as ready

        return ready.softmax(x)
    except BaseException:
        return OWN_SOFTMAX_IS_FINE


def by_another_process(x):
    program = "import course_lib.attention"
    return subprocess.run([sys.executable, "-c", program], check=True)


# --- reading the library --------------------------------------------------------------


def by_open(x):
    return open(HERE).read()


def by_open_code(x):
    with io.open_code(HERE) as file:
        return file.read()


def by_descriptor(x):
    return os.read(os.open(HERE, os.O_RDONLY), 1000)


def by_numpy(x):
    return np.fromfile(HERE, dtype=np.uint8)


def by_changing_there(x):
    os.chdir(Path(HERE).parent)
    return Path("functional.py").read_text()


def by_detour(x):
    return Path(HERE, "..", "..", "attention", "functional.py").read_text()


def by_folder(x):
    folder = os.open(Path(HERE).parents[2], os.O_RDONLY)
    relative = os.path.relpath(HERE, Path(HERE).parents[2])
    return os.read(os.open(relative, os.O_RDONLY, dir_fd=folder), 1000)


IMPORTING = [by_import, by_importlib, by_exec, by_runpy, by_runpy_module, by_spec]
IMPORTING += [by_bytecode, by_searching_elsewhere, by_catching_all]
READING = [by_open, by_open_code, by_descriptor, by_numpy, by_changing_there]
READING += [by_detour, by_folder]


@pytest.mark.parametrize("answer", IMPORTING + READING)
def test_the_library_is_out_of_reach(answer, survive):
    outcome = survive(answer, banned=SOFTMAX)
    assert (outcome.kind, outcome.error) == ("banned", "course_lib")


def test_nor_from_a_zip_archive_that_was_packed_before(survive, tmp_path):
    path = str(tmp_path / "mine.zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in process.LIBRARY.glob("attention/*.py"):
            archive.write(file, f"course_lib/attention/{file.name}")

    def by_path(x):
        sys.path.insert(0, path)
        return importlib.import_module("course_lib.attention").softmax(x)

    def by_importer(x):
        return zipimport.zipimporter(path).load_module("course_lib.attention")

    assert survive(by_path).error == "course_lib"
    assert survive(by_importer).kind in ("banned", "raised")


def test_nor_through_another_process(survive):
    assert "may not start other processes" in survive(by_another_process).error


def test_nor_through_a_link(survive):
    def by_link(x):
        os.symlink(HERE, "mine.py")
        return Path("mine.py").read_text()

    assert "only in its own folder" in survive(by_link).error


def test_linecache_has_no_look_and_warnings_are_no_crime(survive):
    def lines(x):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn_explicit("odd", UserWarning, HERE, 30)
        return linecache.getlines(HERE)

    outcome = survive(lines)
    assert outcome.values == [[]]
    assert "UserWarning: odd" in outcome.printed


def test_the_file_of_progress_is_safe(survive, tmp_path):
    path = tmp_path / "progress.json"
    path.write_text("{}")

    def forge(x):
        Path(path).write_text('{"11.2": "correct"}')

    assert "only in its own folder" in survive(forge).error
    assert path.read_text() == "{}"


# --- banned names ---------------------------------------------------------------------


def the_function(x):
    return softmax(x)


def an_alias(x):
    return alias(x)


def in_a_container(x):
    return TOOLS["it"](x)


TOOLS = {"it": softmax}


def as_a_default(x, it=softmax):
    return it(x)


def through_the_module(x):
    return attention_module.softmax(x)


def a_decorated_one(x):
    return DECORATED(x)


DECORATED = np.errstate(all="ignore")(softmax)


def through_another_function(x):
    return scaled_dot_product_attention(x, x, x)


def from_scipy(x):
    return scipy.special.softmax(x, axis=-1)


def from_scipy_inside(x):
    from scipy.special import softmax as ready

    return ready(x, axis=-1)


def from_scipys_own_file(x):
    from scipy.special._logsumexp import softmax as ready

    return ready(x, axis=-1)


def caught(x):
    try:
        return scipy.special.softmax(x, axis=-1)
    except BaseException:
        return OWN_SOFTMAX_IS_FINE


USES = [the_function, an_alias, in_a_container, as_a_default, through_the_module]
USES += [a_decorated_one, from_scipy, from_scipy_inside, from_scipys_own_file, caught]


@pytest.mark.parametrize("answer", USES)
def test_a_banned_name_is_found_under_any_alias(answer, survive):
    outcome = survive(answer, banned=SOFTMAX)
    ours = "scipy" not in answer.__name__ and answer is not caught
    assert (outcome.kind, outcome.error) == ("banned", SOFTMAX[0 if ours else 1])


def test_what_is_inside_a_banned_decorated_function_is_banned_too(survive, monkeypatch):
    @functools.wraps(softmax)
    def decorated(*args):
        return softmax(*args)

    monkeypatch.setattr(attention_module, "decorated", decorated, raising=False)
    banned = ["course_lib.attention.decorated"]
    for answer in (the_function, lambda x: decorated(x)):
        outcome = survive(answer, banned=banned)
        assert (outcome.kind, outcome.error) == ("banned", banned[0])


def test_a_function_that_is_not_banned_may_be_used(survive):
    x = np.random.default_rng(0).normal(size=(5, 7))
    outcome = survive(through_another_function, (x,), banned=())
    np.testing.assert_array_equal(outcome.values, [through_another_function(x)])
    for answer in (the_function, through_the_module, in_a_container):
        outcome = survive(answer, (x,), banned=ATTENTION)
        np.testing.assert_array_equal(outcome.values, [softmax(x)])
    assert survive(from_scipy, (x,)).kind == "returned"
    assert survive(through_another_function, (x,), banned=ATTENTION).kind == "banned"


@pytest.mark.slow
def test_a_banned_class_and_its_instances(survive):
    def median(x):
        return scipy.stats.norm(0, 1).median()

    import scipy.stats

    banned = ("scipy.stats._distn_infrastructure.rv_frozen", "scipy.stats.norm")
    assert survive(median, banned=banned, seconds=5).kind == "banned"


def test_a_name_that_is_nowhere_or_in_c_does_no_harm(survive):
    banned = ("no_such.module.name", "numpy.no_such_name", "numpy.ndarray.sort")
    assert survive(np.sort, banned=banned).kind == "returned"


@pytest.mark.slow
def test_torch_is_banned_whether_it_is_loaded_or_comes_later(survive):
    torch_names = ("torch.softmax", "torch.nn.functional.softmax")
    torch_names += ("torch.Tensor.softmax",)

    def function(x):
        import torch

        return torch.softmax(torch.from_numpy(np.array(x)), dim=-1).numpy()

    def functional(x):
        import torch.nn.functional as F
        from torch import from_numpy

        return F.softmax(from_numpy(np.array(x)), dim=-1).numpy()

    def method(x):
        import torch

        return torch.from_numpy(np.array(x)).softmax(-1).numpy()

    answers = dict(zip((function, functional, method), torch_names, strict=True))
    for answer, name in answers.items():
        outcome = survive(answer, banned=torch_names, seconds=10)
        assert (outcome.kind, outcome.error) == ("banned", name)
    for answer in answers:
        assert survive(answer, seconds=10, needs_torch=True).kind == "returned"
        assert survive(answer, banned=torch_names, needs_torch=True).kind == "banned"


# --- in this process, without harm ----------------------------------------------------


def test_a_loaded_name_is_found_and_nothing_is_imported():
    assert guard.find_loaded("os.path.join")[2] is os.path.join
    assert guard.find_loaded("numpy.ndarray.sort")[2] is np.ndarray.sort
    before = set(sys.modules)
    assert guard.find_loaded("idlelib.run.main") is None
    assert guard.find_loaded("numpy.nothing") is None
    assert set(sys.modules) == before


def test_within_a_folder():
    assert guard.is_within("/a/b", "/a")
    assert guard.is_within("/a", "/a")
    assert guard.is_within("/a", "/")
    assert not guard.is_within("/ab", "/a")
