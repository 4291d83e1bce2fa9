"""Streaming attention beside PyTorch's kernel and the textbook formula in NumPy."""

import numpy as np
import torch
from measure import Row, compare, median_seconds

from course_lib.attention import streaming, streaming_attention
from course_lib.attention.threads import blocks, in_parallel

HEADS, HEAD_SIZE = 12, 32  # as the course's encoder has them
TORCH_GOAL = 2.0  # times its time, at most
TEXTBOOK_GOAL = 5.0  # times faster, at least


def rows():
    """Yield the figures one by one."""
    for length in (512, 1024, 2048):
        rng = np.random.default_rng(length)
        shape = (HEADS, length, HEAD_SIZE)
        arrays = [rng.normal(size=shape).astype(np.float32) for _ in range(3)]
        yield torch_row(length, arrays)
        yield textbook_row(length, arrays)


def torch_row(length, arrays):
    """Time it beside `torch.nn.functional.scaled_dot_product_attention`."""
    tensors = [torch.from_numpy(array)[None] for array in arrays]

    @torch.no_grad()
    def peer():
        return torch.nn.functional.scaled_dot_product_attention(*tensors)

    np.testing.assert_allclose(streaming_attention(*arrays), peer()[0], atol=1e-5)
    times = compare(lambda: streaming_attention(*arrays), peer)
    met = "met" if times["ours"] <= TORCH_GOAL * times["peer"] else "missed"
    share = median_seconds(lambda: only_products(*arrays)) / times["ours"]
    floor = 4 * HEADS * length**2 * HEAD_SIZE / matmul_speed() / times["peer"]
    return Row(
        what="streaming_attention",
        size=f"{HEADS} heads x {length} x {HEAD_SIZE}",
        peer_name="torch scaled_dot_product_attention",
        verdict=f"goal {TORCH_GOAL}: {met}; {share:.0%} of it matrix products; at the "
        f"speed of a large product, they alone would take {floor:.2f}",
        **times,
    )


def textbook_row(length, arrays):
    """Time it beside the four obvious lines."""
    times = compare(lambda: streaming_attention(*arrays), lambda: textbook(*arrays))
    faster = times["peer"] / times["ours"]
    met = "met" if faster >= TEXTBOOK_GOAL else "missed"
    return Row(
        what="streaming_attention",
        size=f"{HEADS} heads x {length} x {HEAD_SIZE}",
        peer_name="textbook formula in NumPy",
        verdict=f"{faster:.1f} times faster; goal {TEXTBOOK_GOAL}: {met}",
        **times,
    )


def textbook(query, key, value):
    """Attend as the formula is written down."""
    scores = query @ key.swapaxes(-1, -2) / np.float32(np.sqrt(HEAD_SIZE))
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = powers / powers.sum(axis=-1, keepdims=True)
    return weights @ value


def only_products(query, key, value):
    """Multiply the matrices of streaming attention, block by block, and do no more."""
    value = streaming.in_rows_with_ones(value)
    size = streaming.keys_in_block(key, value)

    def multiply(piece):
        heads, rows = piece
        columns = streaming.in_columns(query[heads][:, rows], streaming.QUERIES)
        columns = np.ascontiguousarray(columns)
        for keys in blocks(key.shape[-2], size):
            scores = key[heads][:, None, keys] @ columns
            value[heads][:, None, :, keys] @ scores

    in_parallel(multiply, list(streaming.pieces(query.shape)))


def matmul_speed():
    """Return the multiplications and additions that the machine does in a second."""
    size = 1024
    matrix = np.random.default_rng(size).normal(size=(size, size)).astype(np.float32)
    return 2 * size**3 / median_seconds(lambda: matrix @ matrix)
