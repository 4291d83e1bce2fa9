"""The questions of lesson 15: eight predictions, and the quiz."""

from course_lib.exercises.questions import prediction, question

# --- predictions, in the order of the lesson ------------------------------------------

prediction(
    "15.p1",
    "What share of all the model's numbers is the word table? (a percentage, such as "
    "25 %)",
    answer=0.52,
    tolerance=0.05,
    why="30,522 rows of 384 are 11.7 million numbers; the six layers together have "
    "10.6 million.",
    wrong={
        0.1: "A table sounds like little beside six layers. But it has a row for each "
        "of 30,522 word pieces, even for the rarest.",
        0.31: "That is the share of the six feed-forward networks, which come second.",
        0.9: "The layers hold more than that: each has twelve matrices of 384 by 384, "
        "if the two large ones are counted as four each.",
    },
)

prediction(
    "15.p2",
    "The same weights, post-norm and pre-norm. What is the cosine between the two "
    "vectors of the sentence?",
    answer=0.04,
    tolerance=0.1,
    why="Nothing is left of the sentence: without a norm at its end, each layer hands "
    "the next one rows of a size that it has never seen.",
    wrong={
        1: "Both orders train well, each with weights of its own. These weights were "
        "trained for one of them.",
        0.9: "That would be a small disturbance. But all twelve norms have moved, and "
        "the rows grow to forty times their size.",
        0.5: "That would be half right. Not even that much is left.",
        -1: "That would be the opposite direction: as much of a relation as 1 is. "
        "There is hardly any.",
    },
)

prediction(
    "15.p3",
    "No mask, and 7 tokens of padding behind the 8 real ones. What is the cosine "
    "between the vector of the text so and alone?",
    answer=0.93,
    tolerance=0.05,
    why="[PAD] is a token like any other to those who look: it has a vector, takes its "
    "share of attention and gives something away.",
    wrong={
        1: "Padding has the number 0, but its row in the word table isn't zero, and "
        "every token looks at it.",
        0: "It is not that bad: the real tokens still get most of the attention.",
        0.53: "8 of 15 tokens are real, but attention is not shared out evenly.",
    },
)

prediction(
    "15.p4",
    "The segment table is left out, so one constant vector is not added to the tokens "
    "of our sentence. How much does its vector change?",
    answer="beyond recognition: a cosine below 0.5",
    why="Every row of the embeddings starts somewhere else, and all 22.7 million "
    "numbers were trained with that constant in place.",
    wrong={
        "not at all: a constant tells nothing": "It tells nothing that would be new. "
        "But the layers were trained with it, as with any bias.",
        "not at all: LayerNorm takes it out": "LayerNorm takes out one number for each "
        "row, its mean. This constant has 384 different numbers.",
        "a little: a cosine above 0.9": "It would be little if the vector were short. "
        "It is nearly half as long as a word's.",
    },
)

prediction(
    "15.p5",
    "Now every token gets the vector of segment 0, whatever `token_type_ids` says. We "
    "compare on our single sentence. What will the debugger say?",
    answer="None: no difference",
    why="All tokens of a single sentence are segment 0, so here the code is right. The "
    "bug waits for the first pair.",
    wrong={
        "embeddings: that is where the bug sits": "It sits there, but on this input it "
        "computes the right thing.",
        "layer 0, output": "If embeddings differed, they would be named first; and on "
        "this input they don't.",
        "pooler: it is the part for pairs": "The pooler computes what it is given; all "
        "before it is right on this input.",
    },
)

prediction(
    "15.p6",
    "How far will this LayerNorm move the vector of the sentence, after six layers?",
    answer="about 0.2 % of its length",
    why="At a width of 384, a variance divided by 383 instead of 384 is larger by a "
    "quarter of a percent, and its root by an eighth.",
    wrong={
        "not at all": "The numbers are other ones, if only by a little: 383 is not "
        "384.",
        "about 2 %": "Thirteen norms do pile up, but each of them is off by an eighth "
        "of a percent only.",
        "beyond recognition": "It looks like an error of principle. But 383 and 384 "
        "are nearly the same number.",
    },
)

prediction(
    "15.p7",
    "The heads are glued by `reshape` alone. Which step differs first?",
    answer="layer 0, output",
    why="The weights of layer 0 are computed before anything is glued. All that comes "
    "later is spoiled.",
    wrong={
        "embeddings": "Embeddings are added up before there are any heads.",
        "layer 0, attention weights": "A head's weights are finished before its "
        "results are glued to those of the others.",
        "layer 1, attention weights": "They differ too, but only because what enters "
        "layer 1 is wrong already.",
        "pooler": "It is the last step: it inherits the error, as all the others do.",
    },
)

prediction(
    "15.p8",
    "60 reviews, each with its nearest one. With the heads glued wrongly, what share "
    "of them loses it to another? (a percentage, such as 25 %)",
    answer=0.92,
    tolerance=0.07,
    why="With 59 others to choose from, pure chance would keep one of 60. Hardly more "
    "is left.",
    wrong={
        0: "That holds for the LayerNorm and the GELU of this lesson. This bug moves "
        "the vector by as much as it is long.",
        0.5: "It is worse. Each layer mixes tokens and heads anew, and there are six.",
    },
)

# --- the quiz -------------------------------------------------------------------------

question(
    "15",
    "You make a BERT with 24 heads in each layer instead of 12, and leave all other "
    "sizes. How many parameters has it?",
    right=(
        "as many as before",
        "The matrices keep their shapes. Each head only owns fewer of their columns.",
    ),
    wrong={
        "twice as many": "Nothing doubles: the heads share the columns of four "
        "matrices, and these stay 384 by 384.",
        "more, but only in the attention": "There too, the shapes are those of the "
        "whole width, however many heads share it.",
        "half as many": "Each head is half as wide, but there are twice as many of "
        "them.",
    },
)

question(
    "15",
    "The first step that differs is `layer 2, attention weights`. Where may the bug "
    "be?",
    right=(
        "in the queries, keys, scores, mask or softmax of layer 2",
        "All before is right, so what enters layer 2 is right. Weights are made of "
        "these parts alone.",
    ),
    wrong={
        "in the values of layer 2": "The values are mixed after the weights. A bug "
        "there shows in the output of layer 2.",
        "in the feed-forward network of layer 1": "Then the output of layer 1 would "
        "differ, and it comes earlier.",
        "in the position table": "Then the embeddings would differ, and all that "
        "follows.",
    },
)

question(
    "15",
    "Your model agrees with the original on one sentence, to six digits. Which of "
    "these bugs can it still have?",
    right=(
        "the mask hides the wrong keys",
        "A single text has no padding, so its mask hides nothing. Compare a batch of "
        "unequal lengths too.",
    ),
    wrong={
        "two matrices of layer 4 are swapped": "The numbers after layer 4 would be "
        "others, for any sentence.",
        "positions are counted from 1": "Every token of every sentence gets a "
        "position, so this shows at once.",
        "GELU is computed with tanh": "It is off by half a thousandth at most, but "
        "that is far more than the seventh digit.",
    },
)

question(
    "15",
    "Somebody trains a model from nothing with the LayerNorm of section 8, and it "
    "reaches the same accuracy. What follows?",
    right=(
        "accuracy can't find such a bug; equal numbers can",
        "A stretch that is learned makes up for the factor. Only a comparison with "
        "another implementation shows it.",
    ),
    wrong={
        "the two LayerNorms are the same function": "They differ by a factor, at width "
        "384 by an eighth of a percent, and at width 4 by 13 percent.",
        "published weights will work in it just as well, to the last digit": "They "
        "were trained with the other one: our sentence's vector moved by 0.2 %.",
        "LayerNorm does nothing": "It does a lot. What does next to nothing is "
        "dividing by 383 for 384.",
    },
)
