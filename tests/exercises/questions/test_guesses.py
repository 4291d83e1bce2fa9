"""Guesses: what people write is read as they mean it, or refused with help."""

import contextlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.exercises.questions.guesses import (
    Choice,
    Number,
    Shape,
    Unreadable,
    read_number,
    read_shape,
)

CHOICES = Choice(("film", "`[CLS]`", "it"))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("8", 8), (" 8. ", 8), (".5", 0.5), ("-3", -3), ("−3", -3), ("+2", 2)],
        *[("0,5", 0.5), ("0,999", 0.999), ("1,5e3", 1500), ("1,234,567", 1234567)],
        *[("1,234.5", 1234.5), ("20 000", 20000), ("20_000", 20000), ("1'000", 1000)],
        *[("1e-3", 1e-3), ("2E4", 2e4), ("2 × 10^3", 2000), ("10^-3", 1e-3)],
        *[("1/2", 0.5), ("1 / 4", 0.25), ("½", 0.5), ("50%", 0.5), ("50 %", 0.5)],
        *[("√64", 8), ("sqrt(64)", 8), ("8^2", 64), ("8**2", 64), ("64^0.5", 8)],
        *[("~8", 8), ("≈ 8", 8), ("about 8", 8), ("８", 8), ("０．５", 0.5)],
        *[("inf", math.inf), ("∞", math.inf), ("-inf", -math.inf)],
    ],
)
def test_a_number_is_read_as_people_write_it(text, number):
    assert read_number(text) == pytest.approx(number)


@pytest.mark.parametrize(
    ("text", "help"),
    [
        ("1,000", "Do you mean 1000 or 1.000?"),
        ("12,345", "Do you mean 12345 or 12.345?"),
        ("", "There is no guess yet"),
        ("   ", "There is no guess yet"),
        ("nan", "can't read “nan” as a number"),
        ("15 7", "can't read “15 7” as a number"),
        ("many", "0.5, 1e-3 or 1/2"),
        ("1/0", "no finite value"),
        ("9**999999999", "no finite value"),
        ("-1^0.5", "can't read"),
        ("__import__('os')", "can't read"),
        ("9" * 1000, "1000 characters long"),
    ],
)
def test_what_is_no_number_or_two_is_refused_with_help(text, help):
    with pytest.raises(Unreadable) as refused:
        Number().read(text)
    assert help in str(refused.value)
    assert len(str(refused.value)) < 200


@pytest.mark.parametrize(
    "guess", [None, True, [1, 2], np.ones(2), object(), 1j, math.nan, "nan"]
)
def test_what_is_no_number_in_python_is_refused(guess):
    with pytest.raises(Unreadable):
        Number().read(guess)


@pytest.mark.parametrize("guess", [8, 8.0, np.float32(8), np.int64(8), "8"])
def test_numbers_of_any_type_are_read(guess):
    assert Number().read(guess) == 8


@given(st.text())
def test_no_text_makes_reading_fail_otherwise(text):
    for kind in (Number(), Shape(), CHOICES):
        with contextlib.suppress(Unreadable):
            kind.read(text)


@given(st.floats(allow_nan=False))
def test_a_kept_number_comes_back_exactly(number):
    kind = Number()
    assert kind.read(kind.keep(number)) == number


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        *[("(15, 7)", (15, 7)), ("15 x 7", (15, 7)), ("15×7", (15, 7))],
        *[("15*7", (15, 7)), ("15 by 7", (15, 7)), ("[15 7]", (15, 7))],
        *[("（15，7）", (15, 7)), ("torch.Size([15, 7])", (15, 7))],
        *[("2x3x4", (2, 3, 4)), ("5", (5,)), ("(5,)", (5,)), ("()", ())],
    ],
)
def test_a_shape_is_read_as_people_write_it(text, shape):
    assert read_shape(text) == shape


@pytest.mark.parametrize(
    "guess", ["", "a", "15x", "1.5, 2", "(-1, 2)", (-1, 2), (1.5, 2), None]
)
def test_what_is_no_shape_is_refused(guess):
    with pytest.raises(Unreadable):
        Shape().read(guess)


@pytest.mark.parametrize("guess", [(15, 7), [15, 7], np.array([15, 7]), "15, 7"])
def test_shapes_of_any_type_are_read(guess):
    assert Shape().read(guess) == (15, 7)


@given(st.lists(st.integers(0, 10**6), max_size=5).map(tuple))
def test_a_kept_shape_comes_back(shape):
    assert Shape().read(Shape().keep(shape)) == shape


@pytest.mark.parametrize(
    ("guess", "choice"),
    [
        *[("a", "film"), ("B", "`[CLS]`"), ("(c)", "it"), (" c. ", "it")],
        *[("film", "film"), ("FILM", "film"), ("`[CLS]`", "`[CLS]`")],
        ("[CLS]", "`[CLS]`"),
    ],
)
def test_a_choice_is_read_from_its_letter_or_its_text(guess, choice):
    assert CHOICES.read(guess) == choice


@pytest.mark.parametrize("guess", ["d", "", "fil", 1, None])
def test_what_is_no_choice_is_refused(guess):
    with pytest.raises(Unreadable, match="a letter, a to c"):
        CHOICES.read(guess)


@pytest.mark.parametrize(
    ("guess", "name", "words"),
    [
        (8, "right", ""),
        (8.5, "close", "Your guess is 0.5 too high."),
        (7.5, "close", "Your guess is 0.5 too low."),
        (64, "surprise", "Your guess is 8 times the answer."),
        (1, "surprise", "The answer is 8 times your guess."),
        (9, "surprise", "Your guess is 1 too high."),
        (-8, "surprise", "Your guess is 16 too low."),
        (0, "surprise", "Your guess is 8 too low."),
        (math.inf, "surprise", "One of the two is infinite, the other is not."),
    ],
)
def test_how_near_a_number_came(guess, name, words):
    assert Number(tolerance=0.5).compare(guess, 8) == (name, words)


def test_tolerance_holds_at_its_very_edge():
    assert Number(tolerance=0.1).compare(0.3, 0.2).name == "close"  # 0.3 − 0.2 < 0.1
    assert Number(tolerance=0.1).compare(0.4, 0.3).name == "close"  # 0.4 − 0.3 > 0.1


@pytest.mark.parametrize(
    ("guess", "name", "words"),
    [
        ((15, 7), "right", ""),
        ((7, 15), "surprise", "The same lengths, in another order."),
        ((15, 32), "surprise", "1 of 2 axes agree."),
        ((15,), "surprise", "It has 2 axes; you gave 1."),
    ],
)
def test_how_near_a_shape_came(guess, name, words):
    assert Shape().compare(guess, (15, 7)) == (name, words)


@pytest.mark.parametrize(
    ("number", "text"),
    [(8.0, "8"), (20000, "20,000"), (0.99942, "0.9994"), (1e-5, "1e-05")],
)
def test_numbers_are_written_with_the_digits_that_count(number, text):
    assert Number().write(number) == text
