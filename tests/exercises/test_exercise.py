"""Writing an exercise down: what is kept, what is refused, which inputs are drawn."""

import importlib
import sys

import numpy as np
import pytest

from course_lib.exercises import exercise as module
from course_lib.exercises.exercise import LEAST_SETS, exercise

ABOUT = {"difficulty": 1, "minutes": 2, "section": "1 · Twice"}


@pytest.fixture
def double(registry):
    @exercise("98.2", "Double", **ABOUT)
    def double(x):
        """Twice the number.

        Of any size.
        """
        return 2 * x

    return double


def test_the_decorated_function_is_all_in_one(double, registry):
    assert registry == {"98.2": double}
    assert double.solution(4) == 8
    assert (double.name, double.lesson, double.kind) == ("double", "98", "function")
    assert double.statement == "Twice the number.\n\nOf any size."
    assert double.parameters == ["x"]
    assert repr(double) == "<Exercise 98.2 Double>"


def test_its_own_decorators_fill_it(double):
    double.hint("one")
    double.hint("two")

    @double.style("sum")
    def _(x):
        return x + x

    @double.misconception("That is the square.")
    def squared(x):
        return x * x

    assert double.hints == ["one", "two"]
    assert double.styles["sum"](3) == 6
    assert double.misconceptions["squared"] == (
        "squared",
        "That is the square.",
        squared,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "4"}, "`id` is '4'"),
        ({"id": "11.p3"}, "`id` is '11.p3'"),
        ({"kind": "poem"}, "`kind` is 'poem'"),
        ({"difficulty": 0}, "`difficulty` is 0"),
        ({"difficulty": 4}, "`difficulty` is 4"),
        ({"minutes": 0}, "`minutes` is 0"),
    ],
)
def test_nonsense_is_refused(registry, change, message):
    about = ABOUT | change
    with pytest.raises(ValueError, match=message):
        exercise(about.pop("id", "98.2"), "Double", **about)(lambda x: 2 * x)
    assert registry == {}


@pytest.mark.parametrize("missing", ABOUT)
def test_difficulty_minutes_and_section_have_to_be_said(registry, missing):
    about = {key: value for key, value in ABOUT.items() if key != missing}
    with pytest.raises(TypeError, match=missing):
        exercise("98.2", "Double", **about)(lambda x: 2 * x)


def test_an_id_is_taken_once(double):
    with pytest.raises(ValueError, match=r"98\.2 is taken by double"):

        @exercise("98.2", "Triple", **ABOUT)
        def triple(x):
            return 3 * x


def test_a_lesson_file_may_be_loaded_again():
    lesson = importlib.import_module("course_lib.exercises.lesson_00")
    first = module.REGISTRY["00.1"]
    try:
        importlib.reload(lesson)
        assert module.REGISTRY["00.1"] is not first
    finally:
        module.REGISTRY["00.1"] = first
        sys.modules[lesson.__name__].shares = first


# --- inputs ---------------------------------------------------------------------------


def test_one_argument_several_arguments_and_several_sets(double):
    double.inputs(lambda rng: 1)
    double.inputs(lambda rng: (2, 3))

    @double.inputs
    def _(rng):
        yield 4
        yield 5, 6

    assert double.calls(None) == [(1,), (2, 3), (4,), (5, 6)]


def test_the_first_sets_are_always_the_same_and_the_others_never(double):
    double.inputs(lambda rng: rng.normal(size=7))
    double.inputs(lambda rng: rng.normal(size=3))
    one, other = double.all_calls(), double.all_calls()
    assert [args[0].size for args in one] == [7, 3, 7, 3, 7, 3]
    assert [np.array_equal(a[0], b[0]) for a, b in zip(one, other, strict=True)] == [
        *(True, True, False, False, False, False)
    ]
    assert np.array_equal(double.seeded_calls()[0][0], one[0][0])


@pytest.mark.parametrize(("shapes", "sets"), [(1, 5), (2, 6), (3, 6), (5, 10)])
def test_a_check_tries_several_sets_some_of_them_fresh(double, shapes, sets):
    for size in range(shapes):
        double.inputs(lambda rng, size=size: rng.normal(size=size + 1))
    assert len(double.all_calls()) == sets >= LEAST_SETS
    assert len(double.seeded_calls()) == shapes < sets


def test_the_fresh_sets_are_not_the_first_ones_by_chance(double):
    double.inputs(lambda rng: int(rng.integers(2)))
    (first,) = double.seeded_calls()
    assert all(set(double.all_calls()) == {(0,), (1,)} for _ in range(200))
    double.draws[:] = [lambda rng: 7]  # nothing else can be drawn
    assert double.all_calls() == [(7,)] * 5
    assert first in {(0,), (1,)}


def test_exercises_draw_different_numbers(registry):
    made = []
    for id in ("98.1", "98.2"):
        made.append(exercise(id, "t", **ABOUT)(lambda x: x))
        made[-1].inputs(lambda rng: rng.normal())
    assert made[0].seeded_calls() != made[1].seeded_calls()


def test_without_inputs_there_is_one_call(double):
    assert double.all_calls() == [()]


# --- other kinds of answers -----------------------------------------------------------


def test_a_class_is_put_to_use(registry):
    @exercise("98.3", "Counter", **ABOUT)
    class Counter:
        """Counts."""

        def __init__(self):
            self.n = 0

        def add(self, n):
            self.n += n
            return self.n

    @Counter.use
    def _(answer, steps, size):
        counter = answer()
        return [counter.add(size) for _ in range(steps)]

    assert Counter.kind == "class"
    assert Counter.parameters == ["steps", "size"]
    assert Counter.apply(Counter.solution, (3, 2)) == [2, 4, 6]


def test_the_answer_to_a_value_is_the_value(registry):
    @exercise("98.4", "Six times seven", kind="number", **ABOUT)
    def product():
        """A number."""
        return 42

    @product.misconception("That is the sum.")
    def added():
        return 13

    assert product.is_value
    assert product.solution == 42
    assert product.as_answer(added) == 13


def test_a_value_may_depend_on_the_first_inputs(registry):
    @exercise("98.5", "Longest", kind="number", **ABOUT)
    def longest(words):
        """A number."""
        return max(map(len, words))

    longest.inputs(lambda rng: (["a", "abc"],))
    assert longest.solution == 3


def test_the_choices_are_all_answers_in_an_order_that_gives_nothing_away(registry):
    @exercise("98.6", "Axis", kind="choice", **ABOUT)
    def axis():
        """Which one?"""
        return "rows"

    axis.misconception("No.")(lambda: "columns")
    assert axis.choices == ["columns", "rows"]
