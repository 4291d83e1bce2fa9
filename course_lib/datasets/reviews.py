"""Reads the rated sentences.

Taught in: lessons 31 and 42.
"""

import functools
import html
import json
from typing import NamedTuple

from course_lib.datasets import archive, splits

DOMAINS = {
    "movies": "movieReviewSnippets",
    "products": "amazonReviewSnippets",
    "tweets": "tweets",
    "editorials": "nytEditorialSnippets",
}


class Review(NamedTuple):
    """One sentence and what its raters thought of it.

    Attributes
    ----------
    text : str
        The sentence, HTML entities decoded, no white space at either end.
    rating : float
        Mean of `ratings`, from −4 (most negative) to 4. Computed from them, because
        the published means of some tweets are not the means of their ratings.
    ratings : tuple of int
        Each rater's number, −4 to 4, 15 to 99 of them; raters have no ids. A tuple, so
        that a review can be compared, hashed and not changed.
    document : str or None
        The review or editorial the sentence is from, such as ``"products/12"``.
    position : int or None
        The sentence's place in its document, from 1.
    split : str
        ``"train"``, ``"validation"`` or ``"test"``.
    id : str
        Unique over all domains, such as ``"products/12_3"``.
    """

    text: str
    rating: float
    ratings: tuple[int, ...]
    document: str | None
    position: int | None
    split: str
    id: str


def load_reviews(domain, split=None):
    """Return the rated sentences of one domain, in the order of the published file.

    Parameters
    ----------
    domain : {"movies", "products", "tweets", "editorials"}
        10,605 snippets, 3,708 and 4,200 and 5,190 sentences. Products and editorials
        are whole documents, sentence after sentence.
    split : {"train", "validation", "test"}, optional
        About 80, 10 and 10 percent; by default all.

    Returns
    -------
    list of Review
        A new list each time; the reviews in it are shared and can't be changed.

    Raises
    ------
    ValueError
        If there is no such domain or split.
    RuntimeError
        If the data are not on this computer and can't be fetched.

    Notes
    -----
    The movie file is sorted by the critic's verdict: shuffle before cutting it.

    The splits never change; `course_lib.datasets.splits` says how they are made.

    Source: Hutto & Gilbert 2014. Taught in: lessons 31 and 42.

    Examples
    --------
    >>> review = load_reviews("movies")[2]
    >>> review.text, round(review.rating, 2), len(review.ratings)
    ('Effective but too tepid biopic', -0.6, 15)
    """
    if domain not in DOMAINS:
        raise ValueError(_not_one_of("domain", domain, DOMAINS))
    if split is not None and split not in splits.SPLITS:
        raise ValueError(_not_one_of("split", split, splits.SPLITS))
    reviews = _reviews(archive.DOWNLOADS, domain)
    return [review for review in reviews if split in (None, review.split)]


def _not_one_of(argument, value, wanted):
    return f"load_reviews: `{argument}` is {value!r}, wanted one of {', '.join(wanted)}"


@functools.cache
def tables(folder):
    """Return the eight files' cells: {domain: (sentences, ratings)}, lists of rows."""
    kinds = ("GroundTruth", "anonDataRatings")
    names = [f"{name}_{kind}.txt" for name in DOMAINS.values() for kind in kinds]
    files = iter(archive.read_files(folder, names).values())
    return {domain: (_cells(next(files)), _cells(next(files))) for domain in DOMAINS}


def _cells(file):
    # utf-8-sig, as one of the files begins with a byte order mark: with plain utf-8 its
    # first id would be "\ufeff1_1", and would find no partner.
    rows = file.decode("utf-8-sig").split("\r\n")
    return [row.split("\t") for row in rows if row]


@functools.cache
def texts(folder):
    """{name: sentence} over all domains, in file order."""
    return {
        f"{domain}/{row}": _decoded(text)
        for domain, (sentences, _) in tables(folder).items()
        for row, _, text in sentences
    }


@functools.cache
def _splits(folder):
    """{name: split} of every sentence."""
    return splits.deal(texts(folder))


@functools.cache
def _reviews(folder, domain):
    sentences, ratings = tables(folder)[domain]
    # By id, not by place: the two files of the products are in different order.
    numbers = json.loads("[" + ",".join(cell for *_, cell in ratings) + "]")
    by_id = dict(zip((row for row, *_ in ratings), numbers, strict=True))
    text, split = texts(folder), _splits(folder)
    names = ((f"{domain}/{row}", by_id[row]) for row, *_ in sentences)
    return [_review(name, text[name], own, split[name]) for name, own in names]


def _review(name, text, ratings, split):
    document = splits.document_of(name)
    return Review(
        text=text,
        rating=sum(ratings) / len(ratings),
        ratings=tuple(ratings),
        document=document,
        position=int(name.rpartition("_")[2]) if document else None,
        split=split,
        id=name,
    )


def _decoded(text):
    # Twice at most: some sentences were encoded twice, "A.T.&amp;amp;T.".
    return html.unescape(html.unescape(text)).strip()
