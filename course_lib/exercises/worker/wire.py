"""The form in which questions and answers cross between the course and its checker.

A frame is a JSON header and a body of raw bytes. The checker runs whatever a learner
writes, so nothing that comes back is unpickled, and every length, type and offset in it
is doubted. Both sides load this file: the checker by its path, without the package.
"""

import re
import struct
from dataclasses import dataclass
from json import dumps, loads
from math import prod
from typing import NamedTuple

# These names are bound here: what an answer does to `numpy` or `json` comes too late.
from numpy import array, dtype, frombuffer, ndarray, sctypeDict, zeros

BODY_LIMIT = 64 * 2**20  # bytes of arrays in one frame
HEADER_LIMIT = 16 * 2**20
ITEM_LIMIT = 100_000  # entries of all lists and tuples together
TEXT_LIMIT = 2**20  # characters of all strings together
DEPTH_LIMIT = 32
INTEGER_LIMIT = 4096  # bits; Python refuses to read far longer ones from text

PREFIX = struct.Struct("<4s16sQQ")  # mark, token, bytes of the header, of the body
MARK = b"exr1"
# Plain numbers and text, of either byte order. No objects and no records.
DTYPE = re.compile(r"[<>|][?biufcSU]\d{1,9}")
PYTHON_TYPES = {"b": bool, "i": int, "u": int, "f": float, "c": complex}
NUMPY_NUMBERS = {
    kind: PYTHON_TYPES[dtype(kind).kind]
    for kind in set(sctypeDict.values())
    if dtype(kind).kind in PYTHON_TYPES
}


class Malformed(ValueError):
    """The bytes are no frame, or a header that promises what the body does not hold."""


@dataclass(frozen=True)
class Foreign:
    """Stands for a value that does not travel: only the name of its type does."""

    type_name: str


@dataclass(frozen=True, eq=False)
class Tensor:
    """The numbers of a torch tensor; bfloat16 is held as float32."""

    array: ndarray
    dtype: str = "torch.float32"
    requires_grad: bool = False


class Frame(NamedTuple):
    """What one side says to the other."""

    header: dict
    body: bytes


# --- frames ---------------------------------------------------------------------------


def pack(token, header, chunks=()):
    """Return one frame as bytes.

    Parameters
    ----------
    token : bytes of length 16
        Known to both sides, so that bytes written by chance or on a guess are no frame.
    header : dict
        Anything that JSON can hold.
    chunks : sequence of bytes-like
        The body, in pieces.
    """
    text = dumps(header).encode()
    size = sum(len(chunk) for chunk in chunks)
    return b"".join([PREFIX.pack(MARK, token, len(text), size), text, *chunks])


def take(buffer, token):
    """Cut the first frame off a buffer of received bytes.

    Parameters
    ----------
    buffer : bytearray
        The frame is removed from it.
    token : bytes of length 16

    Returns
    -------
    Frame or None
        None as long as bytes are missing.

    Raises
    ------
    Malformed
        As soon as it can be seen that this will never be a frame.
    """
    start = PREFIX.pack(MARK, token, 0, 0)[:20]
    if not start.startswith(buffer[:20]):
        raise Malformed("these bytes do not begin like a frame")
    if len(buffer) < PREFIX.size:
        return None
    _, _, header_size, body_size = PREFIX.unpack_from(buffer)
    if header_size > HEADER_LIMIT or body_size > BODY_LIMIT + HEADER_LIMIT:
        raise Malformed(f"a frame of {header_size} + {body_size} bytes is too large")
    middle = PREFIX.size + header_size
    end = middle + body_size
    if len(buffer) < end:
        return None
    header = read_header(bytes(buffer[PREFIX.size : middle]))
    body = bytes(buffer[middle:end])
    del buffer[:end]
    return Frame(header, body)


def read_header(text):
    """Return the JSON object in `text`, whatever someone may have written there."""
    try:
        header = loads(text)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the header is no JSON: {error}") from None
    if type(header) is not dict:
        raise Malformed("the header is no JSON object")
    return header


# --- values ---------------------------------------------------------------------------


class Encoder:
    """Turns values into JSON nodes, and their arrays into the chunks of a body.

    Only exact types are looked at: a class may lie about itself through `__class__`.

    Parameters
    ----------
    torch : module, optional
        With it tensors travel; without it they are `Foreign`.
    """

    def __init__(self, torch=None):
        self.torch = torch
        self.chunks = []
        self.size = self.items = self.text = 0

    def encode(self, value, depth=0):
        """Return the node of one value.

        Parameters
        ----------
        value : object
            Exact arrays, numbers (NumPy's as Python's), str, None, tuples and lists of
            these travel. For all else, and for what is too large or nested too deeply,
            the name of its type does.
        depth : int
            How deep in lists and tuples the value was found.

        Returns
        -------
        None, bool, int, float, str or list
            JSON can hold it, and `decode` reads it.
        """
        kind = type(value)
        if value is None or kind is bool or kind is float:
            return value
        if kind is int and value.bit_length() <= INTEGER_LIMIT:
            return value
        if kind is complex:
            return ["complex", value.real, value.imag]
        if kind is str:
            return self.string(value)
        if kind is list or kind is tuple:
            return self.sequence(kind, value, depth)
        if kind is ndarray:
            return self.array(value)
        if kind in NUMPY_NUMBERS:
            return self.encode(NUMPY_NUMBERS[kind](value))
        if self.torch is not None and kind is self.torch.Tensor:
            return self.tensor(value)
        return foreign(kind)

    def string(self, value):
        self.text += len(value)
        if self.text > TEXT_LIMIT:
            return foreign(str, f"of {len(value):,} characters")
        return value

    def sequence(self, kind, value, depth):
        self.items += len(value)
        if depth >= DEPTH_LIMIT:
            return foreign(kind, f"nested more than {DEPTH_LIMIT} deep")
        if self.items > ITEM_LIMIT:
            return foreign(kind, f"of {len(value):,} entries")
        name = "list" if kind is list else "tuple"
        return [name, [self.encode(item, depth + 1) for item in value]]

    def array(self, value):
        code = value.dtype.str
        if not DTYPE.fullmatch(code):
            return foreign(ndarray, f"of dtype {value.dtype.char}")
        if self.size + value.nbytes > BODY_LIMIT:
            return foreign(ndarray, f"of shape {value.shape}, too large to compare")
        node = ["array", code, list(value.shape), self.size]
        self.chunks.append(value.tobytes())  # row-major, whatever its strides
        self.size += value.nbytes
        return node

    def tensor(self, tensor):
        plain = tensor.detach().cpu()
        try:
            wide = plain.float() if plain.dtype == self.torch.bfloat16 else plain
            node = self.array(wide.resolve_conj().numpy())
        except (RuntimeError, TypeError):  # sparse, quantised, without storage …
            return foreign(type(tensor), f"of dtype {plain.dtype}")
        return ["tensor", node, str(plain.dtype), bool(tensor.requires_grad)]


def foreign(kind, remark=""):
    """Return the node that names a type."""
    return ["foreign", f"{full_name(kind)} {remark}".rstrip()]


def full_name(kind):
    """Return "module.Name" of a type, without the module where everyone knows it."""
    # Read from `type` itself: a metaclass may answer `kind.__name__` as it likes.
    name = type.__dict__["__qualname__"].__get__(kind)
    module = type.__dict__["__module__"].__get__(kind)
    known = type(module) is not str or module in {"builtins", "__main__"}
    return (name if known else f"{module}.{name}")[:200]


def decode(node, body, tensor=Tensor, copy=array):
    """Return the value that a node stands for.

    Parameters
    ----------
    node : None, bool, int, float, str or list
        As `Encoder.encode` made it, or as a cheat made it up.
    body : bytes
        What the arrays are cut from.
    tensor : callable
        Makes a tensor of its array, dtype and requires_grad.
    copy : callable
        Turns the read-only view of the body into the array that is handed out.

    Raises
    ------
    Malformed
        The node is no node, or its array does not lie within the body.
    """
    try:
        return read_node(node, body, tensor, copy)
    except (ValueError, TypeError, OverflowError, RecursionError, MemoryError) as error:
        raise Malformed(f"not a value: {error}") from None


def read_node(node, body, tensor, copy):
    """Do the work of `decode`; any error means that the node is malformed."""
    if type(node) is not list:
        if isinstance(node, dict):
            raise Malformed("a JSON object stands for no value")
        return node
    kind, *rest = node
    if kind in ("list", "tuple"):
        (nodes,) = rest
        items = [read_node(item, body, tensor, copy) for item in nodes]
        return items if kind == "list" else tuple(items)
    if kind == "array":
        return copy(read_array(rest, body))
    if kind == "tensor":
        inner, name, requires_grad = rest
        return tensor(read_node(inner, body, tensor, copy), name, requires_grad)
    if kind == "complex":
        return complex(*rest)
    if kind == "foreign" and type(rest[0]) is str:
        return Foreign(*rest)
    raise Malformed(f"unknown kind of value {kind!r:.40}")


def read_array(description, body):
    """Return a read-only view of the array at its place in the body."""
    code, shape, offset = description
    if not DTYPE.fullmatch(code) or not {type(n) for n in shape} <= {int}:
        raise Malformed("neither dtype nor shape of an array")
    if min([offset, *shape]) < 0:
        raise Malformed("a negative size")
    kind, count = dtype(code), prod(shape)
    if kind.itemsize == 0 or count == 0:
        return zeros(shape, kind)
    if offset + count * kind.itemsize > len(body):
        raise Malformed("an array reaches beyond the body")
    return frombuffer(body, kind, count, offset).reshape(shape)
