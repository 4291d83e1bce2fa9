"""The search for the variable that can't travel."""

import functools
import threading

from course_lib.exercises.worker import stuck

LOCK = threading.Lock()


def outer(first, second=1, *, third=2):
    unset = [None]

    def inner():
        return late, unset, LOCK

    if first:
        late = 3
    return inner


def test_parts_are_closures_globals_and_defaults():
    assert dict(stuck.parts_of(outer(1))) == {"late": 3, "unset": [None], "LOCK": LOCK}
    assert dict(stuck.parts_of(outer(0))) == {"unset": [None], "LOCK": LOCK}
    parts = dict(stuck.parts_of(functools.partial(outer, 0)))
    assert parts == {"second": 1, "third": 2, "LOCK": LOCK}


def test_a_value_has_no_parts():
    assert not list(stuck.parts_of(3))


def test_things_that_hold_each_other_end():
    def one():
        return two

    def two():
        return one

    def dump(thing):
        raise TypeError("cannot pickle anything")

    said = stuck.explain(one, TypeError("no"), dump)
    assert "`two` in `one`" in said
    assert said.endswith("it is a function.")
