"""The pieces of which the cards of predictions and quizzes are made.

ipywidgets is loaded only where a kernel serves a notebook. A card is made once in a
kernel and shown again when its cell is run again, so that nothing piles up.

What keyboards and screen readers need: every control is a native one with a label, Tab
reaches them in reading order, a pressed button keeps the focus, and what answers it is
read aloud.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from course_lib.exercises.cards import rich
from course_lib.exercises.questions.asking import plain

STYLE = Path(__file__).with_suffix(".css")
FREE = {"width": "auto"}  # else ipywidgets makes all of them 300 pixels wide
SETTLE = 0.2  # seconds; the browser needs some hundredths


def front_end() -> Any:
    """Return ipywidgets if a notebook may be looking at this Python, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    try:
        import ipywidgets
    except ImportError:
        return None
    return ipywidgets


class Text:
    """A piece of HTML that can change, and takes no room while it is empty."""

    def __init__(self, ipywidgets: Any, name: str):
        self.box = ipywidgets.HTML(layout=FREE).add_class(f"course-{name}")
        self.show("")

    def show(self, value: str) -> None:
        """Show this, or nothing at all if it is empty."""
        self.box.value = value
        show(self.box, bool(value))

    def announce(self, value: str) -> None:
        """Show this, and have a screen reader say it."""
        self.show(value and f'<div role="alert">{value}</div>')


def card(ipywidgets: Any, parts: list) -> Any:
    """Return the box that holds a card, with the styles of all cards."""
    css = f"<style>{STYLE.read_text(encoding='utf-8')}</style>"
    style = ipywidgets.HTML(css, layout={"display": "none"})
    return ipywidgets.VBox([style, *parts]).add_class("course-asks")


def heading(ipywidgets: Any, badge: str, title: str, question: str) -> Any:
    """Return what stands above the controls: a badge with a title, and the question."""
    sign = f"<div><span>{badge}</span>{title}</div>" if badge else ""
    words = f"<p>{rich(question)}</p>" if question else ""
    return ipywidgets.HTML(sign + words, layout=FREE).add_class("course-heading")


def row(ipywidgets: Any) -> Callable[[list], Any]:
    """Return what puts things side by side, and below each other on small screens."""
    return partial(ipywidgets.HBox, layout={"flex_flow": "row wrap"})


def field(ipywidgets: Any, label: str, example: str, enter: Callable[[], None]) -> Any:
    """Return a text field with a label, which the Enter key hands in."""
    made = ipywidgets.Text(description=label, placeholder=example, layout=FREE)
    made.style.description_width = "auto"

    def hear(_, content: dict, buffers: Any) -> None:
        if content.get("event") == "submit":
            settled(enter)

    made.on_msg(hear)
    return made


def radio(ipywidgets: Any, choices: tuple[str, ...]) -> Any:
    """Return a radio button for each choice, none of them pressed."""
    options = [(plain(choice), choice) for choice in choices]
    return ipywidgets.RadioButtons(options=options, value=None, layout=FREE)


def button(
    ipywidgets: Any, label: str, press: Callable[[], None], style: str = "primary"
) -> Any:
    """Return a button: "primary", or "quiet", which looks like a link."""
    made = ipywidgets.Button(description=label, layout=FREE)
    made.on_click(lambda _: settled(press))
    if style == "quiet":
        return made.add_class("course-quiet")
    made.button_style = style
    return made


def show(box: Any, visible: bool) -> None:
    """Show a box or take it away, without closing it."""
    box.layout.display = None if visible else "none"


def settled(act: Callable[[], None]) -> None:
    """Do something as soon as browser and kernel agree on what stands in the controls.

    ipywidgets sends one change of a control at a time and holds back the next until the
    kernel has taken it. A pressed button does not wait in that line: without a pause,
    a learner who types fast, or while the kernel is busy, commits to half a number.
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # no kernel, but a test
        act()
    else:
        loop.call_later(SETTLE, act)
