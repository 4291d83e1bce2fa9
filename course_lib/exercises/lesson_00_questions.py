"""The questions of lesson 00: two predictions, and the quiz."""

from course_lib.exercises.questions import prediction, question

prediction(
    "00.p1",
    "Layer 3, head 1. Which token will `it` look at most?",
    answer="film",
    why="It gives 0.57 of its attention to `film`, and most of the rest to the film's "
    "name, `mary ##am`.",
    wrong={
        "it": "It is the one that looks, and has its own vector anyway. Here it gives "
        "itself less than 0.01.",
        "but": "The nearest neighbour is a good guess for a head of layer 0, which you "
        "will meet below. This one looks further back.",
        "rewards": "The film offers rewards, so `it` can't stand for them. This head "
        "gives `rewards` nothing.",
        "[CLS]": "Most heads of this layer look there a lot, as you will see below, "
        "and so does this one from many tokens. But not from `it`: only 0.02.",
    },
)

prediction(
    "00.p2",
    "Head 2 of layer 0, in 200 other sentences: how much of its attention goes to the "
    "token before, on average? A number between 0 and 1.",
    answer=0.999,
    tolerance=0.05,
    why="Over 5,224 tokens the mean is 0.999: this head does one thing, everywhere.",
    wrong={
        0.5: "Half would be much for a head with a whole sentence to choose from. This "
        "one does not choose.",
        0.1: "For most heads of this model you would be about right. This one is "
        "different.",
        0.57: "That was the share from `it` to `film`: another head, and one sentence.",
    },
)

question(
    "00",
    "In the heat map, what adds up to 1?",
    right=(
        "each row",
        "A row belongs to the token that looks, and it shares out all its attention.",
    ),
    wrong={
        "each column": "A column says how much one token collects from all others. "
        "Nothing limits that: in our map it runs from 0.03 to 5.56.",
        "the whole map": "Each of the 15 rows adds up to 1, so the whole map adds up "
        "to 15.",
        "nothing: each weight stands alone": "A token that looks more at one place "
        "must look less at another. So the weights of one token are tied together.",
    },
)

question(
    "00",
    "`[CLS]` gets more than 30 % of the attention in eleven of twelve heads. What does "
    "that show?",
    right=(
        "where these heads look, but not what they make of it",
        "Shares must go somewhere, and a head that finds nothing needs a place to "
        "look. What is handed over from there, the map doesn't show.",
    ),
    wrong={
        "`[CLS]` is the most important token": "The weights say how much is taken, not "
        "what. If little is handed over from `[CLS]`, even a large share of it changes "
        "little.",
        "the model is broken": "Published models do this everywhere. A row must add up "
        "to 1 even where a head has nothing to say.",
        "the first word of a sentence matters most": "`[CLS]` is no word: the "
        "tokenizer puts it there. The first word, `mary`, comes after it.",
    },
)

question(
    "00",
    "You saw one head link `it` to `film` in one sentence. What would convince you "
    "that it does so in general?",
    right=(
        "a count over many sentences that nobody picked, beside a simple rule's",
        "A count says how often it happens. A rule such as “the nearest noun” says how "
        "often it would happen without any understanding.",
    ),
    wrong={
        "a second sentence in which it works": "Two that were picked because they work "
        "are no better than one. What about those that you did not show?",
        "a weight nearer to 1 in this sentence": "That makes the head surer, not more "
        "often right. One sentence stays one sentence.",
        "the same link in another head of the model": "Then two heads agree on one "
        "sentence. Nothing is known about the next one.",
    },
)
