"""Every exercise of every lesson is whole, right, and can't be fooled.

Each requirement is a function that fails on an exercise that lacks something. All
exercises of the course must meet all of them; and for each requirement there is a
deliberately defective exercise that must not.
"""

import json
import re
from functools import cache

import numpy as np
import pytest

from course_lib.environment import COURSE
from course_lib.exercises import all as all_of_them
from course_lib.exercises import all_exercises, check, lessons, progress, verdict
from course_lib.exercises.exercise import exercise
from course_lib.exercises.hints import source

pytestmark = pytest.mark.slow  # every answer of every exercise, on 50 seeds
SEEDS = range(50)
PARTS_WITH_FEWER = ("5", "6")  # applications and reference pages

# --- what an exercise holds -----------------------------------------------------------


def says_what_is_to_be_done(about):
    assert len(about.statement) >= 15, "no statement: write it into the docstring"
    assert about.title.strip()


def says_how_hard_and_how_long(about):
    assert about.difficulty in (1, 2, 3)
    assert 1 <= about.minutes <= 60


def has_two_hints(about):
    assert len(about.hints) >= 2, "wanted two hints"
    assert len(set(about.hints)) == len(about.hints)
    assert all(len(hint) >= 10 for hint in about.hints)


def has_enough_misconceptions(about):
    least = 2 if about.id.startswith(PARTS_WITH_FEWER) else 3
    assert len(about.misconceptions) >= least, f"wanted {least} misconceptions"
    sentences = [m.sentence for m in about.misconceptions.values()]
    assert len(set(sentences)) == len(sentences), "two say the same"
    assert all(re.search(r"\w.*[.?!]", sentence) for sentence in sentences)


def has_enough_styles(about):
    least = 1 if about.id.startswith(PARTS_WITH_FEWER) or about.is_value else 3
    assert 1 + len(about.styles) >= least, f"wanted {least} right ways"
    texts = [source(f, "_") for f in (about.function, *about.styles.values())]
    assert len(set(texts)) == len(texts), "two ways are the same"


def points_to_a_heading(about):
    assert about.section in headings(about.lesson), f"no heading {about.section!r}"


@cache
def headings(lesson):
    """The headings of the lesson's sections, as in "3 · Masks"."""
    (path,) = (COURSE / "notebooks").rglob(f"{lesson}_*.ipynb")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    prose = "\n".join(
        "".join(c["source"]) for c in cells if c["cell_type"] == "markdown"
    )
    return re.findall(r"^##+ (.*)$", prose, flags=re.MULTILINE)


def draws_several_shapes(about):
    """So that nothing that fits one shape alone can pass."""
    if about.is_value or not about.parameters:
        return
    assert about.draws, "no inputs"
    assert len({shape(args) for args in about.seeded_calls()}) >= 2, "one shape only"


def shape(value):
    if isinstance(value, tuple | list):
        return (len(value), *map(shape, value))
    return getattr(value, "shape", value)


HOLDS = [
    says_what_is_to_be_done,
    says_how_hard_and_how_long,
    has_two_hints,
    has_enough_misconceptions,
    has_enough_styles,
    points_to_a_heading,
    draws_several_shapes,
]

# --- right is right -------------------------------------------------------------------


def trial(about, function, calls):
    """What a function of ours gives for these inputs; it may not raise."""
    tried = verdict.try_here(about, function, calls)
    assert not tried.error, f"{function.__name__} raised {tried.error}"
    return tried.values


def rounds(about):
    """The inputs of many checks."""
    if about.is_value:
        return [about.seeded_calls()[:1]]
    return [about.calls(np.random.default_rng(seed)) for seed in SEEDS]


def solution_and_styles_are_right(about):
    for seed, calls in enumerate(rounds(about)):
        wanted = trial(about, about.function, calls)
        for name, function in {"solution": about.function, **about.styles}.items():
            wrong = verdict.judge(
                trial(about, function, calls), wanted, verdict.rule_of(about)
            )
            assert not wrong, f"{name}, seed {seed}: {wrong}"


def changes_no_argument(about):
    """`try_here` hands over arrays that can't be written to; lists can."""
    for function in (about.function, *about.styles.values()):
        for args in about.seeded_calls():
            given = verdict.frozen(args)
            about.apply(function, given)
            assert repr(given) == repr(args), f"{function.__name__} changes an argument"


# --- wrong is wrong, and is called by its name ----------------------------------------


def misconceptions_are_caught(about):
    for name, wrong in about.misconceptions.items():
        feedback = check(about.id, about.as_answer(wrong.function))
        assert feedback.status in ("wrong", "error"), f"{name} passes"
        caught = feedback.misconception
        assert caught == name, f"the inputs can't tell {name} from {caught}"
        assert wrong.sentence in feedback.message


def no_two_misconceptions_are_alike_on_any_inputs(about):
    for calls in rounds(about)[:10]:
        for name, wrong in about.misconceptions.items():
            tried = verdict.try_here(about, wrong.function, calls)
            known = verdict.recognise(about, calls, tried)
            assert known.name == name, f"the inputs can't tell {name} from {known.name}"
            if not tried.error:
                wanted = trial(about, about.function, calls)
                rule = verdict.rule_of(about)
                assert verdict.judge(tried.values, wanted, rule), f"{name} is right"


def the_stub_is_not_started(about):
    stubs = [...]
    if about.kind == "function":
        head = f"def {about.name}({', '.join(about.parameters)}):"
        stubs += [
            defined(f"{head} ...", about.name),
            defined(f"{head} pass", about.name),
        ]
        stubs += [defined(f"{head}\n    '''Not yet.'''", about.name)]
    for stub in stubs:
        assert check(about.id, stub).status == "not started"


def defined(text, name):
    namespace = {}
    exec(text, namespace)
    return namespace[name]


def nothing_cheap_passes(about):
    """Constants, a table of known answers, zeros, NaN, transposes, the input itself."""
    if about.is_value:
        return
    for name, cheat in cheats(about).items():
        feedback = check(about.id, cheat)
        assert feedback.status in ("wrong", "error"), f"{name} passes"
        assert "failed itself" not in feedback.message, feedback.message


def cheats(about):
    """Answers by name that know the solution, and make something cheap of it."""
    calls = about.seeded_calls()
    known = {
        repr(args): value for args, value in zip(calls, trial_of(about), strict=True)
    }
    first = next(iter(known.values()))
    made = {
        "a constant": lambda *args: first,
        "a table of the first answers": lambda *args: known.get(repr(args), first),
        "nothing": lambda *args: None,
        "its own name": lambda *args: about.name,
    }
    for place, name in enumerate(about.parameters):
        made[f"its argument {name}"] = lambda *args, place=place: args[place]
    if all(type(value) is np.ndarray for value in known.values()):
        made |= spoiled(about)
    return {name: as_answer(about, cheat) for name, cheat in made.items()}


def trial_of(about):
    return trial(about, about.function, about.seeded_calls())


def spoiled(about):
    """Right arrays with something wrong about them."""

    def with_(change):
        return lambda *args: change(about.apply(about.function, args))

    made = {
        "zeros": with_(np.zeros_like),
        "ones": with_(np.ones_like),
        "NaN": with_(lambda array: np.full(array.shape, np.nan)),
        "a list": with_(lambda array: array.tolist()),
        "a subclass": with_(lambda array: np.ma.masked_array(array)),
        "objects": with_(lambda array: array.astype(object)),
        "another kind": with_(
            lambda a: a.astype(int if a.dtype.kind != "i" else float)
        ),
        "one entry off": with_(one_entry_off),
        "one row less": with_(lambda array: array[:-1]),
        "one axis more": with_(lambda array: array[None]),
    }
    turned = [value.T for value in trial_of(about) if value.ndim > 1]
    if turned:
        made["the transpose"] = with_(lambda array: array.T)
    return made


def one_entry_off(array):
    array = array.copy()
    array.flat[-1] = not array.flat[-1] if array.dtype == bool else array.flat[-1] + 1
    return array


def as_answer(about, cheat):
    """A class can't be cheap in this way; what is done with it can."""
    return cheat if about.kind == "function" else about.solution


MEETS = [
    solution_and_styles_are_right,
    changes_no_argument,
    misconceptions_are_caught,
    no_two_misconceptions_are_alike_on_any_inputs,
    the_stub_is_not_started,
    nothing_cheap_passes,
]

# --- all exercises of the course ------------------------------------------------------

each_exercise = pytest.mark.parametrize("about", all_exercises(), ids=lambda e: e.id)
each_requirement = pytest.mark.parametrize(
    "requirement", HOLDS + MEETS, ids=lambda r: r.__name__
)


@each_requirement
@each_exercise
def test_an_exercise_is_whole(about, requirement, in_process):
    requirement(about)


@each_exercise
def test_the_worker_agrees(about):
    ways = {"solution": about.function, **about.styles}
    for name, function in ways.items():
        feedback = check(about.id, about.as_answer(function))
        assert feedback.status == "correct", f"{name}: {feedback}"
    for name, wrong in about.misconceptions.items():
        feedback = check(about.id, about.as_answer(wrong.function))
        assert feedback.misconception == name, f"{name}: {feedback}"


def calling(dotted):
    """An answer that imports something ready-made and calls it."""

    def cheat(*args):
        import importlib

        module, name = dotted.rsplit(".", 1)
        return getattr(importlib.import_module(module), name)(*args)

    return cheat


@each_exercise
def test_our_own_answer_is_out_of_reach(about):
    def imports_the_solution(*args):
        import importlib

        module = importlib.import_module(f"course_lib.exercises.lesson_{lesson}")
        return getattr(module, name).function(*args)

    lesson, name = about.lesson, about.name
    if about.kind == "function":
        assert check(about.id, imports_the_solution).status == "wrong"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("about", "dotted"),
    [(about, name) for about in all_exercises() for name in about.banned],
    ids=lambda value: getattr(value, "id", value),
)
def test_what_is_banned_is_out_of_reach(about, dotted):
    feedback = check(about.id, calling(dotted))
    assert feedback.status != "correct"
    if dotted.split(".")[0] != "torch" or about.needs_torch:
        assert "writing it yourself" in feedback.message, feedback


# --- the requirements themselves ------------------------------------------------------


def good(id="11.99", **changed):
    """An exercise that meets all requirements; each test below spoils one thing."""
    about = {"difficulty": 1, "minutes": 3, "section": headings("11")[0]} | changed

    @exercise(id, "Halves", **about)
    def halves(table, size):
        """Half of each entry, down to a width of `size`."""
        return table[:, :size] / 2

    @halves.inputs
    def _(rng):
        yield rng.normal(size=(5, 7)), 3
        yield rng.normal(size=(2, 11)), 5

    halves.hint("What is half of one entry?")
    halves.hint("`table[:, :size]` is the part that is wanted.")

    @halves.style("product")
    def _(table, size):
        return 0.5 * table[:, :size]

    @halves.style("halves of rows")
    def _(table, size):
        return np.array([row[:size] / 2 for row in table])

    @halves.misconception("You doubled it.")
    def doubled(table, size):
        return table[:, :size] * 2

    @halves.misconception("You cut rows, not columns.")
    def rows_cut(table, size):
        return table[:size] / 2

    @halves.misconception("`size` is a number, and can't be called.")
    def called(table, size):
        return size(table)

    return halves


def without(place, *keys):
    def spoil(about):
        for key in keys:
            del getattr(about, place)[key]

    return spoil


def only_one_shape(about):
    about.draws[:] = [lambda rng: (rng.normal(size=(5, 7)), 3)]


def no_inputs(about):
    about.draws.clear()


def wrong_style(about):
    about.styles["product"] = lambda table, size: 0.5001 * table[:, :size]


def style_for_one_shape(about):
    about.styles["product"] = lambda table, size: table[:, : min(size, 3)] / 2


def raising_style(about):
    about.styles["product"] = lambda table, size: table.half()


def style_that_is_seldom_wrong(about):
    about.styles["product"] = lambda table, size: table[:, :size].clip(-6, 6.0) / 2
    about.draws[:] = [
        lambda rng: (rng.normal(size=(5, 7)) * rng.choice([1.0, 1, 1, 1, 99]), 3),
        lambda rng: (rng.normal(size=(2, 7)), 5),
    ]


def misconception_that_is_right(about):
    about.misconception("You were right.")(lambda table, size: table[:, :size] / 2.0)


def twins(about):
    about.misconception("You added it.")(lambda table, size: table[:, :size] * 2.0)


def twins_that_raise(about):
    about.misconception("You called it.")(lambda table, size: size(1))


def same_sentence(about):
    @about.misconception("You doubled it.")
    def tripled(table, size):
        return table[:, :size] * 3


def the_answer_is_a_constant(about):
    about.function = lambda table, size: np.ones((2, 2))
    about.function.__name__ = "halves"


def the_answer_is_an_argument(about):
    def halves(table, size):
        return table

    about.function = halves


def the_answer_is_symmetric(about):
    def halves(table, size):
        return np.eye(len(table)) * table.sum()

    about.function = halves


def the_tolerance_is_too_large(about):
    about.rtol = 4


def same_ways(about):
    about.styles["halves of rows"] = about.styles["product"]


def style_that_changes_a_list(about):
    about.draws[:] = [lambda rng: ([3, 1, 2], int(rng.integers(9)))]
    about.function = lambda items, size: sorted(items)
    about.styles.clear()
    about.styles["in place"] = lambda items, size: items.sort() or items


def no_statement(about):
    about.function.__doc__ = ""


DEFECTS = [
    (no_statement, says_what_is_to_be_done),
    (lambda e: setattr(e, "title", " "), says_what_is_to_be_done),
    (lambda e: setattr(e, "difficulty", 4), says_how_hard_and_how_long),
    (lambda e: setattr(e, "minutes", None), says_how_hard_and_how_long),
    (lambda e: e.hints.pop(), has_two_hints),
    (lambda e: e.hints.append(e.hints[0]), has_two_hints),
    (without("misconceptions", "called"), has_enough_misconceptions),
    (same_sentence, has_enough_misconceptions),
    (without("styles", "product"), has_enough_styles),
    (same_ways, has_enough_styles),
    (lambda e: setattr(e, "section", "9 · Nowhere"), points_to_a_heading),
    (only_one_shape, draws_several_shapes),
    (no_inputs, draws_several_shapes),
    (wrong_style, solution_and_styles_are_right),
    (style_for_one_shape, solution_and_styles_are_right),
    (raising_style, solution_and_styles_are_right),
    (style_that_is_seldom_wrong, solution_and_styles_are_right),
    (style_that_changes_a_list, changes_no_argument),
    (misconception_that_is_right, misconceptions_are_caught),
    (misconception_that_is_right, no_two_misconceptions_are_alike_on_any_inputs),
    (twins, misconceptions_are_caught),
    (twins, no_two_misconceptions_are_alike_on_any_inputs),
    (twins_that_raise, misconceptions_are_caught),
    (the_tolerance_is_too_large, misconceptions_are_caught),
    (the_tolerance_is_too_large, nothing_cheap_passes),
    (the_answer_is_a_constant, nothing_cheap_passes),
    (the_answer_is_an_argument, nothing_cheap_passes),
    (the_answer_is_symmetric, nothing_cheap_passes),
]


@each_requirement
def test_a_good_exercise_meets_all_requirements(registry, in_process, requirement):
    requirement(good())


@pytest.mark.parametrize(("defect", "requirement"), DEFECTS)
def test_a_defect_is_seen(registry, in_process, defect, requirement):
    about = good()
    defect(about)
    with pytest.raises((AssertionError, TypeError)):
        requirement(about)


def test_two_that_cannot_be_told_apart_are_named(registry, in_process):
    about = good()
    about.misconception("You added it.")(doubled_again)
    with pytest.raises(AssertionError, match="can't tell doubled_again from doubled"):
        misconceptions_are_caught(about)


def doubled_again(table, size):
    return table[:, :size] + table[:, :size]


def test_a_stub_that_is_tried_is_seen(registry, in_process, monkeypatch):
    monkeypatch.setattr("course_lib.exercises.answers.is_started", lambda *_: True)
    with pytest.raises(AssertionError):
        the_stub_is_not_started(good())


def test_the_last_parts_need_fewer(registry):
    about = good("51.1")
    about.styles.clear()
    del about.misconceptions["called"]
    has_enough_styles(about)
    has_enough_misconceptions(about)
    del about.misconceptions["doubled"]
    with pytest.raises(AssertionError):
        has_enough_misconceptions(about)


# --- finding them ---------------------------------------------------------------------


def test_all_exercises_are_in_order():
    ids = [about.id for about in all_exercises()]
    assert ids == sorted(ids, key=lambda id: [int(n) for n in id.split(".")])
    assert len(set(ids)) == len(ids) > 8
    assert [about.id for about in all_of_them()] == ids
    assert [row.exercise.id for row in progress().rows] == ids


def test_place_ten_comes_after_place_two(registry):
    for id in ("11.10", "11.2", "08.3"):
        good(id)
    assert [about.id for about in all_exercises()] == ["08.3", "11.2", "11.10"]


def test_each_lies_in_the_file_of_its_lesson():
    for about in all_exercises():
        assert about.function.__module__.endswith(f".lesson_{about.lesson}")
        assert lessons.find(about.id) is about


@pytest.mark.parametrize(
    ("id", "words"),
    [
        ("11.44", "There is no exercise '11.44'. The nearest: 11.4"),
        ("1.4", "There is no exercise '1.4'. The nearest: 1"),
        ("11,4", "11.4"),
        ("99.1", "The nearest: "),
        ("lesson_11", "The nearest: "),
        ("../../x", "The nearest: "),
        ("", "Which exercise?"),
        (11.4, "Which exercise? Its id is text"),
        (None, "Which exercise?"),
        ("9" * 10**6, "There is no exercise '99999999999999999999'."),
    ],
)
def test_an_id_that_is_not_there_names_the_nearest(id, words):
    with pytest.raises(lessons.UnknownExercise) as caught:
        lessons.find(id)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 120


def test_a_course_without_exercises(registry):
    with pytest.raises(lessons.UnknownExercise, match="The nearest: none yet"):
        lessons.find("11.4")
