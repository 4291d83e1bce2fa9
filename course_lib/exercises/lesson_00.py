"""The exercise of lesson 00, on which a learner sees how answers are answered."""

import numpy as np

from course_lib.exercises.exercise import exercise


@exercise(
    "00.1",
    "Shares",
    difficulty=1,
    minutes=2,
    section="4 · How a lesson works",
    learned="A share is a part of the whole.",
)
def shares(numbers):
    """Turn positive numbers into shares of their sum: all of them add up to 1."""
    return numbers / numbers.sum()


@shares.inputs
def _(rng):
    return (rng.uniform(1, 9, size=7),)


@shares.inputs
def _(rng):
    return (rng.uniform(0.1, 2, size=13),)


shares.hint("What must the shares add up to? What do the numbers add up to?")
shares.hint("`numbers.sum()` is the whole; a share is a part of it.")


@shares.style("loop")
def _(numbers):
    return np.array([number / sum(numbers) for number in numbers])


@shares.style("divide")
def _(numbers):
    return np.divide(numbers, np.sum(numbers))


@shares.style("one factor for all")
def _(numbers):
    return numbers * (1 / np.add.reduce(numbers))


@shares.misconception(
    "Your largest share is 1. You divided by the largest number; divide by the sum, so "
    "that all shares together are 1."
)
def divided_by_the_largest(numbers):
    return numbers / numbers.max()


@shares.misconception(
    "You divided by how many numbers there are. A share says how large a part is of "
    "the whole, so divide by their sum."
)
def divided_by_the_count(numbers):
    return numbers / len(numbers)


@shares.misconception("These are percentages: they add up to 100. Shares add up to 1.")
def percent(numbers):
    return 100 * numbers / numbers.sum()
