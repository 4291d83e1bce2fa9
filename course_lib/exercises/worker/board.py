"""A few pages of memory that outlive the process that runs an answer.

They are shared between the child and the copy of itself that runs the answer. Whatever
ends the copy, the child can still read how far it came, and what it printed.
"""

import io
import mmap
import struct

PRINTED_LIMIT = 64 * 2**10  # bytes
NAME_LIMIT = 200
FIELDS = struct.Struct("=III")  # the call, bytes of the banned name, bytes printed
NAME_START = FIELDS.size
TEXT_START = NAME_START + NAME_LIMIT


class Board:
    """What is known about an answer that may end at any moment.

    The answer could scribble on it: nothing that is read here is trusted to be true,
    only to be short.
    """

    def __init__(self):
        self.memory = mmap.mmap(-1, TEXT_START + PRINTED_LIMIT)

    def clear(self):
        """Forget the last answer."""
        FIELDS.pack_into(self.memory, 0, 0, 0, 0)

    @property
    def call(self):
        """The number of the call that runs."""
        return FIELDS.unpack_from(self.memory)[0]

    @call.setter
    def call(self, number):
        struct.pack_into("=I", self.memory, 0, number)

    def ban(self, name):
        """Write down that a banned name was used; the first one stays."""
        if not self.banned:
            text = name.encode()[:NAME_LIMIT]
            self.memory[NAME_START : NAME_START + len(text)] = text
            struct.pack_into("=I", self.memory, 4, len(text))

    @property
    def banned(self):
        """The banned name that was used, or an empty string."""
        size = min(FIELDS.unpack_from(self.memory)[1], NAME_LIMIT)
        return self.memory[NAME_START : NAME_START + size].decode(errors="replace")

    def write(self, data):
        """Add what is printed; drop what is too much."""
        used = min(FIELDS.unpack_from(self.memory)[2], PRINTED_LIMIT)
        data = data[: PRINTED_LIMIT - used]
        start = TEXT_START + used
        self.memory[start : start + len(data)] = bytes(data)
        struct.pack_into("=I", self.memory, 8, used + len(data))

    @property
    def printed(self):
        """What was printed, cut off at the limit."""
        size = min(FIELDS.unpack_from(self.memory)[2], PRINTED_LIMIT)
        return self.memory[TEXT_START : TEXT_START + size].decode(errors="replace")


class Paper(io.RawIOBase):
    """A file that is written to a board."""

    def __init__(self, board):
        super().__init__()
        self.board = board

    def writable(self):
        """Yes; `io.TextIOWrapper` asks."""
        return True

    def write(self, data):
        """Take all of it, keep what fits."""
        self.board.write(data)
        return len(data)


def stream(board):
    """Return a text stream that can stand in for `sys.stdout`.

    Parameters
    ----------
    board : Board
        Gets each piece at once: whoever is killed can't flush.
    """
    return io.TextIOWrapper(
        Paper(board), encoding="utf-8", errors="backslashreplace", write_through=True
    )
