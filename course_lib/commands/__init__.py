"""The commands, one file each: what it is for, its options, what it does.

Each file is imported before anything is installed, so their first lines use the
standard library alone; what needs packages is imported inside `run`.
"""

import argparse
import importlib

NAMES = ["lab", "reset", "progress", "test", "bench", "doctor"]


def parser():
    """The parser of ``python3 -m course_lib``, with one subparser a command."""
    whole = argparse.ArgumentParser(
        prog="python3 -m course_lib",
        description="A hands-on course on pre-trained models. Begin with: lab",
    )
    commands = whole.add_subparsers(metavar="COMMAND", required=True)
    for name in NAMES:
        module = importlib.import_module(f"course_lib.commands.{name}")
        summary = module.__doc__.splitlines()[0]
        one = commands.add_parser(name, help=summary, description=module.__doc__)
        module.add_options(one)
        one.set_defaults(
            run=module.run, enters_environment=getattr(module, "ENTERS", True)
        )
    return whole
