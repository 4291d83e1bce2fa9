"""What a thing of the library leads to is found without packing it."""

import functools
from types import FunctionType

import numpy as np
import pytest

from course_lib import attention
from course_lib.attention import numpy_bert, suspects
from course_lib.exercises.worker.reach import reachable

TARGET = attention.softmax


def ours(function):
    """The same function, as if it were written in the library."""
    copy = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__module__ = "course_lib.somewhere"
    return copy


def by_global(x):
    return TARGET(x)


def in_a_function_inside(x):
    def inner():
        return TARGET(x)

    return inner


def by_default(x, function=TARGET):
    return function(x)


def by_keyword(x, *, function=TARGET):
    return function(x)


def closing_over(function):
    return lambda x: function(x)


class Owner:
    @staticmethod
    def method(x):
        return x

    @property
    def number(self):
        return 1


Owner.__module__ = "course_lib.somewhere"
Owner.method = staticmethod(ours(by_global))


@pytest.mark.parametrize(
    "thing",
    [
        TARGET,
        *map(ours, (by_global, in_a_function_inside, by_default, by_keyword)),
        ours(closing_over(TARGET)),
        functools.lru_cache(ours(by_global)),
        Owner,
        Owner(),
        [{"deep": (ours(by_global),)}],
    ],
)
def test_leads_to_the_target(thing):
    assert any(one is TARGET for one in reachable(thing))


@pytest.mark.parametrize("thing", [np.linalg.norm, by_global, np.ones(3), 5, None])
def test_what_is_not_of_the_library_is_not_entered(thing):
    assert [one is thing for one in reachable(thing)] == [True]


def test_a_module_is_not_entered_and_a_circle_ends():
    circle = [attention]
    circle.append(circle)
    assert len(list(reachable(circle))) == 1


def test_what_the_bert_and_the_suspects_use():
    banned = attention.scaled_dot_product_attention
    for thing in (numpy_bert.NumpyBert, numpy_bert.Pieces(), suspects.SUSPECTS):
        assert any(one is banned for one in reachable(thing))
    assert all(one is not banned for one in reachable(attention.gelu))
