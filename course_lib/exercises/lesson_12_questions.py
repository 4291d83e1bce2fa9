"""The questions of lesson 12: six predictions, and the quiz."""

from course_lib.exercises.questions import prediction, question

# --- predictions, in the order of the lesson ------------------------------------------

prediction(
    "12.p1",
    "`query` is (15, 384). Somebody writes `wrong = query.reshape(12, 15, 32)`. Whose "
    "numbers stand in `wrong[1, 0]`, the place of head 1 and token 0?",
    answer="head 3 of token 1",
    why="Reshaping keeps the numbers in order. Each token brings 12 pieces of 32, each "
    "layer of `wrong` takes 15 pieces, and piece 15 is token 1's piece 3.",
    wrong={
        "head 1 of token 0": "That is what ought to stand there. A reshape never "
        "reorders numbers, so it can't bring the 15 pieces of one head together.",
        "head 1 of token 1": "Token 1 is right. Its first piece has number 12, and "
        "here begins piece 15.",
        "head 0 of token 1": "That is piece 12. The first layer has room for 15 "
        "pieces, so it takes three of token 1's as well.",
    },
)

prediction(
    "12.p2",
    "Which head writes most into the vector of `it`?",
    answer="head 9, whose largest share is 0.22",
    why="How much is written depends on the values and on W^O as well; the map shows "
    "only from where it is taken.",
    wrong={
        "head 1, which gives 0.57 to film": "Close: it is the second. The clearest "
        "map need not belong to the loudest head.",
        "head 5, which gives 0.72 to [CLS]": "It is the quietest of all. A head that "
        "looks at [CLS] may be one that has nothing to say here.",
        "all the same": "Nothing in the formula makes heads equally loud. Here the "
        "loudest writes three times as much as the quietest.",
    },
)

prediction(
    "12.p3",
    "True for each real token: you hand this mask to `torch.nn.MultiheadAttention` as "
    "it is. What comes out for the first sentence, which has no padding?",
    answer="NaN everywhere",
    why="True means blocked there, so all its keys are blocked, and a softmax over "
    "nothing is 0/0.",
    wrong={
        "the right numbers": "All of its keys are True, and True means blocked in this "
        "layer.",
        "zeros": "Our attention gives zeros to a token that may see nothing. This "
        "layer of PyTorch does not.",
        "an error": "Shape and type are right, so nothing can be noticed.",
    },
)

prediction(
    "12.p4",
    "Now the attention sub-layer. You shuffle the words before it or after it: how do "
    "the two results differ?",
    answer="not at all, to rounding",
    why="Each token mixes all the others, and a sum doesn't care in what order its "
    "terms come.",
    wrong={
        "a lot, since attention mixes positions": "It does mix them, but by what "
        "they hold and not by where they stand. The same set gives the same mixture.",
        "a little, as the softmax sees other scores": "A row of scores is shuffled "
        "too, so each token finds the same scores, in other places.",
        "a lot, but only for shuffled words": "Each word's own query, and the set of "
        "keys it meets, are the same wherever it stands.",
    },
)

prediction(
    "12.p5",
    "`film` gets another vector. How many of the 15 rows that the feed-forward network "
    "gives back will change?",
    answer=1,
    why="Each row goes through it alone, so only the row of `film` can change.",
    wrong={
        15: "That is true of attention, where each token looks at `film`.",
        0: "The row of `film` itself goes in changed, and comes out changed.",
        2: "`it` looks at `film`, but that happens in the attention sub-layer.",
        3: "It has no neighbours: nothing but the row itself goes into the product.",
    },
)

prediction(
    "12.p6",
    "Positions are switched on again. Cosine similarity of the two sentence vectors "
    "(1: the same direction, 0: nothing in common): how much is it?",
    answer=0.98,
    tolerance=0.015,
    why="The words' vectors have moved, but the mean over the sentence hardly has: "
    "this model was tuned to tell what a text is about.",
    wrong={
        0: "That would be two sentences with nothing in common. These have all of "
        "their words in common.",
        1: "It was so without positions. Now the two differ, if only a little.",
        0.5: "Who bites whom turns the meaning round, but the model hardly minds.",
        -1: "Opposite meaning is not opposite direction: in these vectors, sentences "
        "about the same things lie close together.",
    },
)

# --- the quiz -------------------------------------------------------------------------

question(
    "12",
    "`z` is (12, 15, 32). What is wrong with `z.reshape(15, 384)` for gluing?",
    right=(
        "each row then holds pieces of several tokens",
        "The pieces lie head by head in memory. The axes must be swapped first, so "
        "that all pieces of one token are neighbours.",
    ),
    wrong={
        "the shape: it should be (12, 480)": "The shape is right: 15 tokens of 12 · 32 "
        "numbers. That is what makes the mistake hard to see.",
        "the heads stand in reverse order": "A reshape reverses nothing. It keeps all "
        "numbers in the order in which they lie.",
        "nothing": "Compare the row of `it` with its twelve pieces: they are "
        "elsewhere.",
    },
)

question(
    "12",
    "You silence head 1: its results are set to 0 before the gluing. Which of the 384 "
    "numbers that the sub-layer writes for `it` may change?",
    right=(
        "all of them",
        "Head 1 has 32 columns of W^O, and each of these columns is 384 high.",
    ),
    wrong={
        "the columns 32 to 63 alone": "These are its places in the glued row. After "
        "W^O, they have been spread over all 384.",
        "none: the other heads make up for it": "Nothing is shared out again here. "
        "What the heads write is added up, and one term is missing.",
        "a twelfth of them, wherever W^O puts them": "W^O puts each of the head's 32 "
        "numbers into all 384 places.",
    },
)

question(
    "12",
    "A causal mask, True where j ≤ i, is handed to `torch.nn.MultiheadAttention` as "
    "it is. Who sees what?",
    right=(
        "each token sees only the tokens after it",
        "True means blocked there. The last token sees nothing at all, so its row is "
        "NaN.",
    ),
    wrong={
        "each token sees itself and those before it": "So it was meant, and so "
        "`scaled_dot_product_attention` would take it. This layer reads it the other "
        "way round.",
        "all tokens see all": "The mask is not ignored. It is read the other way "
        "round.",
        "each token sees itself alone": "The diagonal is True as well, and so it is "
        "blocked.",
    },
)

question(
    "12",
    "A model is made of encoder layers as in this lesson, without any positions. What "
    "can it never learn?",
    right=(
        "to tell “the dog bit the man” from “the man bit the dog”",
        "All its parts are blind to order, so both give the same vectors in another "
        "order.",
    ),
    wrong={
        "to link “it” with “film”": "Queries and keys are made from what the words "
        "are, and that is enough for this link.",
        "which words a sentence holds": "This is just what remains: the set of words, "
        "without their order.",
        "anything: attention needs positions": "It runs without them, and each word "
        "still sees all the others.",
    },
)

question(
    "12",
    "Compared with a single head of 384 columns, how many weights do 12 heads of 32 "
    "columns have?",
    right=(
        "as many",
        "12 · 32 = 384: the heads share the same columns out. What there is more of "
        "are softmaxes: twelve for one.",
    ),
    wrong={
        "12 times as many": "It would be so if each head were 384 columns wide.",
        "a twelfth": "That is what one of the twelve has.",
        "more, because W^O comes on top": "The single head has its W^O too: 384 by "
        "384, as for twelve.",
    },
)
