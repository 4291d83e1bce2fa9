"""Threads: how many there are, and that each piece is done once."""

import os
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.attention.threads import blocks, in_parallel, thread_count


@pytest.fixture(params=["1", "2", "5"])
def threads(request, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", request.param)
    return int(request.param)


# --- how many ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "count"), [("1", 1), ("2", 2), ("17", 17), ("2,1", 2), ("3,2,1", 3)]
)
def test_omp_num_threads_says_how_many(wanted, count, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    assert thread_count() == count


@pytest.mark.parametrize("wanted", [None, "", "0", "-2", "abc", "1.5", ",2", "²"])
def test_anything_else_means_all_cores_that_we_may_use(wanted, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if wanted is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", wanted)
    # Fewer than the machine has, as in a container.
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 5}, raising=False)
    assert thread_count() == 3


@pytest.mark.parametrize(("cores", "count"), [(7, 7), (None, 1)])
def test_a_system_without_affinity_counts_its_cores(cores, count, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert thread_count() == count


# --- in parallel ---------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 2, 3, 101])
def test_each_piece_is_done_once(threads, count):
    seen = []
    assert in_parallel(seen.append, list(range(count))) is None
    assert sorted(seen) == list(range(count))


def test_as_many_at_once_as_there_are_threads(threads):
    # Each piece waits for the others: fewer threads would never get through.
    barrier = threading.Barrier(threads, timeout=10)
    users = set()

    def wait(_):
        barrier.wait()
        users.add(threading.get_ident())

    in_parallel(wait, range(threads))
    assert len(users) == threads


def test_one_thread_is_the_caller_and_goes_in_order(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    seen = []
    in_parallel(lambda piece: seen.append((piece, threading.get_ident())), range(5))
    assert seen == [(piece, threading.get_ident()) for piece in range(5)]


def test_no_thread_is_left_behind(threads):
    before = threading.active_count()
    in_parallel(lambda piece: None, range(7))
    with pytest.raises(ZeroDivisionError):
        in_parallel(lambda piece: 1 / 0, range(7))
    assert threading.active_count() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_first_error_is_raised_and_the_rest_dropped(threads, error):
    begun = []

    def work(piece):
        begun.append(piece)
        if piece in (1, 2):
            raise error(f"piece {piece}")
        time.sleep(0.001)

    with pytest.raises(error, match=r"^piece 1$"):
        in_parallel(work, list(range(1009)))
    # Those that other threads took meanwhile; never all.
    assert {0, 1} <= set(begun)
    assert len(begun) < 200


def test_pieces_that_have_begun_are_finished_before_the_error(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    started, finished = threading.Event(), threading.Event()

    def work(piece):
        if piece == 0:
            started.wait(10)
            raise ValueError("piece 0")
        started.set()
        time.sleep(0.05)
        finished.set()

    with pytest.raises(ValueError, match="piece 0"):
        in_parallel(work, range(2))
    assert finished.is_set()


def test_results_of_threads_land_in_their_places(threads):
    numbers, squares = np.arange(10007.0), np.full(10007, np.nan)

    def square(part):
        squares[part] = numbers[part] ** 2

    in_parallel(square, blocks(len(numbers), 97))
    np.testing.assert_array_equal(squares, numbers**2)


# --- blocks --------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 300), st.integers(1, 310))
def test_blocks_cover_the_range_once_and_in_order(length, size):
    parts = [range(length)[part] for part in blocks(length, size)]
    assert [number for part in parts for number in part] == list(range(length))
    assert all(len(part) == size for part in parts[:-1])
    assert all(0 < len(part) <= size for part in parts)


@pytest.mark.parametrize(
    ("length", "size", "count"), [(0, 3, 0), (3, 3, 1), (4, 3, 2), (6, 3, 2), (1, 9, 1)]
)
def test_no_more_blocks_than_needed(length, size, count):
    assert len(blocks(length, size)) == count
