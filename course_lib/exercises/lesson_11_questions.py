"""The questions of lesson 11: seven predictions, and the quiz."""

from course_lib.exercises.questions import prediction, question

# --- predictions, in the order of the lesson ------------------------------------------

prediction(
    "11.p1",
    "15 queries, but only 7 keys: what shape do the scores have?",
    answer=(15, 7),
    why="One row for each query and one column for each key: the one who looks comes "
    "first.",
    wrong={
        (7, 15): "That is `key @ query.T`, with the keys as rows.",
        (15, 15): "It was square before because there were as many keys as queries.",
        (7, 7): "That would be keys with keys; the 15 queries each need a row.",
        (15, 32): "That is the shape of `query`. The width is summed away in each dot "
        "product.",
    },
)

prediction(
    "11.p2",
    "What does NumPy give for `np.exp(1000)`, and then for `np.exp(1000) / "
    "np.exp(1000)`?",
    answer="inf, then nan",
    why="The largest float64 is about 1.8e308, e^1000 is about 2e434, and infinity "
    "over infinity is not a number.",
    wrong={
        "inf, then 1": "In algebra anything over itself is 1. But NumPy no longer "
        "knows which number the infinity was, so it can't divide.",
        "2e434, then 1": "Python's integers grow without end; floats do not. They have "
        "64 bits, and stop at 1.8e308.",
        "OverflowError both times": "`math.exp(1000)` does raise that. NumPy only "
        "warns, and goes on with inf: that is what makes it dangerous.",
    },
)

prediction(
    "11.p3",
    "With d_k = 64, what standard deviation will q·k have?",
    answer=8,
    tolerance=0.5,
    why="Each of the 64 products has variance 1, so the sum has variance 64, and the "
    "standard deviation is its root.",
    wrong={
        64: "64 is the variance. The standard deviation is its root.",
        1: "That is the spread of one product. You add up 64 of them.",
        0: "The mean is 0. The standard deviation says how far from it the sums lie.",
        4096: "Variances add up when the parts are independent; they are not "
        "multiplied.",
    },
)

prediction(
    "11.p4",
    "Seven random scores: the largest share is 0.45. Now all seven scores become eight "
    "times as large. How large is the largest share?",
    answer=1.0,
    tolerance=0.02,
    why="Softmax looks at differences, and all of them are eight times as large now: "
    "0.99997 goes to a single token.",
    wrong={
        0.45: "That holds if you add something to every score. A factor stretches the "
        "differences.",
        3.6: "That is eight times 0.45, but a share can't exceed 1: all of them still "
        "add up to 1.",
        0.06: "That is 0.45 / 8. Larger scores are further apart, so the winner takes "
        "more, not less.",
        0.14: "That is 1/7, the same for all. You get it by making the scores smaller.",
    },
)

prediction(
    "11.p5",
    "`it` may no longer look at `film`, which had 0.57 of its attention. What will its "
    "other shares add up to?",
    answer=1,
    why="The score is taken out before the softmax, and softmax shares out everything "
    "among those who are left.",
    wrong={
        0.43: "That is what was left before. It comes out if you set the share to 0 "
        "after the softmax, which is the mistake that you will see next.",
        0.57: "That is the share of `film` itself. Its place is empty now, and the "
        "others take it over.",
        0: "Only `film` is hidden. The other 14 tokens can still be seen.",
    },
)

prediction(
    "11.p6",
    "A token may look at nothing at all. What does the package's attention return in "
    "its row?",
    answer="zeros",
    why="There is nothing to share out and nothing to take home, so the row is defined "
    "as zeros.",
    wrong={
        "NaN": "The plain formula gives that: 0/0. So does PyTorch's "
        "`MultiheadAttention`, and one such row then spoils all that follows.",
        "the mean of all values": "You would get it from a large negative number "
        "instead of −∞: all scores are equal then, and all that was hidden is mixed "
        "in.",
        "an error": "An error would stop the whole batch because of one row.",
    },
)

prediction(
    "11.p7",
    "With the causal mask, the first row has one cell only. What is its weight?",
    answer="1, whatever the score",
    why="Who may look at one token only gives it everything: e^s / e^s = 1 for any "
    "score s.",
    wrong={
        "it depends on the score": "A softmax compares. With nothing to compare to, "
        "even the worst score gets everything.",
        "1/15": "That would be an equal share of 15 tokens. But 14 of them are hidden, "
        "and get exactly 0.",
        "0: it has nothing before it": "A token may look at itself: query i may attend "
        "to keys j ≤ i, and for the first that is j = 0.",
    },
)

# --- the quiz -------------------------------------------------------------------------

question(
    "11",
    "You forget the root in a head of width 64. What happens to the attention?",
    right=(
        "it gets sharper, and nothing else gives it away",
        "The scores are eight times as large, so one token takes nearly everything. "
        "Shapes and row sums stay right, and no error is raised.",
    ),
    wrong={
        "it gets flatter: all shares come closer": "The other way round. Dividing "
        "makes scores smaller and shares more equal; you left the division out.",
        "nothing: softmax takes out a common factor": "It takes out what is added to "
        "all scores. A factor changes the differences, and softmax sees it.",
        "the rows no longer add up to 1": "Softmax sees to that, whatever the scores "
        "are. So this simple check can't find the mistake.",
    },
)

question(
    "11",
    "Somebody multiplies the weights by 0 and 1 after the softmax to hide tokens. "
    "Which simple check fails?",
    right=(
        "the rows add up to 1",
        "What the hidden tokens had is lost and not shared out again: our row added up "
        "to 0.43.",
    ),
    wrong={
        "hidden tokens have weight 0": "They do: times 0 is exactly 0. That is why the "
        "mistake looks right.",
        "the weights have shape (queries, keys)": "Multiplying entry by entry keeps "
        "the shape.",
        "no weight is negative": "Weights times 0 or 1 stay at 0 or above.",
    },
)

question(
    "11",
    "`query` is (5, 32), `key` (7, 32) and `value` (7, 48). What shapes have the "
    "weights and the output?",
    right=(
        "(5, 7) and (5, 48)",
        "Each of 5 queries has 7 weights. The sum over the 7 keys then leaves a vector "
        "as wide as a value.",
    ),
    wrong={
        "(5, 7) and (5, 32)": "The output is a mixture of values, so it is as wide as "
        "they are: 48.",
        "(7, 5) and (7, 48)": "The rows belong to those who look: 5 queries.",
        "(5, 48) and (5, 7)": "These are swapped: first come the weights, then the "
        "values are mixed.",
    },
)

question(
    "11",
    "Why is the largest score subtracted before taking powers?",
    right=(
        "so that no power overflows; the shares stay the same",
        "The largest power becomes e^0 = 1. The common factor is in numerator and "
        "denominator and cancels.",
    ),
    wrong={
        "so that the shares get more equal": "All differences stay as they are, so the "
        "shares do too. It is the division by the root that makes them more equal.",
        "so that the shares add up to 1": "The division by the sum does that, with or "
        "without subtracting.",
        "so that no score is negative": "It makes all of them negative but the "
        "largest, which becomes 0. Powers of negative numbers are fine: small, and "
        "above 0.",
    },
)
