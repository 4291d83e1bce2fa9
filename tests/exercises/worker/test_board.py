"""What outlives an answer."""

import sys

from course_lib.exercises.worker import board
from course_lib.exercises.worker.board import Board


def test_what_is_written_down_can_be_read_and_cleared():
    note = Board()
    note.call = 3
    note.ban("first.name")
    note.ban("second.name")
    note.write(b"abc")
    note.write(b"def")
    assert (note.call, note.banned, note.printed) == (3, "first.name", "abcdef")
    note.clear()
    assert (note.call, note.banned, note.printed) == (0, "", "")


def test_too_much_is_cut():
    note = Board()
    note.ban("n" * 1000)
    note.write(b"a" * (board.PRINTED_LIMIT - 1))
    note.write("é".encode())
    note.write(b"more")
    assert note.banned == "n" * board.NAME_LIMIT
    assert len(note.printed) == board.PRINTED_LIMIT
    assert note.printed.endswith("a\ufffd")


def test_scribbling_makes_nothing_longer():
    note = Board()
    note.memory[:] = b"\xff" * len(note.memory)
    assert len(note.banned) == board.NAME_LIMIT
    assert len(note.printed) == board.PRINTED_LIMIT
    note.write(b"more")


def test_a_stream_takes_what_print_sends(monkeypatch):
    note = Board()
    stream = board.stream(note)
    monkeypatch.setattr(sys, "stdout", stream)
    print("ä", 1, end="|")
    print("\ud800")
    assert stream.write("abc") == 3
    assert stream.buffer.write(b"bytes") == 5
    stream.flush()
    assert note.printed == "ä 1|\\ud800\nabcbytes"
    assert not stream.isatty()
