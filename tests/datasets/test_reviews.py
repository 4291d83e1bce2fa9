"""The rated sentences are all there, joined by id, decoded, and averaged."""

import html
import re
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from course_lib.datasets import DOMAINS, archive, load_reviews, reviews

ALL = [review for domain in DOMAINS for review in load_reviews(domain)]
each_domain = pytest.mark.parametrize("domain", DOMAINS)


@pytest.mark.parametrize(
    ("domain", "rows", "documents"),
    [
        ("movies", 10605, 0),
        ("products", 3708, 300),
        ("tweets", 4200, 0),
        ("editorials", 5190, 498),
    ],
)
def test_every_row_is_there(domain, rows, documents):
    loaded = load_reviews(domain)
    assert len(loaded) == rows
    assert len({review.document for review in loaded} - {None}) == documents
    assert {review.id.partition("/")[0] for review in loaded} == {domain}


def test_ids_are_unique_and_lead_to_document_and_position():
    assert len({review.id for review in ALL}) == len(ALL) == 23703
    for review in ALL:
        if review.document:
            assert review.id == f"{review.document}_{review.position}"
        else:
            assert review.position is None


def test_a_rating_is_the_mean_of_the_single_ratings():
    for review in ALL:
        assert review.rating == sum(review.ratings) / len(review.ratings)
        assert 15 <= len(review.ratings) <= 99
        assert set(review.ratings) <= set(range(-4, 5))
        assert all(type(rating) is int for rating in review.ratings[:1])


@pytest.mark.parametrize("domain", ["movies", "products", "editorials"])
def test_sentences_and_ratings_are_joined_by_id(domain):
    # The sentence's own file tells its mean, so another row's ratings would show.
    sentences, _ = reviews.tables(archive.DOWNLOADS)[domain]
    for (row, published, _), review in zip(
        sentences, load_reviews(domain), strict=True
    ):
        assert review.id == f"{domain}/{row}"
        assert review.rating == pytest.approx(float(published), abs=1e-6)


def test_the_tweets_published_means_are_not_trusted():
    sentences, _ = reviews.tables(archive.DOWNLOADS)["tweets"]
    pairs = zip(sentences, load_reviews("tweets"), strict=True)
    off = [abs(review.rating - float(row[1])) for row, review in pairs]
    assert sum(difference > 0.005 for difference in off) == 198
    assert max(off) == pytest.approx(1.125, abs=0.001)


def test_the_first_product_is_not_lost_behind_the_byte_order_mark():
    first = load_reviews("products")[0]
    assert first.id == "products/1_1"
    assert first.rating == -0.9
    assert "\ufeff" not in "".join(review.id + review.text for review in ALL)


def test_texts_are_decoded_and_trimmed():
    for review in ALL:
        assert html.unescape(review.text) == review.text == review.text.strip() != ""
        assert not re.search(r"[\t\r\n]", review.text)
    texts = {review.id: review.text for review in ALL}
    assert texts["tweets/3"].startswith("We were 17 deep last night & the love")
    assert sum("A.T.&T. handled" in text for text in texts.values()) == 2
    assert any("á" in text for text in texts.values())


def test_documents_stand_together_and_mostly_in_order():
    for domain in ("products", "editorials"):
        documents = [review.document for review in load_reviews(domain)]
        changes = sum(one != next_one for one, next_one in pairwise(documents))
        assert changes == len(set(documents)) - 1


def test_a_review_can_be_compared_hashed_and_not_changed():
    review = load_reviews("movies")[0]
    assert len({review, load_reviews("movies")[0]}) == 1
    with pytest.raises(AttributeError):
        review.rating = 0
    assert review._fields[:6] == (
        *("text", "rating", "ratings", "document", "position", "split"),
    )


@each_domain
def test_a_callers_list_is_its_own(domain):
    mine = load_reviews(domain)
    mine.clear()
    assert load_reviews(domain)


def test_nobody_reads_the_archive_twice(monkeypatch):
    def forbidden(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(archive, "read_files", forbidden)
    assert load_reviews("tweets", "test")


def test_loading_a_domain_is_quick():
    for cached in ("tables", "texts", "_splits", "_reviews"):
        getattr(reviews, cached).cache_clear()
    start = time.perf_counter()
    load_reviews("movies")
    assert time.perf_counter() - start < 1  # 0.25 s on two slow cores


@pytest.mark.parametrize("domain", ["movie", "", None, 3])
def test_an_unknown_domain_is_answered_with_the_known_ones(domain):
    with pytest.raises(ValueError) as error:
        load_reviews(domain)
    assert str(error.value) == (
        f"load_reviews: `domain` is {domain!r}, "
        "wanted one of movies, products, tweets, editorials"
    )


@pytest.mark.parametrize("split", ["dev", "", 0])
def test_an_unknown_split_is_answered_with_the_known_ones(split):
    with pytest.raises(ValueError, match="wanted one of train, validation, test"):
        load_reviews("movies", split)


def test_importing_needs_the_standard_library_alone():
    code = "import sys, course_lib.datasets; print({'torch', 'numpy'} & {*sys.modules})"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
