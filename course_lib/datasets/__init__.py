"""Real sentences from four domains, each rated from −4 to 4 by 15 to 99 people.

Source: Hutto & Gilbert 2014, "VADER: A Parsimonious Rule-based Model for Sentiment
Analysis of Social Media Text", ICWSM-14. What is odd about the data, with counts,
stands in ``data/README.md``; ``python -m course_lib.datasets`` counts it again.

Taught in: lessons 31 and 42.
"""

from course_lib.datasets.archive import fetch_reviews
from course_lib.datasets.reviews import DOMAINS, Review, load_reviews
from course_lib.datasets.splits import SPLITS

__all__ = ["DOMAINS", "SPLITS", "Review", "fetch_reviews", "load_reviews"]
