"""Attention: what its import costs, and its speed beside PyTorch's."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from measure import Row, compare

from course_lib.attention import scaled_dot_product_attention

COURSE = Path(__file__).resolve().parents[2]
IMPORT_GOAL = 0.15  # seconds
HEADS, HEAD_SIZE = 12, 32  # as the course's encoder has them


def rows():
    """Yield the figures one by one."""
    yield import_row()
    for length in (16, 128, 512):
        yield attention_row(length)


def import_row():
    """Import attention in a fresh Python, beside bare NumPy in another."""
    times = compare(
        lambda: import_seconds("course_lib.attention"),
        lambda: import_seconds("numpy"),
        pairs=15,
    )
    extra = times["ours"] - times["peer"]
    verdict = "met" if extra <= IMPORT_GOAL else "missed"
    return Row(
        what="import course_lib.attention",
        size="fresh process",
        peer_name="import numpy",
        verdict=f"{extra:+.3f} s; goal +{IMPORT_GOAL} s: {verdict}",
        **times,
    )


def import_seconds(module):
    """Return the seconds that one import takes in a new process."""
    code = "import time; start = time.perf_counter(); "
    code += f"import {module}; print(time.perf_counter() - start)"
    command = [sys.executable, "-c", code]
    run = subprocess.run(
        command, cwd=COURSE, capture_output=True, text=True, check=True
    )
    return float(run.stdout)


def attention_row(length):
    """Time self-attention over `length` tokens, float32, in both libraries."""
    rng = np.random.default_rng(length)
    shape = (1, HEADS, length, HEAD_SIZE)
    arrays = [rng.normal(size=shape).astype(np.float32) for _ in range(3)]
    query, key, value = map(torch.from_numpy, arrays)

    def ours():
        return scaled_dot_product_attention(*arrays)

    @torch.no_grad()
    def peer():
        return torch.softmax(query @ key.mT / HEAD_SIZE**0.5, dim=-1) @ value

    np.testing.assert_allclose(ours(), peer(), atol=1e-5)
    return Row(
        what="scaled_dot_product_attention",
        size=f"{HEADS} heads x {length} x {HEAD_SIZE}",
        peer_name="same formula in torch",
        **compare(ours, peer),
    )
