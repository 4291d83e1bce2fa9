"""Restore a lesson of yours from the course: reset 11.

Your own version is kept beside it.
"""

from course_lib import my_lessons

ENTERS = False


def add_options(parser):
    """Add the options of ``reset``."""
    parser.add_argument("lesson", help="its number, such as 11")


def run(options):
    """Restore it; an unknown number is answered with the numbers there are."""
    try:
        for line in my_lessons.reset(options.lesson):
            print(line)
    except ValueError as error:
        print(f"course_lib: {error}")
        return 2
    return 0
