"""Share work among the cores: NumPy lets go of Python's lock while it computes."""

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor


def thread_count():
    """Return how many threads NumPy may use here: OMP_NUM_THREADS, or all cores."""
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if wanted.isdecimal() and int(wanted) > 0:
        return int(wanted)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def in_parallel(function, pieces):
    """Call `function` with each of the pieces, on all cores.

    The pieces must not depend on each other. The first error, or Ctrl-C, is raised when
    the pieces that have begun are done; the others are dropped.
    """
    waiting = iter(pieces)

    def work():
        try:
            for piece in waiting:
                function(piece)
        except BaseException:
            deque(waiting, maxlen=0)  # drop what has not begun
            raise

    helpers = min(thread_count(), len(pieces)) - 1
    if helpers < 1:
        return work()
    # A pool for each call: starting one takes 0.2 ms, and it leaves no thread behind.
    with ThreadPoolExecutor(helpers) as pool:
        others = [pool.submit(work) for _ in range(helpers)]
        work()
    for other in others:
        other.result()  # raises its error


def blocks(length, size):
    """Cut range(length) into slices of `size`; the last one may be shorter."""
    return [slice(start, start + size) for start in range(0, length, size)]
