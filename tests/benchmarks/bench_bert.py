"""The BERT in NumPy beside that of transformers."""

import numpy as np
import torch
from measure import Row, compare, median_seconds

from course_lib.attention import NumpyBert
from course_lib.models import load_encoder

GOALS = {(8, 128): 1.5, (1, 16): 1.0}  # times the peer's time, at most


def rows():
    """Yield the figures one by one."""
    ours, theirs = NumpyBert.from_pretrained("minilm"), load_encoder("minilm")
    for shape, goal in GOALS.items():
        yield bert_row(ours, theirs, shape, goal)


def bert_row(ours, theirs, shape, goal):
    """Time one batch of random tokens. Ours returns all maps and hidden states."""
    rng = np.random.default_rng(shape[1])
    input_ids = rng.integers(1000, 30_000, size=shape)
    tensor = torch.from_numpy(input_ids)

    @torch.no_grad()
    def peer():
        return theirs(tensor).last_hidden_state

    result = ours(input_ids).last_hidden_state
    np.testing.assert_allclose(result, peer(), atol=1e-5 * np.abs(result).max())
    times = compare(lambda: ours(input_ids), peer)
    met = "met" if times["ours"] <= goal * times["peer"] else "missed"
    share = median_seconds(lambda: only_products(ours, shape)) / times["ours"]
    batch, tokens = shape
    return Row(
        what="NumpyBert, all hidden states and maps",
        size=f"{batch} x {tokens} tokens",
        peer_name="transformers BertModel, eager",
        verdict=f"goal {goal}: {met}; {share:.0%} of it products with weights",
        **times,
    )


def only_products(bert, shape):
    """Multiply by all the weights of all layers, and do no more."""
    for name, weight in bert.weights.items():
        if weight.ndim == 2 and name.startswith("encoder"):
            x = np.ones((shape[0] * shape[1], weight.shape[1]), np.float32)
            weight @ x.T if len(x) < 64 else x @ weight.T
