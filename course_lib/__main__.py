"""The commands of the course: ``python3 -m course_lib COMMAND``, or ``--help``.

These first lines must parse and run on any Python, to say that it is too old.
"""

import os
import sys

if sys.version_info < (3, 11):
    sys.exit(
        "course_lib: this is Python %d.%d, and the course needs 3.11 or newer. Install "
        "one (python.org, or your system's packages), then use it instead: "
        "python3.11 -m course_lib lab" % sys.version_info[:2]
    )
if not __package__:  # started as `python3 path/to/course_lib`, not with -m
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from course_lib import environment
from course_lib.commands import parser

if __name__ == "__main__":
    options = parser().parse_args()
    try:
        if options.enters_environment:
            environment.enter(sys.argv[1:])
        sys.exit(options.run(options))
    except environment.SetupError as error:
        sys.exit("course_lib: %s" % error)
    except KeyboardInterrupt:
        sys.exit("\ncourse_lib: stopped. Run the same command to go on.")
