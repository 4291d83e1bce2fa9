"""One record per figure, and a fair way to time two things against each other."""

import time
from dataclasses import dataclass
from statistics import median, quantiles

WARM = 0.12  # seconds


@dataclass
class Row:
    """One figure of the table; times in seconds, `low` and `high` are ratios."""

    what: str
    size: str
    ours: float
    peer: float
    peer_name: str
    low: float
    high: float
    verdict: str = ""

    @property
    def ratio(self):
        """How many times longer ours takes."""
        return self.ours / self.peer


def compare(ours, peer, *, pairs=None, seconds=2):
    """Time two functions in turn, A B A B, so that both meet the same machine.

    Parameters
    ----------
    ours, peer : callable
        Without arguments. Each returns its own time in seconds, or anything else, and
        is timed from outside.
    pairs : int, optional
        How often; by default as often as fits into `seconds`, but at least 30 times.

    Returns
    -------
    dict
        `ours` and `peer`, the medians; `low` and `high`, the quartiles of the ratio.
    """
    measure = timed
    if pairs is None:
        measure = timed_warm
        pairs = max(30, int(seconds / (measure(ours) + measure(peer) + 2 * WARM)))
    times = [(measure(ours), measure(peer)) for _ in range(pairs)]
    low, _, high = quantiles([a / b for a, b in times], n=4)
    a, b = zip(*times, strict=True)
    return {"ours": median(a), "peer": median(b), "low": low, "high": high}


def median_seconds(function, *, times=15):
    """Return the median time of a function, warm."""
    return median(timed_warm(function) for _ in range(times))


def timed_warm(function):
    """Return the seconds of one call, right after others of the same function.

    Threads of BLAS and PyTorch keep a core busy for up to 0.1 s after their last call,
    in case there is more to do, and take it from whatever runs next.
    """
    until = time.perf_counter() + WARM
    function()
    while time.perf_counter() < until:
        function()
    return timed(function)


def timed(function):
    """Return the seconds of one call, or what it measured itself."""
    start = time.perf_counter()
    result = function()
    return result if isinstance(result, float) else time.perf_counter() - start
