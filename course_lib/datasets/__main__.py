"""Prints the counts of the data card: ``python -m course_lib.datasets``."""

from course_lib.datasets.card import card_lines

if __name__ == "__main__":
    print("\n".join(card_lines()))
