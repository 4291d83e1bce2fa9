"""Frames and values, honest and forged."""

import json
import math
import struct

import numpy as np
import pytest

from course_lib.exercises.worker import wire
from course_lib.exercises.worker.wire import Encoder, Foreign, Malformed, Tensor

TOKEN = bytes(range(16))


def there_and_back(value, torch=None):
    encoder = Encoder(torch)
    node = json.loads(json.dumps(encoder.encode(value)))
    return wire.decode(node, b"".join(encoder.chunks))


# --- frames ---------------------------------------------------------------------------


def test_a_frame_arrives_byte_by_byte_and_the_next_stays():
    data = wire.pack(TOKEN, {"a": 1}, [b"xy", b"z"]) + wire.pack(TOKEN, {"b": 2})
    buffer, frames = bytearray(), []
    for byte in data:
        buffer.append(byte)
        frame = wire.take(buffer, TOKEN)
        frames += [frame] if frame else []
    assert frames == [({"a": 1}, b"xyz"), ({"b": 2}, b"")]
    assert not buffer


def with_sizes(header, body):
    return struct.pack("<4s16sQQ", b"exr1", TOKEN, header, body)


FORGED = [
    b"x",
    b"exr2",
    b"exr1" + bytes(16),
    with_sizes(2**63, 0),
    with_sizes(2, 2**63),
    wire.pack(bytes(16), {}),
    with_sizes(3, 0) + b"abc",
    with_sizes(2, 0) + b"[]",
    with_sizes(4, 0) + b"null",
    with_sizes(100_000, 0) + b"[" * 100_000,
    with_sizes(10_000, 0) + b"9" * 10_000,
    with_sizes(2, 0) + b"\xff\xfe",
]


@pytest.mark.parametrize("data", FORGED)
def test_a_forged_frame_is_seen(data):
    with pytest.raises(Malformed):
        wire.take(bytearray(data), TOKEN)


def test_half_a_frame_is_awaited():
    data = wire.pack(TOKEN, {"a": 1}, [b"xyz"])
    for size in range(len(data)):
        assert wire.take(bytearray(data[:size]), TOKEN) is None


# --- values ---------------------------------------------------------------------------

PLAIN = [None, True, False, 0, -3, 10**40, 2.5, -0.0, math.inf, 1 + 2j, "", "é\ud800\0"]
PLAIN += [[], (), [1, (2.0, [None])], ("a", [True])]


@pytest.mark.parametrize("value", PLAIN)
def test_plain_values_keep_type_and_value(value):
    back = there_and_back(value)
    assert repr(back) == repr(value)
    assert type(back) is type(value)


def test_nan_stays_nan():
    assert math.isnan(there_and_back(math.nan))


@pytest.mark.parametrize(
    "dtype", ["?", "i1", "<u2", ">i4", "f2", ">f8", "g", "c8", "U3"]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 5), (2, 3, 5)])
def test_arrays_keep_dtype_shape_and_bits(dtype, shape):
    values = np.random.default_rng(0).integers(0, 2, size=shape)
    array = np.asarray(values).astype(dtype)
    back = there_and_back([array])[0]
    assert type(back) is np.ndarray
    assert (back.dtype, back.shape) == (array.dtype, shape)
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


def test_odd_strides_travel_as_plain_arrays():
    array = np.arange(24.0).reshape(4, 6)
    for view in (array.T, array[::-2, 1::2], np.broadcast_to(array[:1], (4, 6))):
        np.testing.assert_array_equal(there_and_back(view), view)


@pytest.mark.parametrize("value", [np.float32(0.5), np.int8(-3), np.bool_(True)])
def test_numpy_numbers_become_pythons(value):
    back = there_and_back(value)
    assert back == value
    assert type(back) in (bool, int, float)


class Liar:
    """Says that it is an array, and can be converted to one."""

    __class__ = np.ndarray
    __array__ = __len__ = __iter__ = lambda self, *args: [][0]


class Sub(np.ndarray):
    """A subclass may override anything."""


def recursive():
    rows = []
    rows.append(rows)
    return rows


def deep(levels):
    return [deep(levels - 1)] if levels else 0


FOREIGN = [
    (Liar(), "test_wire.Liar"),
    (np.zeros(3).view(Sub), "test_wire.Sub"),
    (np.ma.masked_array([1.0]), "numpy.ma.MaskedArray"),
    (np.array([None, 1]), "numpy.ndarray of dtype O"),
    (np.zeros(2, dtype="i4,f8"), "numpy.ndarray of dtype V"),
    (np.array(["2020"], "M8[D]"), "numpy.ndarray of dtype M"),
    (np.broadcast_to(0.0, 10**8), "numpy.ndarray of shape (100000000,), too large"),
    ((n for n in [1]), "generator"),
    (len, "builtin_function_or_method"),
    ({"a": 1}, "dict"),
    (b"bytes", "bytes"),
    (1 << 10**6, "int"),
    ("a" * 2**21, "str of 2,097,152 characters"),
    ([0] * 200_000, "list of 200,000 entries"),
    (type("Int", (int,), {})(3), "Int"),
]


@pytest.mark.parametrize(("value", "name"), FOREIGN, ids=[name for _, name in FOREIGN])
def test_all_else_is_foreign(value, name):
    back = there_and_back(value)
    assert type(back) is Foreign
    assert name in back.type_name


def test_what_is_nested_too_deeply_is_foreign_at_the_bottom():
    for value in (recursive(), deep(500)):
        back, levels = there_and_back(value), 0
        while type(back) is list:
            (back,), levels = back, levels + 1
        assert (back, levels) == (Foreign("list nested more than 32 deep"), 32)
    assert there_and_back(deep(32)) == deep(32)


def test_many_arrays_have_one_limit_together():
    half = np.zeros(wire.BODY_LIMIT // 16)
    back = there_and_back([half, half, half])
    assert [type(b) for b in back] == [np.ndarray, np.ndarray, Foreign]


FORGERIES = [
    {"a": 1},
    [],
    ["unknown", 1],
    ["list"],
    ["list", 3],
    ["tuple", [["array"]]],
    ["complex", "a", "b"],
    ["foreign", 3],
    ["array", "<f8", [2], 1],
    ["array", "<f8", [2], -8],
    ["array", "<f8", [-1], 0],
    ["array", "<f8", [2**62, 4], 0],
    ["array", "<f8", [True, 1], 0],
    ["array", "<f8", [0, 2**70], 0],
    ["array", "<f8", [1] * 65, 0],
    ["array", "<f8", 1, 0],
    ["array", "<f8", [1.0], 0],
    ["array", "<f8", [1], "0"],
    ["array", "|O", [2], 0],
    ["array", "|O8", [2], 0],
    ["array", "<f8,(9999999,)f8", [1], 0],
    ["array", "<U999999999", [1], 0],
    ["array", "<f3", [1], 0],
    ["array", None, [1], 0],
    ["tensor", ["array", "<f8", [9], 0], "torch.float64", False],
]


@pytest.mark.parametrize("node", FORGERIES, ids=str)
def test_forged_values_are_malformed(node):
    with pytest.raises(Malformed):
        wire.decode(node, bytes(16))


def test_a_chain_of_lists_without_end_is_malformed():
    node = 0
    for _ in range(100_000):
        node = ["list", [node]]
    with pytest.raises(Malformed):
        wire.decode(node, b"")


@pytest.mark.slow
def test_tensors_travel_where_they_are_wanted():
    import torch

    for tensor in (
        torch.arange(6.0).reshape(2, 3).T,
        torch.tensor(3),
        torch.ones(2, dtype=torch.bfloat16),
        torch.ones(2, requires_grad=True) * 2,
        torch.ones(2, dtype=torch.complex64).conj(),
    ):
        back = there_and_back(tensor, torch)
        assert type(back) is Tensor
        assert back.dtype == str(tensor.dtype)
        assert back.requires_grad == tensor.requires_grad
        wanted = tensor.detach().to(torch.complex128).numpy()
        np.testing.assert_array_equal(back.array, wanted)
    sparse = torch.ones(2, 2).to_sparse()
    assert type(there_and_back(sparse, torch)) is Foreign
    parameter = torch.nn.Parameter(torch.ones(2))
    assert there_and_back(parameter, torch) == Foreign("torch.nn.parameter.Parameter")
    assert there_and_back(torch.ones(2)) == Foreign("torch.Tensor")
