"""Show which exercises you have done: a table by lesson.

It is read from one file in my_lessons/; nothing leaves this computer.
"""

import sys


def add_options(parser):
    """``progress`` has no options."""


def run(options):
    """Print the table."""
    from course_lib.exercises import progress

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # an old terminal may lack a star
    print(progress())
    return 0
