"""The worker as the checks use it; what is hostile stands in `test_child`."""

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import psutil
import pytest

from course_lib.exercises import worker
from course_lib.exercises.worker import Foreign, Outcome, Tensor, process

X = np.random.default_rng(0).normal(size=(3, 5))
COURSE = Path(__file__).resolve().parents[2]
# Slow: it starts processes, and waits for limits.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("nothing_left")]


def double(x):
    return 2 * x


# --- values ---------------------------------------------------------------------------


def test_one_value_for_each_call():
    outcome = worker.run(double, [(X,), (3,), ("ab",), ([1],)])
    np.testing.assert_array_equal(outcome.values[0], 2 * X)
    assert outcome.values[1:] == [6, "abab", [1, 1]]
    rest = outcome._replace(values=[], seconds=0.0)
    assert rest == Outcome("returned", [], 4, "", "", 0, "", False, 0.0)
    assert 0 < outcome.seconds < 1


def test_no_calls_and_no_arguments():
    assert worker.run(double, []).values == []
    assert worker.run(lambda: 3, [()]).values == [3]


def test_arguments_arrive_exactly():
    class Strange(float):
        pass

    def tell(*arguments):
        kinds = [type(a).__name__ for a in arguments]
        return kinds, [a.dtype.str for a in arguments if type(a) is np.ndarray]

    arguments = X.T, np.array(1, ">f4"), np.zeros((0, 3)), None, True, 1, 2.0, 1j, "a"
    kinds, dtypes = worker.run(tell, [arguments]).values[0]
    names = ["ndarray"] * 3 + ["NoneType", "bool", "int", "float", "complex", "str"]
    assert (kinds, dtypes) == (names, ["<f8", ">f4", "<f8"])
    for wrong in (Strange(1), {"a": 1}, np.array([None]), ([{1}],), double):
        with pytest.raises(TypeError, match="does not travel"):
            worker.run(tell, [(wrong,)])


def test_only_exact_types_come_back():
    class Own(np.ndarray):
        pass

    def odd(x):
        values = x.view(Own), {"a": x}, (n for n in x), np.float32(2), x[0, 0], x[0] > 0
        return list(values)

    own, dictionary, generator, number, other, mask = worker.run(odd, [(X,)]).values[0]
    assert own.type_name.endswith("Own")
    assert (dictionary, generator) == (Foreign("dict"), Foreign("generator"))
    assert (type(number), type(other), type(mask)) == (float, float, np.ndarray)


def test_the_input_itself_comes_back_as_a_copy():
    outcome = worker.run(lambda x: x, [(X,)])
    assert not np.shares_memory(outcome.values[0], X)
    np.testing.assert_array_equal(outcome.values[0], X)
    outcome.values[0][:] = 0
    assert X.any()


# --- arguments can't be written to ----------------------------------------------------


def writes(x):
    x[0] = 1
    return x


def sorts(x):
    x.sort()
    return x


def adds(x):
    x += 1
    return x


def into_out(x):
    return np.exp(x, out=x)


def makes_writable(x):
    x.flags.writeable = True
    return writes(x)


def with_a_loan(x):
    y = np.asarray(memoryview(x))
    y.setflags(write=True)
    return writes(y)


@pytest.mark.parametrize(
    "answer", [writes, sorts, adds, into_out, makes_writable, with_a_loan]
)
def test_an_array_that_is_written_to(answer):
    before = X.tobytes()
    outcome = worker.run(answer, [(X,), (X,)])
    assert (outcome.kind, outcome.call, outcome.mutated) == ("raised", 0, True)
    assert outcome.error.startswith("ValueError: ")
    assert outcome.line
    assert X.tobytes() == before


def test_an_error_with_such_a_word_from_elsewhere_is_no_mutation():
    def answer(x):
        raise TypeError("read-only")

    assert not worker.run(answer, [(X,)]).mutated


def test_a_list_that_is_written_to():
    def append(x, nan):
        x.append(nan[0])
        return len(x)

    given = [1.0, float("nan")]
    outcome = worker.run(append, [(given, (0.0,)), (given, (float("nan"),))])
    assert (outcome.values, outcome.mutated) == ([3, 3], True)
    assert len(given) == 2
    assert not worker.run(lambda x: len(x), [([float("nan")],)]).mutated


def test_values_of_finished_calls_come_back_with_an_error():
    outcome = worker.run(lambda x: 1 / x, [(1,), (2,), (0,), (4,)])
    assert (outcome.kind, outcome.values, outcome.call) == ("raised", [1, 0.5], 2)
    assert outcome.error == "ZeroDivisionError: division by zero"


# --- torch ----------------------------------------------------------------------------


@pytest.mark.slow
def test_tensors_there_and_back():
    torch = pytest.importorskip("torch")
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.get_default_dtype() == torch.float64
        tensor = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).requires_grad_()
        calls = [(torch.ones(2, 3),), (tensor,)]
        worker.close()
        start = time.monotonic()
        outcome = worker.run(double, calls, needs_torch=True)
        assert time.monotonic() - start < 8
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    first, second = outcome.values
    assert type(first) is type(second) is Tensor
    assert (first.dtype, second.dtype) == ("torch.float64", "torch.bfloat16")
    assert (first.requires_grad, second.requires_grad) == (False, True)
    np.testing.assert_array_equal(second.array, 2 * np.arange(6).reshape(2, 3))

    def adds(x):
        return x.add_(1).sum().item()

    outcome = worker.run(adds, [(torch.ones(2),)], needs_torch=True)
    assert (outcome.values, outcome.mutated) == ([4.0], True)

    def makes(x):
        import torch

        return torch.zeros(2), torch.get_default_dtype() == torch.float32

    tensor, is_default = worker.run(makes, [(1,)]).values[0]
    assert (tensor, is_default) == (Foreign("torch.Tensor"), True)
    loop = worker.run(makes_endless, [(torch.ones(3),)], needs_torch=True, seconds=0.5)
    assert loop.kind == "timeout"

    def learns(x):
        weight = x.clone().requires_grad_()
        (weight**2).sum().backward()
        return weight.grad

    outcome = worker.run(learns, [(torch.ones(3),)], needs_torch=True)
    np.testing.assert_array_equal(outcome.values[0].array, [2, 2, 2])


def makes_endless(x):
    while True:
        x = x * 1


# --- the notebook's process -----------------------------------------------------------


def test_the_notebook_is_the_same_before_and_after():
    def everything(x):
        os.environ["COURSE_TEST"] = "changed"
        os.chdir("/")
        np.seterr(all="raise")
        np.set_printoptions(precision=1)
        warnings.simplefilter("error")
        random.seed(1)
        sys.path.insert(0, "/nowhere")
        return x

    def state():
        legacy = np.random.get_state()  # noqa: NPY002 - what a learner may use
        rest = dict(os.environ), os.getcwd(), np.geterr(), np.get_printoptions()
        more = sys.path[:], warnings.filters[:], threading.active_count()
        return legacy[1].tobytes(), legacy[2:], random.getstate(), *rest, *more

    worker.run(double, [(1,)])
    before, modules = state(), set(sys.modules)
    for answer in (everything, makes_endless, double):
        worker.run(answer, [(X[:, :3],)], seconds=0.2)
    assert state() == before
    new = set(sys.modules) - modules
    assert not [name for name in new if not name.startswith(("course_lib", "psutil"))]


def test_the_first_check_is_quick_and_later_ones_quicker():
    worker.close()
    start = time.perf_counter()
    worker.run(double, [(X,)])
    assert time.perf_counter() - start < 3
    times = []
    for _ in range(30):
        start = time.perf_counter()
        worker.run(double, [(X,)] * 4)
        times.append(time.perf_counter() - start)
    assert np.median(times) < 0.06


@pytest.mark.slow
def test_the_notebook_does_not_grow():
    def resident():
        gc.collect()
        return psutil.Process().memory_info().rss

    for _ in range(50):
        worker.run(double, [(X,)] * 4)
    before = resident()
    for _ in range(500):
        worker.run(double, [(X,)] * 4)
    assert resident() - before < 5 * 2**20


def test_checks_from_several_threads_wait_for_each_other():
    results = {}

    def check(number):
        results[number] = worker.run(double, [(number,)]).values

    threads = [threading.Thread(target=check, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [2 * n] for n in range(8)}


def test_ctrl_c_stops_the_check_and_the_next_one_works():
    child = worker.begin().process
    timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        worker.run(makes_endless, [(np.eye(2),)], seconds=30)
    assert time.monotonic() - start < 3
    assert child.poll() is not None
    assert worker.run(double, [(2,)]).values == [4]


def test_ctrl_c_while_the_child_starts(monkeypatch, tmp_path):
    slow = tmp_path / "child.py"
    slow.write_text("import time\ntime.sleep(60)")
    worker.close()
    with monkeypatch.context() as patch:
        patch.setattr(process, "PROGRAM", slow)
        child = worker.begin().process
        threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
        with pytest.raises(KeyboardInterrupt):
            worker.run(double, [(1,)])
    assert child.poll() is not None
    assert worker.run(double, [(2,)]).values == [4]


def test_a_child_that_was_killed_between_checks_is_replaced():
    assert worker.run(double, [(2,)]).values == [4]
    os.kill(worker.begin().process.pid, signal.SIGKILL)
    time.sleep(0.05)
    assert worker.run(double, [(2,)]).values == [4]


def test_large_arguments_and_results():
    large = np.zeros(4 * 2**20)  # 32 MB there, 32 MB back
    outcome = worker.run(double, [(large,)])
    assert outcome.values[0].nbytes == large.nbytes
    outcome = worker.run(lambda n: np.zeros(n), [(2**27,)])  # 1 GB
    assert "too large" in outcome.values[0].type_name


# --- beginning and ending -------------------------------------------------------------


def test_close_ends_the_child_and_its_room():
    worker.run(double, [(1,)])
    child = worker.begin()
    assert Path(child.room).is_dir()
    worker.close()
    assert child.process.poll() is not None
    assert not Path(child.room).exists()
    worker.close()
    assert worker.run(double, [(1,)]).values == [2]


def test_a_child_that_can_not_start_is_told(monkeypatch, tmp_path):
    broken = tmp_path / "child.py"
    broken.write_text("raise ImportError('No module named numpy')")
    monkeypatch.setattr(process, "PROGRAM", broken)
    worker.close()
    with pytest.raises(RuntimeError, match="No module named numpy"):
        worker.run(double, [(1,)])
    worker.close()


PROGRAM = """
import os, sys, time
from course_lib.exercises import worker
def answer(x):
    print(x)
    if x == 1:
        while True: pass
    return x
worker.run(answer, [(2,)])
child = worker.begin()
print(child.process.pid, child.room, flush=True)
if {hangs}:
    worker.run(answer, [(1,)], seconds=600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("killed", [False, True])
def test_nothing_outlives_the_notebook(hangs, killed):
    program = PROGRAM.format(hangs=hangs)
    command = [sys.executable, "-c", program]
    notebook = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=COURSE)
    pid, room = notebook.stdout.readline().split()
    if hangs:
        time.sleep(0.3)
        notebook.send_signal(signal.SIGKILL if killed else signal.SIGINT)
    elif killed:
        notebook.kill()
    notebook.wait(timeout=10)
    notebook.stdout.close()
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and (alive(pid) or Path(room).exists()):
        time.sleep(0.02)
    assert not alive(pid)
    assert not Path(room).exists()
    assert not [p for p in psutil.process_iter() if room in str(environment(p))]


def alive(pid):
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def environment(one):
    try:
        return one.environ()
    except (psutil.Error, OSError):
        return {}


def test_a_fork_of_the_notebook_leaves_the_child_alone():
    worker.run(double, [(1,)])
    pid = os.fork()
    if pid == 0:
        good = worker.run(double, [(3,)]).values == [6]
        worker.close()
        os._exit(0 if good else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert worker.run(double, [(1,)]).values == [2]


def test_missing_limits(monkeypatch):
    assert worker.missing_limits() == []
    monkeypatch.setattr(process, "FORKS", False)
    assert worker.missing_limits()[0] == "memory"
