"""Counts what the data card ``data/README.md`` says about the rated sentences.

``python -m course_lib.datasets`` prints it; a test compares the card with it.
"""

import html
import json
from collections import Counter
from itertools import pairwise
from statistics import mean, median

from course_lib.datasets import archive, reviews, splits


def card_lines():
    """Return the card's tables and counts as lines of Markdown, without line ends.

    Notes
    -----
    Taught in: no lesson; whoever writes one looks up ``data/README.md``.
    """
    loaded = {domain: reviews.load_reviews(domain) for domain in reviews.DOMAINS}
    tables = [
        _sizes(loaded),
        _ratings(loaded),
        _splits(loaded),
        _flaws(loaded),
        _groups(reviews.texts(archive.DOWNLOADS)),
        _order(loaded["movies"]),
    ]
    return "\n\n".join("\n".join(table) for table in tables).split("\n")


def _table(head, rows):
    head = head.split("|")
    cells = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return ["| " + " | ".join(str(cell) for cell in row) + " |" for row in cells]


def _spread(numbers):
    numbers = list(numbers) or [0]
    return f"{min(numbers)} / {median(numbers):g} / {max(numbers)}"


def _share(flags):
    return f"{mean(flags):.3f}"


def _documents(rows):
    return Counter(row.document for row in rows if row.document)


def _sizes(loaded):
    rows = []
    for domain, reviews_ in loaded.items():
        lengths = _documents(reviews_)
        words = sum(len(review.text.split()) for review in reviews_)
        spread = _spread(lengths.values()) if lengths else "–"
        rows.append([domain, len(reviews_), words, len(lengths), spread])
    rows.append(["all", *(sum(row[i] for row in rows) for i in (1, 2, 3)), ""])
    head = "domain|rows|words between white space|documents"
    return _table(head + "|rows per document: min / median / max", rows)


def _ratings(loaded):
    rows = []
    for domain, reviews_ in loaded.items():
        ratings = [review.rating for review in reviews_]
        raters = [len(review.ratings) for review in reviews_]
        row = [domain, _spread(raters), sum(raters), f"{mean(ratings):+.3f}"]
        row += [_share(rating > 0 for rating in ratings)]
        row += [_share(rating == 0 for rating in ratings)]
        row += [_share(abs(rating) <= 0.5 for rating in ratings)]
        rows.append(row)
    head = "domain|raters per row: min / median / max|single ratings|mean rating"
    return _table(head + "|share > 0|share = 0|share from −0.5 to 0.5", rows)


def _splits(loaded):
    rows = []
    for domain in loaded:
        for split in splits.SPLITS:
            part = reviews.load_reviews(domain, split)
            rating = f"{mean(review.rating for review in part):+.3f}"
            positive = _share(review.rating > 0 for review in part)
            documents = len(_documents(part))
            rows.append([domain, split, len(part), documents, rating, positive])
    return _table("domain|split|rows|documents|mean rating|share > 0", rows)


def _flaws(loaded):
    columns = [_flaws_of(domain, rows) for domain, rows in loaded.items()]
    rows = [[flaw, *(column[flaw] for column in columns)] for flaw in columns[0]]
    return _table("|".join(["flaw", *loaded]), rows)


def _flaws_of(domain, loaded):
    sentences, ratings = reviews.tables(archive.DOWNLOADS)[domain]
    own = {row: mean(json.loads(cell)) for row, *_, cell in ratings}
    pairs = list(zip(sentences, ratings, strict=True))
    misjoined = [abs(own[s[0]] - own[r[0]]) for s, r in pairs]
    published = [abs(float(mean_) - own[row]) for row, mean_, _ in sentences]
    once = [html.unescape(text) for *_, text in sentences]
    texts = Counter(review.text for review in loaded)
    return {
        "of its two files, begin with a byte order mark": _byte_order_marks(domain),
        "rows in another place in the ratings file": sum(
            s[0] != r[0] for s, r in pairs
        ),
        "rows with a wrong rating if joined by place": sum(
            error > 0 for error in misjoined
        ),
        "… the largest error": f"{max(misjoined):.2f}",
        "rows whose published mean is not their ratings' mean (off by > 0.005)": sum(
            error > 0.005 for error in published
        ),
        "… the largest difference": f"{max(published):.2f}",
        "documents with a gap or out of order": len(_gapped(loaded)),
        "… neighbouring rows that do not follow each other": sum(
            _gapped(loaded).values()
        ),
        "rows with HTML entities": sum(
            new != s[2] for new, s in zip(once, sentences, strict=True)
        ),
        "… encoded twice": sum(html.unescape(text) != text for text in once),
        "rows with exactly the text of an earlier row": len(loaded) - len(texts),
        "texts with characters outside ASCII": sum(not t.isascii() for t in texts),
    }


def _gapped(loaded):
    """{document: number of its rows that the next row does not follow directly}."""
    pairs = (
        (a, b) for a, b in pairwise(loaded) if a.document and a.document == b.document
    )
    return Counter(a.document for a, b in pairs if b.position != a.position + 1)


def _byte_order_marks(domain):
    kinds = ("GroundTruth", "anonDataRatings")
    names = [f"{reviews.DOMAINS[domain]}_{kind}.txt" for kind in kinds]
    files = archive.read_files(archive.DOWNLOADS, names).values()
    return sum(file.startswith(b"\xef\xbb\xbf") for file in files)


def _groups(texts):
    repeats = splits.repeats(texts)
    domains = [{name.partition("/")[0] for name in names} for names in repeats]
    sizes = Counter(splits.grouped(texts).values())
    varied = [
        names for names in repeats if len(names) > 5 and names[0].startswith("tweets/")
    ]
    rows = [
        [
            "sentences that are alike but for case, punctuation, white space",
            len(repeats),
        ],
        ["… rows in them", sum(map(len, repeats))],
        ["… of them in more than one domain", sum(len(found) > 1 for found in domains)],
        ["tweets varied on purpose: originals", len(varied)],
        ["… rows alike but for case and punctuation", sum(map(len, varied))],
        [
            "… neighbours that share 60 % of their words",
            len(list(splits.rewordings(texts))),
        ],
        ["groups that are never cut", len(sizes)],
        ["… rows in the largest", max(sizes.values())],
    ]
    return _table("kept together|count", rows)


def _order(movies):
    tenths = [
        movies[i * len(movies) // 10 : (i + 1) * len(movies) // 10] for i in range(10)
    ]
    row = ["share > 0", *(_share(r.rating > 0 for r in tenth) for tenth in tenths)]
    return _table("|".join(["tenth of the movie file", *map(str, range(1, 11))]), [row])
