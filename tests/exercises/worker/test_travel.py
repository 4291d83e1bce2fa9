"""What travels by value, what is only named, and what can't travel, in plain words."""

import functools
import importlib
import pickle
import random
import sys
import threading
import time
import types

import cloudpickle
import numpy as np
import pytest
import scipy.special

from course_lib.attention import softmax
from course_lib.exercises import worker
from course_lib.exercises.worker import travel

pytestmark = pytest.mark.slow  # starts processes

X = np.random.default_rng(0).normal(size=(3, 5))
FACTOR = 2.0
GENERATOR = np.random.default_rng(3)


def value_of(answer, *arguments):
    outcome = worker.run(answer, [arguments])
    assert outcome.kind == "returned", outcome
    return outcome.values[0]


@pytest.fixture
def module_of(tmp_path, monkeypatch):
    """Return a function that writes and imports a module of the learner's own."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(name, text):
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        importlib.invalidate_caches()
        module = importlib.import_module(name)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return make


# --- what travels ---------------------------------------------------------------------


def helper(x):
    return x * FACTOR


class Scaler:
    """A class of the notebook, with what it needs."""

    factor = FACTOR

    def __init__(self, x):
        self.x = helper(x)

    def __call__(self):
        return self.x * self.factor


def test_a_function_takes_its_globals_closure_and_defaults_along():
    shift = np.array([1.0, 2, 3])

    def answer(x, power=2, *, more=0.5):
        return helper(x) ** power + shift + more

    wanted = (2 * X[:, :3]) ** 2 + shift + 0.5
    np.testing.assert_array_equal(value_of(answer, X[:, :3]), wanted)


def double(x):
    return 2 * x


ANSWERS = [
    double,
    lambda x: 2 * x,
    functools.partial(np.multiply, 2),
    np.errstate(all="ignore")(double),
    functools.lru_cache(double),
    functools.wraps(double)(lambda x: double(x)),
    Scaler(1.0).x.__mul__,
]


@pytest.mark.parametrize("answer", ANSWERS, ids=range(len(ANSWERS)))
def test_all_sorts_of_callables(answer):
    assert value_of(answer, 3.0) == 6


@np.errstate(all="ignore")
def quiet_factorial(n):
    return 1 if n == 0 else n * quiet_factorial(n - 1)


@functools.lru_cache(maxsize=7)
def cached_factorial(n):
    return 1 if n == 0 else n * cached_factorial(n - 1)


def test_a_decorated_function_may_call_itself():
    assert value_of(quiet_factorial, 5) == 120
    assert value_of(cached_factorial, 5) == 120
    assert cached_factorial.cache_info().currsize == 0


def test_a_class_and_our_way_to_use_it():
    def use(answer, x):
        return answer(x)()

    outcome = worker.run(Scaler, [(3.0,)], use=use)
    assert outcome.values == [12.0]
    assert value_of(Scaler, 3.0).type_name.endswith("Scaler")


def test_a_value_is_an_answer_for_a_function_of_ours():
    outcome = worker.run(X, [(2,)], use=lambda answer, n: answer * n)
    np.testing.assert_array_equal(outcome.values[0], 2 * X)


def test_functions_of_the_learners_own_modules(module_of):
    inner = module_of("my_helpers", "def triple(x):\n    return 3 * x\n")
    text = "import numpy\nimport my_helpers\nfrom my_helpers import triple\n"
    text += "def answer(x):\n    return my_helpers.triple(triple(numpy.abs(x)))\n"
    outer = module_of("my_answers", text)
    assert value_of(outer.answer, -2) == 18

    def through_modules(x):
        return outer.answer(x) + inner.triple(x)

    assert value_of(through_modules, -2) == 12
    assert not cloudpickle.list_registry_pickle_by_value()


def test_what_the_learner_registered_stays_so(module_of):
    module = module_of("my_registered", "def answer(x):\n    return x\n")
    cloudpickle.register_pickle_by_value(module)
    try:
        assert value_of(module.answer, 1) == 1
        assert module.__name__ in cloudpickle.list_registry_pickle_by_value()
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_functions_of_this_library_travel_by_value():
    np.testing.assert_array_equal(value_of(lambda x: softmax(x), X), softmax(X))


def test_installed_modules_are_named_and_kept_warm():
    def answer(x):
        return scipy.special.erf(x)

    parcel = travel.pack(answer)
    assert "scipy.special" in parcel.modules
    assert "course_lib" not in parcel.modules
    assert __name__ not in parcel.modules
    assert len(parcel.data) < 2000
    assert parcel.files == [__file__]
    np.testing.assert_array_equal(value_of(answer, X), scipy.special.erf(X))


def test_a_generator_of_random_numbers_travels_and_stays_where_it_was():
    before = GENERATOR.bit_generator.state

    def answer(n):
        return GENERATOR.normal(size=n)

    first, second = value_of(answer, 3), value_of(answer, 3)
    np.testing.assert_array_equal(first, second)
    assert GENERATOR.bit_generator.state == before
    np.testing.assert_array_equal(first, GENERATOR.normal(size=3))
    GENERATOR.bit_generator.state = before


def test_the_notebooks_own_output_travels():
    stream = sys.stdout

    def answer(x):
        print("hello", file=stream)
        return x

    assert worker.run(answer, [(1,)]).printed == "hello\n"


# --- what does not --------------------------------------------------------------------

LOCK = threading.Lock()
LARGE = np.zeros(300 * 2**17)  # 300 MB, of which no page is touched
NUMBERS = (n for n in range(3))
MANY = dict.fromkeys(range(3))


class Holder:
    """Holds what can't travel."""

    lock = LOCK


class Stubborn:
    """Refuses to be packed."""

    def __reduce__(self):
        raise RuntimeError("never")


class Mute(BaseException):
    """Can't even say what is wrong."""

    def __str__(self):
        raise RuntimeError


class Worse:
    """Raises no ordinary error."""

    def __reduce__(self):
        raise Mute


STUBBORN, WORSE = Stubborn(), Worse()


def uses_a_lock(x):
    with LOCK:
        return x


def uses_a_large_array(x):
    return LARGE[:3] + x


def uses_numbers(x):
    return list(NUMBERS)


def uses_a_class(x):
    return Holder.lock


def uses_another_function(x):
    return uses_a_lock(x)


def has_a_default(x, numbers=NUMBERS):
    return x


def has_a_function_inside(x):
    return [LOCK for _ in range(3)]


def is_stubborn(x):
    return STUBBORN


def is_worse(x):
    return WORSE


STUCK = [
    (uses_a_lock, "`LOCK` in `uses_a_lock`", "a _thread.lock."),
    (uses_a_large_array, "`LARGE` in `uses_a_large_array`", "(larger than 64 MB)"),
    (uses_numbers, "`NUMBERS` in `uses_numbers`", "a generator."),
    (uses_a_class, "`lock` in `Holder`", "a _thread.lock."),
    (uses_another_function, "`LOCK` in `uses_a_lock`", "a _thread.lock."),
    (has_a_default, "`numbers` in `has_a_default`", "a generator."),
    (has_a_function_inside, "`LOCK` in `has_a_function_inside`", "a _thread.lock."),
    (is_stubborn, "`STUBBORN` in `is_stubborn`", "Stubborn (never)"),
    (is_worse, "`WORSE` in `is_worse`", "Worse."),
    (NUMBERS, "your answer", "a generator."),
]


@pytest.mark.parametrize(("answer", "place", "what"), STUCK)
def test_what_cannot_travel_is_named(answer, place, what):
    start = time.monotonic()
    outcome = worker.run(answer, [(1,)])
    assert time.monotonic() - start < 2
    assert outcome.kind == "refused"
    assert f"{place} can't go there" in outcome.error
    assert what in outcome.error


def test_an_open_file(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("a\nb\n")
    with path.open() as notes:

        def answer(x):
            return notes.read()

        assert notes.readline() == "a\n"
        outcome = worker.run(answer, [(1,)])
        assert notes.read() == "b\n"
    assert "`notes` in `answer` can't go there" in outcome.error
    assert "(an open file)" in outcome.error


def test_what_packs_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr(travel, "TIME_LIMIT", 0.2)
    endless = Endless()
    start = time.monotonic()
    outcome = worker.run(lambda x: endless, [(1,)])
    assert time.monotonic() - start < 2
    assert "`endless`" in outcome.error
    assert "more than 0.2 s of packing" in outcome.error


class Endless:
    """Packing it never ends, and never grows much."""

    def __reduce__(self):
        return list, (), None, iter(lambda: bytes(2), 0)


def test_what_cannot_be_rebuilt_is_refused():
    class Broken:
        def __reduce__(self):
            return explode, ()

    broken = Broken()
    outcome = worker.run(lambda x: broken, [(1,)])
    assert outcome.kind == "refused"
    assert outcome.error.endswith("ZeroDivisionError: division by zero")


def explode():
    return 1 / 0


def test_a_module_with_what_can_not_travel(module_of):
    text = "import threading\nlock = threading.Lock()\ndef f(x):\n    return x\n"
    module = module_of("my_locked", text)
    assert value_of(module.f, 3) == 3
    outcome = worker.run(lambda x: module.f(x), [(1,)])
    assert "`lock` in `my_locked`" in outcome.error


# --- whose it is ----------------------------------------------------------------------


def test_whose_a_module_is():
    for name in ("numpy", "os", "sys", "scipy.special._ufuncs", "pytest", "encodings"):
        importlib.import_module(name)
        assert travel.is_installed(name), name
    for name in ("course_lib", "course_lib.attention", "__main__", __name__, "absent"):
        assert travel.is_own(name), name


def test_the_registry_is_left_as_it_was_even_after_an_error(module_of):
    module = module_of("my_error", "n = (i for i in [])\ndef f(x):\n    return n\n")
    with pytest.raises(travel.Refused):
        travel.pack(module.f)
    assert not cloudpickle.list_registry_pickle_by_value()


def test_packing_draws_no_random_number_and_imports_nothing():
    def state():
        legacy = np.random.get_state()  # noqa: NPY002 - what a learner may use
        return random.getstate(), pickle.dumps(legacy), set(sys.modules)

    travel.pack(double)
    before = state()
    travel.pack(lambda x: types.SimpleNamespace(a=scipy.special.erf(x)), ["os.fork"])
    assert state() == before
