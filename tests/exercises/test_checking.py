"""`check` from end to end: what it answers, what it keeps, and that it never raises."""

import json
import os
import random

import numpy as np
import pytest

from course_lib.exercises import check, progress_file, verdict, worker
from course_lib.exercises.exercise import exercise

ABOUT = {"difficulty": 1, "minutes": 2, "section": "3 · Shares"}


def right(table):
    return table / table.sum(axis=-1, keepdims=True)


def stub(table): ...


def by_columns(table):
    return table / table.sum(axis=0)


def too_large(table):
    return 2 * table / table.sum(axis=-1, keepdims=True)


def misspells(table):
    total = table.sum(axis=-1)  # noqa: F841
    return table / totl[:, None]  # noqa: F821


def endless(table):
    print("begun")
    while True:
        pass


def segfault(table):
    import ctypes

    ctypes.string_at(0)


# --- through the worker ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status", "name", "words"),
    [
        (
            right,
            "correct",
            None,
            "Right for all 6 sets of inputs, 4 of them drawn just",
        ),
        (stub, "not started", None, "Nothing here yet. Write `divide_rows(table)`"),
        (by_columns, "wrong", "by_columns", "Shape (5, 7) is right. Your columns sum"),
        (too_large, "wrong", None, "Every value is 2 times too large"),
        (misspells, "error", None, "raised NameError: name 'totl' is not defined"),
        (segfault, "error", None, "crashed Python (segmentation fault); your notebook"),
    ],
)
def test_the_worker_and_the_verdict_together(rows, answer, status, name, words):
    feedback = check("98.1", answer)
    assert (feedback.status, feedback.misconception) == (status, name)
    assert words in feedback.message
    assert check("98.1", right).status == "correct"


def test_an_endless_loop(rows, monkeypatch):
    monkeypatch.setattr(verdict, "slowest_allowed", lambda seconds: 0.5)
    feedback = check("98.1", endless)
    assert feedback.status == "timeout"
    assert feedback.message == "Stopped after 0.5 s; an endless loop?"
    assert "What it printed:\n    begun" in str(feedback)
    assert check("98.1", right).status == "correct"


def test_the_line_of_the_learner_is_shown(rows):
    shown = str(check("98.1", misspells))
    assert "Line 3 of your function:\n    return table / totl[:, None]" in shown
    assert "Define `totl`, or import it" in shown
    assert "checking.py" not in shown
    assert "Traceback" not in shown


def test_what_is_banned(registry):
    made = exercise("98.4", "Softmax", banned=["scipy.special.softmax"], **ABOUT)(right)
    made.inputs(lambda rng: rng.normal(size=(3, 5)))

    def cheat(table):
        from scipy import special

        return special.softmax(table, axis=-1)

    feedback = check("98.4", cheat)
    assert feedback.status == "wrong"
    assert feedback.message == (
        "This exercise is about writing it yourself; your function uses "
        "`scipy.special.softmax`."
    )


def test_a_class(registry):
    @exercise("98.3", "Counter", **ABOUT)
    class Counter:
        """Counts."""

        def __init__(self, start):
            self.n = start

        def add(self, n):
            self.n += n
            return self.n

    @Counter.use
    def _(answer, start, steps):
        counter = answer(start)
        return [counter.add(step) for step in steps]

    Counter.inputs(lambda rng: (int(rng.integers(9)), [1, 2, 5]))

    @Counter.misconception("You forgot what was counted before.")
    class Forgetful(Counter.solution):
        def add(self, n):
            return n

    class Mine:
        def __init__(self, start):
            self.total = start

        def add(self, n):
            self.total = self.total + n
            return self.total

    class NotYet:
        def __init__(self, start): ...

        def add(self, n): ...

    assert check("98.3", Mine).status == "correct"
    assert check("98.3", NotYet).status == "not started"
    assert check("98.3", Forgetful).misconception == "Forgetful"
    assert check("98.3", Mine(3)).message.startswith("Define the class `Counter(start)")


def test_the_learners_kernel_is_the_same_before_and_after(rows):
    def state():
        here = os.getcwd(), dict(os.environ), np.geterr(), np.get_printoptions()
        return here, random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002

    def meddles(table):
        os.chdir("/")
        os.environ["LEARNER"] = "was here"
        np.random.seed(3)  # noqa: NPY002
        np.seterr(all="raise")
        return right(table)

    before = state()
    for answer in (right, meddles, misspells, by_columns):
        check("98.1", answer)
    assert state() == before


# --- it never raises ------------------------------------------------------------------


class Odd(str):
    def strip(self):
        raise SystemExit("stripped")

    def __eq__(self, other):
        raise SystemExit("compared")

    __hash__ = str.__hash__


@pytest.mark.parametrize(
    "id",
    [
        "",
        " ",
        "nope",
        "11",
        "98.2",
        None,
        98.1,
        ["98.1"],
        Odd("98.1"),
        "9" * 10**7,
        "\0",
    ],
)
def test_any_id(rows, id):
    feedback = check(id, right)
    assert feedback.status == "error"
    assert "Which exercise?" in feedback.message or "There is no" in feedback.message
    assert len(str(feedback)) < 300


def yields(table):
    yield table


async def waits(table):
    return table


def test_an_id_may_have_spaces_around_it(rows, in_process):
    assert check(" 98.1 ", right).status == "correct"


@pytest.mark.parametrize(
    "answer",
    [
        *(None, 3, "divide_rows", [], {}, object(), int, np, NotImplemented, type),
        *(yields, waits, print, np.exp, iter([]), Odd("a"), np.zeros(3), Exception()),
        *(lambda: 0, lambda table: table / 0, lambda table: lambda: table),
        (lambda table: exit()),
        (lambda table: (_ for _ in ()).throw(KeyboardInterrupt)),
        (lambda table: np.array([object()])),
        (lambda table: table.astype(object)),
        (lambda table: np.ma.masked_array(table)),
        (lambda table: 10**5000),
        (lambda table: "a" * 10**6),
        (lambda table: [[[[[[table]]]]]]),
    ],
)
def test_any_answer(rows, answer):
    feedback = check("98.1", answer)
    assert feedback.status in {"wrong", "error"}
    assert feedback.message
    assert "failed itself" not in feedback.message
    str(feedback).encode()
    json.dumps(feedback._repr_mimebundle_())
    assert len(str(feedback)) < 4000


def test_nothing_handed_over(rows):
    assert check("98.1").status == "error"
    assert check("98.1").message.startswith("Define `divide_rows(table)` in the cell")
    assert check().message == 'Which exercise? Its id is text, such as "11.4".'


@pytest.mark.parametrize(
    "error",
    [RuntimeError("no processes left"), OSError(12, "no memory"), MemoryError()],
)
def test_a_worker_that_does_not_start(rows, monkeypatch, error, progress_path):
    def fails(*args, **more):
        raise error

    monkeypatch.setattr(worker, "run", fails)
    feedback = check("98.1", right)
    assert feedback.status == "error"
    assert "could not be started" in feedback.message
    assert str(error) in feedback.message
    assert not progress_path.exists()  # that was no attempt


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("course_lib.exercises.verdict.judge", ZeroDivisionError("ours")),
        ("course_lib.exercises.verdict.try_here", RecursionError("deep")),
        ("course_lib.exercises.answers.is_started", SystemExit("out")),
        ("course_lib.exercises.progress_file.update", KeyError("room")),
    ],
)
def test_a_fault_of_ours_is_one_plain_sentence(
    rows, in_process, monkeypatch, place, error
):
    def fails(*args, **more):
        raise error

    monkeypatch.setattr(place, fails)
    feedback = check("98.1", right)
    assert feedback.status == "error"
    assert feedback.message == (
        f"This check failed itself ({type(error).__name__}: {error.args[0]}). "
        "That says nothing about your answer."
    )


def test_a_solution_that_raises_is_a_fault_of_ours(registry, in_process):
    made = exercise("98.4", "Broken", **ABOUT)(lambda x: x / 0)
    made.inputs(lambda rng: 1)
    assert "failed itself" in check("98.4", right).message


def test_an_interrupt_passes(rows, monkeypatch):
    def interrupted(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(worker, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        check("98.1", right)


# --- what is printed is the same at every run -----------------------------------------


@pytest.mark.parametrize("answer", [right, stub, by_columns, too_large, misspells, 3])
def test_the_same_at_every_run(rows, in_process, answer):
    shown = {json.dumps(check("98.1", answer)._repr_mimebundle_()) for _ in range(5)}
    assert len(shown) == 1


def test_no_number_of_fresh_inputs_is_shown(rows, in_process):
    known = {args[0].tobytes(): right(args[0]) for args in rows.seeded_calls()}

    def from_a_table(table):
        return known.get(table.tobytes(), np.zeros(table.shape))

    shown = {str(check("98.1", from_a_table)) for _ in range(3)}
    assert len(shown) == 1
    assert "Right for the first inputs, but not for others" in shown.pop()


def test_the_limit_grows_with_the_time_our_solution_takes(rows, monkeypatch):
    limits = []

    def note(answer, calls, *, seconds, **more):
        limits.append(seconds)
        raise RuntimeError

    monkeypatch.setattr(worker, "run", note)
    check("98.1", right)
    ticks = iter([0.0, 1.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(ticks))
    check("98.1", right)
    assert limits == [5, 20]


# --- values ---------------------------------------------------------------------------


@pytest.fixture
def spread(registry):
    @exercise("98.5", "Spread", kind="number", rtol=0.01, **ABOUT)
    def spread():
        """The standard deviation."""
        return 8.0

    spread.misconception("That is the variance.")(lambda: 64)
    return spread


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (8, "correct", "That is right."),
        (8.05, "correct", "That is right."),
        (np.float32(8), "correct", "That is right."),
        (np.array(8), "correct", "That is right."),
        (..., "not started", "Nothing here yet. Put your answer there"),
        (64, "wrong", "That is the variance."),
        (9.0, "wrong", "9 is not it. That is too large."),
        (-8.0, "wrong", "The sign is wrong."),
        (float("nan"), "wrong", "The result is NaN"),
        ("8", "wrong", "Text came, wanted a single number."),
        (None, "wrong", "None came, wanted a single number."),
        ([8.0], "wrong", "A list came, wanted a single number."),
        (True, "wrong", "The result is True and False"),
        (max, "wrong", "A builtin_function_or_method came"),
        (right, "error", "what came is the function `right(table)`. Call it."),
    ],
)
def test_a_number(spread, answer, status, words):
    feedback = check("98.5", answer)
    assert feedback.status == status
    assert words in feedback.message
    if answer != 64 and status == "wrong":
        assert "8.0" not in str(feedback)


def test_an_array(registry):
    @exercise("98.6", "Mask", kind="array", **ABOUT)
    def mask():
        """A causal mask of 3 tokens."""
        return np.tri(3, 5, dtype=bool)

    mask.misconception("Turned round.")(lambda: ~np.tri(3, 5, dtype=bool))
    assert check("98.6", np.tri(3, 5, dtype=bool)).status == "correct"
    assert check("98.6", ~np.tri(3, 5, dtype=bool)).message.endswith("Turned round.")
    assert "integers" in check("98.6", np.tri(3, 5, dtype=int)).message
    assert "axes are swapped" in check("98.6", np.tri(3, 5, dtype=bool).T).message
    odd = np.full((3, 5), Odd("a"), dtype=object)
    assert check("98.6", odd).status == "wrong"


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        ("rows", "correct", "That is right."),
        ("  Rows ", "correct", "That is right."),
        ("COLUMNS", "wrong", "'columns' is not it. Those are the queries."),
        ("diagonals", "wrong", "'diagonals' is not it. The choices: columns, rows."),
        (3, "wrong", "A single number came, wanted text."),
    ],
)
def test_a_choice(registry, answer, status, words):
    made = exercise("98.7", "Axis", kind="choice", **ABOUT)(lambda: "rows")
    made.misconception("Those are the queries.")(lambda: "columns")
    feedback = check("98.7", answer)
    assert (feedback.status, words in feedback.message) == (status, True), feedback


# --- what is written down -------------------------------------------------------------


def entry():
    return progress_file.read("exercises").get("98.1", {})


def test_an_attempt_that_only_shows_something_is_not_kept(rows, in_process):
    assert check("98.1", right, keep=False).status == "correct"
    assert "98.1" not in progress_file.read("exercises")


def test_attempts_are_counted_and_right_stays_right(rows, in_process):
    seen = []
    for answer in (by_columns, misspells, right, by_columns, stub):
        check("98.1", answer)
        seen.append((entry()["status"], entry()["attempts"]))
    assert seen == [
        *(("wrong", 1), ("error", 2), ("correct", 3), ("correct", 4), ("correct", 4)),
    ]


@pytest.mark.parametrize("answer", [..., stub, 3, None, int, lambda: 0])
def test_what_was_not_tried_is_no_attempt(rows, in_process, answer):
    check("98.1", answer)
    assert entry() == {}


def test_a_disk_that_refuses_is_told_once_and_does_no_harm(
    rows, in_process, monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "p.json"))
    first, second = check("98.1", right), check("98.1", right)
    assert first.status == second.status == "correct"
    assert "Your progress is not kept" in str(first)
    assert "Your progress is not kept" not in str(second)


def test_limits_that_a_system_lacks_are_told_once(rows, in_process, monkeypatch):
    monkeypatch.setattr(worker, "missing_limits", lambda: ["memory", "processes"])
    monkeypatch.setattr("course_lib.exercises.checking._told", set())
    said = "On this computer the checker can't limit: memory, processes."
    assert said in str(check("98.1", right)).replace("\n", " ")
    assert said not in str(check("98.1", right)).replace("\n", " ")
