"""Exercises: what a check costs, beside calling the function in the notebook itself."""

import gc
import os
import time

import numpy as np
from measure import Row, compare, timed

from course_lib.exercises import worker
from course_lib.exercises.worker import process

FIRST_GOAL, TORCH_GOAL, LATER_GOAL, OVERRUN_GOAL = 3.0, 8.0, 0.06, 1.0  # seconds
GROWTH_GOAL, CHECKS = 5 * 2**20, 500  # bytes over so many checks
LIMIT = 1.0  # seconds that the endless loop is given
ROUNDS = 5
RNG = np.random.default_rng(0)
CALLS = [(RNG.normal(size=shape),) for shape in [(5, 7), (3, 11), (2, 13), (7, 5)]]
HERE = "the same calls here"


def rows():
    """Yield the figures one by one."""
    yield first_row()
    yield first_torch_row()
    yield later_row()
    yield endless_row()
    yield growth_row()


def softmax(scores):
    """What a learner writes."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def endless(scores):
    """What a learner writes too."""
    while True:
        pass


def check(needs_torch=False):
    """Run the learner's function in the checking process."""
    outcome = worker.run(softmax, CALLS, needs_torch=needs_torch)
    assert outcome.kind == "returned", outcome


def call_here():
    """Run it in this process: quick, and without any protection."""
    return [softmax(*arguments) for arguments in CALLS]


def first_row():
    """Check with no child process there yet."""

    def first():
        worker.close()
        return timed(check)

    times = compare(first, call_here, pairs=ROUNDS)
    said = verdict(times["ours"], FIRST_GOAL)
    return Row("first check", "4 small arrays", peer_name=HERE, verdict=said, **times)


def first_torch_row():
    """Do the same for an exercise with tensors: the child has to load torch."""

    def first():
        worker.close()
        return timed(lambda: check(needs_torch=True))

    times = compare(first, call_here, pairs=3)
    worker.close()  # the other figures are for a child without torch
    said = verdict(times["ours"], TORCH_GOAL)
    return Row(
        "first torch check", "4 small arrays", peer_name=HERE, verdict=said, **times
    )


def later_row():
    """Check with a warm child."""
    times = compare(check, call_here)
    said = verdict(times["ours"], LATER_GOAL)
    return Row("later check", "4 small arrays", peer_name=HERE, verdict=said, **times)


def endless_row():
    """Check an endless loop: how long after its limit does the answer come?"""

    def ended():
        check()  # the child is warm
        start = time.perf_counter()
        outcome = worker.run(endless, CALLS, seconds=LIMIT)
        assert outcome.kind == "timeout", outcome
        return time.perf_counter() - start

    times = compare(ended, lambda: LIMIT, pairs=ROUNDS)
    overrun = times["ours"] - LIMIT
    met = "met" if overrun <= OVERRUN_GOAL else "missed"
    said = f"{overrun:+.3f} s; goal +{OVERRUN_GOAL:g} s: {met}"
    size = f"limit {LIMIT:g} s"
    return Row("endless loop", size, peer_name="the limit", verdict=said, **times)


def growth_row():
    """Check many times: does this process grow?"""
    for _ in range(50):
        check()
    before, start = resident(), time.perf_counter()
    for _ in range(CHECKS):
        check()
    mean = (time.perf_counter() - start) / CHECKS
    growth = resident() - before
    met = "met" if growth < GROWTH_GOAL else "missed"
    goal = f"goal under {GROWTH_GOAL / 2**20:g} MB: {met}"
    times = compare(lambda: mean, call_here, pairs=ROUNDS)
    return Row(
        what=f"mean of {CHECKS} checks",
        size="4 small arrays",
        peer_name=HERE,
        verdict=f"memory {growth / 2**20:+.2f} MB; {goal}",
        **times,
    )


def resident():
    """Return the bytes of memory that this process holds."""
    import psutil

    gc.collect()
    return psutil.Process(os.getpid()).memory_info().rss


def verdict(seconds, goal):
    """Say whether a time is within its goal, on this platform."""
    met = "met" if seconds <= goal else "missed"
    copies = "" if process.FORKS else "; a fresh process for each check"
    return f"goal {goal:g} s: {met}{copies}"
