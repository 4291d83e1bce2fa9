"""Nothing that knows too much of each other is dealt to different splits, ever."""

import hashlib
import re
from collections import defaultdict
from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.datasets import DOMAINS, SPLITS, archive, load_reviews, reviews, splits

ALL = [review for domain in DOMAINS for review in load_reviews(domain)]


def test_the_assignment_never_changes():
    lines = sorted(f"{review.id} {review.split}\n" for review in ALL)
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert digest == "ca0c4295ee0e690604c35b8ef2b34a3eba4a22d1f1d12eb02e9764b40c1a5d47"


@pytest.mark.parametrize("domain", DOMAINS)
def test_splits_cover_a_domain_once_in_about_the_stated_parts(domain):
    parts = [load_reviews(domain, split) for split in SPLITS]
    assert sorted(chain(*parts)) == sorted(load_reviews(domain))
    shares = [len(part) / len(load_reviews(domain)) for part in parts]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.03)


def splits_of(key_of):
    found = defaultdict(set)
    for review in ALL:
        found[key_of(review)].add(review.split)
    return found


def test_no_document_is_cut():
    assert {len(s) for s in splits_of(lambda r: r.document or r.id).values()} == {1}


def test_no_sentence_has_a_double_in_another_split():
    # Written another way than the code: what isn't a letter or digit is thrown away.
    def bare(review):
        return re.sub(r"[\W_]+", "", review.text.casefold()) or review.id

    assert {len(found) for found in splits_of(bare).values()} == {1}


def test_a_varied_tweet_and_its_variations_share_a_split():
    split = {review.id: review.split for review in ALL}
    family = {split[f"tweets/{number}"] for number in (9, *range(3861, 3867))}
    assert len(family) == 1


def test_no_group_swallows_the_rest():
    texts = reviews.texts(archive.DOWNLOADS)
    sizes = defaultdict(int)
    for group in splits.grouped(texts).values():
        sizes[group] += 1
    assert max(sizes.values()) == 70


NAMES = st.one_of(
    st.integers(1, 9).map("movies/{}".format),
    st.integers(1, 9).map("tweets/{}".format),
    st.tuples(st.integers(1, 4), st.integers(1, 4)).map(
        "products/{0[0]}_{0[1]}".format
    ),
)
TEXTS = st.sampled_from(["Wow!", "wow", "W-O-W", "no", "No.", "!", ":)", "a b c", "x"])


@given(st.dictionaries(NAMES, TEXTS))
def test_groups_are_the_connected_components(texts):
    neighbours = defaultdict(set)
    for pair in splits.rewordings(texts):
        for one in pair:
            neighbours[one] |= set(pair)
    for names in splits.repeats(texts):
        for one in names:
            neighbours[one] |= set(names)
    for one in texts:
        same = splits.document_of(one)
        neighbours[one] |= {n for n in texts if same and n.startswith(f"{same}_")}
    groups = splits.grouped(texts)
    for start in texts:
        reached, frontier = {start}, [start]
        while frontier:
            new = neighbours[frontier.pop()] - reached
            reached |= new
            frontier += new
        assert {name for name in texts if groups[name] == groups[start]} == reached
        assert groups[start] == min(splits.document_of(n) or n for n in reached)


@given(st.dictionaries(NAMES, TEXTS), st.randoms())
def test_pairs_may_come_in_any_order(texts, random):
    names = sorted(texts)
    pairs = list(pairwise(names))[::2]
    root = splits._linked(pairs)
    random.shuffle(pairs)
    other = splits._linked([pair[::-1] for pair in pairs])
    units = [splits.document_of(name) or name for name in names]
    assert [root(unit) for unit in units] == [other(unit) for unit in units]
