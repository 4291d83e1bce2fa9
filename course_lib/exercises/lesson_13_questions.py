"""The questions of lesson 13: eleven predictions, and the quiz."""

from course_lib.exercises.questions import prediction, question

# --- predictions, in the order of the lesson ------------------------------------------

prediction(
    "13.p1",
    "Which step gives the most exact slope of e^x, with central differences?",
    answer="1e-5",
    why="Its two errors balance there: the bend of the curve, which shrinks with the "
    "step, and rounding, which grows when it does.",
    wrong={
        "1e-1": "So far apart, the curve bends between the two points: the slope is "
        "off by about 0.005.",
        "1e-10": "The curve is straight enough there, but the two values share "
        "nearly all their digits. What is left after subtracting is mostly rounding.",
        "1e-15": "The smaller the better holds on paper. A float has about "
        "16 digits, and here 15 of them cancel: the slope is off by several percent.",
    },
)

prediction(
    "13.p2",
    "Q, K and V of our head hold 15 · 32 numbers each. How often must you compute "
    "attention to get all their slopes by central differences?",
    answer=2880,
    why="Three arrays of 480 numbers, and two runs for each number.",
    wrong={
        1440: "That many slopes there are. Each takes two runs, one step up and one "
        "step down.",
        960: "That is one of the three arrays. Keys and values are wanted too.",
        480: "That is how many numbers the queries hold; and each needs two runs.",
        192: "That is one token. There are 15.",
        6: "Two runs for each array would nudge all its entries together, and give "
        "one number for all of them.",
    },
)

prediction(
    "13.p3",
    "a = 3x, b = x², L = a·b. At x = 2, a and b move 3 and 4 times as far as x. How "
    "many times as far does L move?",
    answer=36,
    why="By way of a: 3 times b, which is 12. By way of b: 4 times a, which is 24. "
    "Together 36.",
    wrong={
        12: "That is the path through a alone. b moves as well.",
        24: "That is the path through b alone (and, by chance, L itself). a moves as "
        "well.",
        288: "You multiplied 12 by 24. Along a path you multiply; two paths are added.",
        7: "3 and 4 are how far a and b move. L moves b times as far as a, and a times "
        "as far as b: multiply along each path first.",
        18: "That is the mean of the two paths. Both happen at once: add them.",
    },
)

prediction(
    "13.p4",
    "For the head's queries, X is (15, 384) and Y is (15, 32). What shape has dW?",
    answer=(32, 384),
    why="A gradient has the shape of what it belongs to, and W has one row for each "
    "output.",
    wrong={
        (384, 32): "That is the shape of Wᵀ. W has one row for each of 32 outputs, as "
        "in PyTorch.",
        (15, 32): "That is the shape of dY, which comes in.",
        (15, 384): "That is the shape of dX.",
        (15, 32, 384): "So many products there are, one for each row and weight. But "
        "all 15 rows share one W: their paths are added.",
    },
)

prediction(
    "13.p5",
    "You nudge the first of three scores up by 0.001. By how much do the three shares "
    "change together, all changes added up?",
    answer=0,
    why="The shares add up to 1 before and after. What one gains, the others lose.",
    wrong={
        0.001: "That is how far the score moved. Shares can't grow together: they add "
        "up to 1 before and after.",
        0.000208: "That is what the share of the nudged score gains. What happens to "
        "the other two?",
        1: "They add up to 1 before and after. So how much is the change?",
    },
)

prediction(
    "13.p6",
    "The seven scores of lesson 11 become eight times as large. What becomes of the "
    "slopes of their softmax, all added up?",
    answer="more than 10,000 times smaller",
    why="Every slope is a share times what is left of it. The winner has 0.99997, so "
    "nothing is left; the others have next to no share.",
    wrong={
        "8 times larger": "A straight line would get steeper. Softmax is no line: its "
        "shares can't leave 0 to 1, and near the ends the curve is flat.",
        "8 times smaller": "The way to a sure softmax is exponential, not in "
        "proportion: shares of losers shrink as e to the power of the score.",
        "unchanged": "That holds if you add a number to all scores. A factor changes "
        "the differences.",
    },
)

prediction(
    "13.p7",
    "Let every weight in G be 1, so L is the sum of all outputs. Which token's value "
    "has the largest say in it?",
    answer="[CLS]",
    why="A value's say is its column of A, added up, and more looks end at [CLS] than "
    "anywhere else: 5.6 of 15.",
    wrong={
        "film": "It is what `it` looks at most, but few others do: its column adds up "
        "to 2.8.",
        "it": "`it` looks at others. For its own value, only who looks at *it* counts, "
        "and that is hardly anyone.",
        "all the same": "They would be if every token were looked at equally. The rows "
        "of A add up to 1, the columns need not.",
    },
)

prediction(
    "13.p8",
    "With the causal mask, what is the gradient of the first query, that of [CLS]?",
    answer="exactly 0",
    why="It sees one key only, whose share is 1 whatever the score. A nudge of the "
    "query changes nothing.",
    wrong={
        "the same as without the mask": "Without the mask it could choose among 15 "
        "keys. Now there is one, and no choice.",
        "NaN": "No 0/0 arises: the row has one key, and its share is 1.",
        "larger than before, since it has one key only": "The one key gets everything, "
        "so its *value* has a larger gradient. The query has nothing to decide.",
    },
)

prediction(
    "13.p9",
    "Is GELU anywhere steeper than the line y = x?",
    answer="yes, by about 13 %",
    why="The second term, x·φ(x), is above 0 for all positive x, and lifts the slope "
    "to 1.13 at x = √2.",
    wrong={
        "no, its slope goes from 0 to 1": "That is Φ(x), the first term. The second "
        "term adds to it wherever x is positive.",
        "no, it is 0 or 1, as ReLU's": "ReLU switches. GELU lets through a share that "
        "grows smoothly.",
        "yes, without limit": "For large x, GELU is y = x, with slope 1. The second "
        "term fades as the bell does.",
    },
)

prediction(
    "13.p10",
    "A row becomes ten times as large, and LayerNorm's output stays the same. The same "
    "gradient arrives at the output. What becomes of the gradient of the row?",
    answer="10 times smaller",
    why="The nudge that moved the output by so much must now be ten times as large.",
    wrong={
        "it stays the same": "The output does. But a nudge of 0.001 is now a smaller "
        "part of the row, and moves the output less.",
        "10 times larger": "Turn it round: the larger the row, the less one nudge "
        "matters in it.",
        "100 times smaller": "One factor of 10 comes from the division by the "
        "deviation. There is no second: n is the same as before.",
    },
)

prediction(
    "13.p11",
    "`it` gives 0.0004 of its attention to `rewards`. We follow the gradient of that "
    "share for ten whole steps (q + dq). What is the share then?",
    answer="hardly changed",
    why="In front of every slope stands the share itself, 0.0004. Where there is no "
    "attention, there is next to no slope.",
    wrong={
        "about 0.01": "That would be 25 times as much. The slope holds a factor of "
        "0.0004, so the steps are tiny.",
        "more than 0.5": "The direction is right, but its length is tiny: the share "
        "itself stands in front of its slope.",
        "smaller than before": "A small step along the gradient makes L larger, not "
        "smaller. The question is only by how much.",
    },
)

# --- the quiz -------------------------------------------------------------------------

question(
    "13",
    "You have written a `*_backward` of your own. Which check would find a forgotten "
    "square root?",
    right=(
        "comparing it with central differences, in float64",
        "They know only the forward pass, so they can't share your mistake.",
    ),
    wrong={
        "every gradient has the shape of what it belongs to": "A forgotten factor "
        "changes no shape.",
        "the rows of dS add up to 0": "They do so with any factor in front.",
        "training with it makes the loss fall": "A gradient of the wrong length still "
        "points the right way, so the loss falls, and the error stays hidden.",
    },
)

question(
    "13",
    "Two layers share one weight matrix. What is its gradient?",
    right=(
        "the sum of what both layers send back",
        "Each use is a path to L, and paths are added.",
    ),
    wrong={
        "the mean of what both send back": "A nudge of the matrix acts in both layers, "
        "and both effects reach L. Nothing divides them by two.",
        "the product of what both send back": "You multiply along one path. These are "
        "two paths side by side.",
        "what the last layer sends back": "The first layer uses the matrix too: nudge "
        "it, and L feels both.",
    },
)

question(
    "13",
    "A token gives 0.999 of its attention to one key. What does training tell its "
    "query about where to look?",
    right=(
        "next to nothing, even if the choice is wrong",
        "Every slope of its softmax is a share times what is left of it: at most "
        "0.999 · 0.001.",
    ),
    wrong={
        "a lot: large weights have large gradients": "The value does get a large "
        "gradient. The scores get the share times what is left of it.",
        "to keep this choice": "The slope near 0 says neither keep nor change. Right "
        "or wrong, the row hears little.",
        "nothing, unless its mask is causal": "A mask takes keys away; it makes no "
        "sure softmax less sure.",
    },
)

question(
    "13",
    "Somebody multiplies the loss by 2. What becomes of dQ, at the bottom of ten "
    "layers?",
    right=(
        "it doubles",
        "On the way back everything is multiplied and added: twice as much comes in, "
        "twice as much goes out.",
    ),
    wrong={
        "it becomes 2¹⁰ times as large": "The factor enters once, at the top, and each "
        "layer hands it on.",
        "it depends, since softmax is no straight line": "Softmax is bent on the way "
        "forward. On the way back its table of slopes is fixed, and acts as a matrix.",
        "it stays the same": "It is the slope of the loss, and the loss is twice as "
        "steep now.",
    },
)
