"""Deals sentences to train, validation and test, always in the same way.

Three kinds of sentences know too much of each other to be trained on and tested on:

- those of one document;
- those that differ only in case, punctuation or white space, in whatever domain;
- tweets next to each other with mostly the same words: the data set's makers varied 30
  tweets on purpose ("Ugh. I hate ...", "UGH!!! I HATE ...").

They form groups. The hash of a group's smallest name decides its split: no random
number is drawn, and no order matters.

Taught in: lesson 42.
"""

import hashlib
import string
from collections import defaultdict
from itertools import chain, pairwise

SPLITS = ("train", "validation", "test")

_PUNCTUATION = str.maketrans("", "", string.punctuation + "–’")
_REWORDED = 0.6  # share of common words from which on neighbouring tweets hang together
# Of 0 to 999, the number whose splits come nearest to 80, 10 and 10 percent, and to the
# domain's share of positive ratings, in all four domains. Nothing else was compared.
_SALT = "147:"


def deal(texts):
    """Return the split of every sentence.

    Parameters
    ----------
    texts : dict of str to str
        Sentences by name, neighbours side by side: ``"tweets/7"``, or
        ``"products/12_3"`` for the third sentence of document 12.

    Returns
    -------
    dict of str to str
        Name to ``"train"`` (about 80 %), ``"validation"`` or ``"test"``.

    Notes
    -----
    Taught in: no lesson; the one on generalization looks at the splits themselves.

    Examples
    --------
    >>> splits = deal({"tweets/1": "Wow!", "tweets/2": "Hm.", "products/3_1": "wow"})
    >>> splits["tweets/1"] == splits["products/3_1"]
    True
    """
    group_of = grouped(texts)
    return {name: split_of(group_of[name]) for name in texts}


def grouped(texts):
    """Return the name of each sentence's group: {name: smallest name in its group}."""
    repeated = chain.from_iterable(map(pairwise, repeats(texts)))
    root = _linked(chain(repeated, rewordings(texts)))
    return {name: root(document_of(name) or name) for name in texts}


def repeats(texts):
    """Return lists of names whose sentences are the same but for case and the like."""
    same = defaultdict(list)
    for name, text in texts.items():
        same["".join(_words(text)) or text].append(name)  # "!" and ":)" have no words
    return [names for names in same.values() if len(names) > 1]


def rewordings(texts):
    """Yield pairs of neighbouring tweets with mostly the same words."""
    tweets = (name for name in texts if name.startswith("tweets/"))
    words = ((name, set(_words(texts[name]))) for name in tweets)
    for (name, one), (next_name, two) in pairwise(words):
        if len(one & two) >= _REWORDED * len(one | two):
            yield name, next_name


def document_of(name):
    """Return the document's name, or None: ``"products/12_3"`` → ``"products/12"``."""
    return name.rpartition("_")[0] or None


def split_of(group):
    """Return the split of a group by its name."""
    digest = hashlib.sha256((_SALT + group).encode()).digest()
    share = int.from_bytes(digest[:8], "big") / 2**64  # uniform from 0 to 1
    return SPLITS[(share >= 0.8) + (share >= 0.9)]


def _words(text):
    return text.casefold().translate(_PUNCTUATION).split()


def _linked(pairs):
    """Union-find whose roots are each group's smallest name, whatever the order."""
    above = {}

    def root(name):
        while (parent := above.get(name, name)) != name:
            name = parent
        return name

    for pair in pairs:
        low, high = sorted(root(document_of(name) or name) for name in pair)
        above[high] = low
    return root
