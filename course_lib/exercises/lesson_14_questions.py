"""The questions of lesson 14: eight predictions, and the quiz."""

from course_lib.exercises.questions import prediction, question

# --- predictions, in the order of the lesson ------------------------------------------

prediction(
    "14.p1",
    "12 heads, a text of 16,384 tokens, four bytes a number (float32): how many "
    "gigabytes do the scores of one layer take?",
    answer=12.9,
    tolerance=1.0,
    why="12 · 16,384² · 4 bytes are 12.9 · 10⁹ bytes. One gigabyte for each head, and "
    "the model has six such layers.",
    wrong={
        1.07: "That is one head. The layer has twelve, each with a map of its own.",
        3.22: "So many billion numbers it is. Each takes four bytes.",
        25.8: "That would be float64, with eight bytes a number.",
        0.0008: "You counted one score for each token. There is one for each pair of "
        "tokens.",
    },
)

prediction(
    "14.p2",
    "The largest score so far is 2, and the sum of all e^(score − 2) so far is 1.5. "
    "Now a score of 5 arrives. What is the sum, counted from the new largest score?",
    answer=1.07,
    tolerance=0.03,
    why="The new score brings e^0 = 1. All old powers together shrink by e^(2 − 5) = "
    "0.05, to 1.5 · 0.05 = 0.07.",
    wrong={
        2.5: "You added e^0 = 1, but left the old powers as they were. They count from "
        "2; now they must count from 5.",
        31.1: "You multiplied by e^3. Seen from a higher point, the old scores lie "
        "lower: their powers shrink.",
        0.075: "That is what is left of the old sum. The new score itself brings "
        "e^0 = 1.",
        1.5: "The new score brings a power too, the largest of all.",
    },
)

prediction(
    "14.p3",
    "Suppose that old powers were never rescaled. What would the 15 shares of `it` add "
    "up to?",
    answer="less than 1",
    why="Early powers count from too low a point, so they are too large, and so is the "
    "sum by which everything is divided.",
    wrong={
        "more than 1": "The powers on top of the fraction are right. It is the sum "
        "below it that is wrong, and it is too large.",
        "1, but shared out wrongly": "That holds if the same powers stand above and "
        "below. Here the sum holds old powers, and the shares new ones.",
        "infinity": "No power is above 1 here: each counted from the largest score of "
        "its time. That is what made it so harmless to look at.",
    },
)

prediction(
    "14.p4",
    "`it` reads the 15 tokens from left to right. After which one does its running "
    "output come near the final one, and stay there?",
    answer="`film`",
    why="`film` has 0.57 of the attention in the end. Once it has been read, the rest "
    "can move the output only a little.",
    wrong={
        "`[SEP]`, the very last": "Exactly right it is only then. But most tokens have "
        "small shares, and move it hardly.",
        "`it`, when it meets itself": "A token need not look at itself: here its own "
        "share is 0.01.",
        "it gets nearer at every step": "An average may move away first: as long as "
        "the favourite is missing, others have its share.",
    },
)

prediction(
    "14.p5",
    "15 parts, one for each key, are merged in a hundred random orders. What comes "
    "out?",
    answer="the same, to rounding",
    why="Neither the larger of two numbers nor their sum depends on the order, and a "
    "merged part is again nothing but such a largest and such sums.",
    wrong={
        "the same only from left to right": "The order of reading was our choice. In "
        "the formula, nothing knows which part came first.",
        "a little different each time, by a few percent": "That would be an "
        "approximation. Here only the last digits of the floating-point numbers move.",
        "the same only if the largest score comes first": "Then nothing would need "
        "rescaling. With rescaling, it may come at any time.",
    },
)

prediction(
    "14.p6",
    "Twice the text, and blocks of the same size: what grows?",
    answer="only the output, twice",
    why="One block is held at a time, and blocks stay as they are. There are four "
    "times as many, but one after the other.",
    wrong={
        "everything, four times": "That was the whole map. It is never held now.",
        "the blocks, twice": "You choose their size, and it did not change.",
        "nothing": "Nearly. But there is one row of output for each token.",
    },
)

prediction(
    "14.p7",
    "A row has seen nothing yet, and sees nothing in this block. Its score minus its "
    "largest score is −∞ − (−∞). What does NumPy make of it?",
    answer="NaN",
    why="Infinity minus infinity has no value: it depends on how fast each grows. And "
    "e^NaN is NaN, and all that it is added to.",
    wrong={
        "0": "Equal numbers cancel, but infinity is no number, only “larger than all”.",
        "−∞": "That would be handy, as e^(−∞) = 0. But minus minus infinity is plus.",
        "a ZeroDivisionError": "Nothing is divided here, and floats seldom raise: they "
        "go on with NaN.",
    },
)

prediction(
    "14.p8",
    "A causal mask, and a map of 8 × 8 square blocks. How many of the 64 hold at least "
    "one score that is allowed?",
    answer=36,
    why="8 · 9 / 2: one in the first row of blocks, two in the second, and so on, 8 in "
    "the last.",
    wrong={
        32: "Half of them would be right if the diagonal cut no block. It cuts 8.",
        28: "Those lie wholly below the diagonal. The 8 blocks on it hold allowed "
        "scores as well.",
        64: "Blocks above the diagonal hold nothing that is allowed.",
        8: "That is the diagonal alone. All that lies before may be seen too.",
    },
)

# --- the quiz -------------------------------------------------------------------------

question(
    "14",
    "A new block brings no score that is larger than the largest so far. What happens "
    "to the old sums?",
    right=(
        "they stay as they are",
        "The factor is e^(m − m) = 1. Only a new largest score makes them shrink.",
    ),
    wrong={
        "they shrink by the number of keys": "Nothing is averaged along the way. The "
        "division comes at the end, by the sum of powers.",
        "they shrink by the largest score of the block": "They would, if it were the "
        "new largest. Here the old one stays.",
        "they become 0": "Then all that was read before would be lost.",
    },
)

question(
    "14",
    "What does streaming attention save?",
    right=(
        "memory for the scores",
        "All else stays: each query still meets each key, and the result is the same.",
    ),
    wrong={
        "multiplications": "We counted them: as many as before. Each query still meets "
        "each key.",
        "accuracy, which it trades for memory": "It is no approximation. The results "
        "agree to rounding, with real vectors and with masks.",
        "the exponentials": "It needs a few more: one for each query and block, to "
        "rescale.",
    },
)

question(
    "14",
    "Two cores read half of the keys each, at the same time. Why is that allowed?",
    right=(
        "two parts can be merged, whatever came first",
        "Each core keeps largest, total and mixture of its half. One merge makes them "
        "one.",
    ),
    wrong={
        "because the keys of one half don't influence the other's": "They do: all "
        "shares come from one sum. The merge is what brings it together.",
        "because both halves have the same largest score": "They seldom do. Each part "
        "carries its own, and the merge rescales.",
        "it is not: softmax needs all scores at once": "That is how it is written "
        "down. Section 2 showed that it can do without.",
    },
)

question(
    "14",
    "Somebody's streaming attention is right on plain text. With padding on the left "
    "side, whole outputs are NaN. Why?",
    right=(
        "the first blocks hold only −∞, and −∞ − (−∞) is NaN",
        "Nothing has been seen yet. Subtract a finite number there, until something is "
        "seen.",
    ),
    wrong={
        "the powers overflow": "They can't: each is at most e^0 = 1.",
        "the division by the sum comes too late": "It comes at the end in any case. "
        "The NaN is there long before.",
        "the last block is shorter than the others": "A shorter block has fewer "
        "scores, but no NaN.",
    },
)

question(
    "14",
    "Streaming attention has run, and you want to see a piece of the map after all. "
    "What must have been kept, besides queries and keys?",
    right=(
        "two numbers for each query: m and ℓ",
        "Score again, e^(s − m) / ℓ, and the piece is there. FlashAttention's backward "
        "pass does just that.",
    ),
    wrong={
        "the whole map": "Then nothing would have been saved.",
        "the largest score of each block": "The last one, over all blocks, is enough; "
        "but the sum is needed as well.",
        "nothing: the output tells": "The output is a mixture. Which shares went into "
        "it can't be read off.",
    },
)
