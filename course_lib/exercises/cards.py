"""The quiet card on which a learner reads an answer, in a notebook or a terminal.

In JupyterLab it takes the colours of the theme, light or dark; elsewhere it is white
like the card of a chart. A status is told by a word and a sign, never by colour alone.
"""

from __future__ import annotations

import html
import re
import textwrap
import unicodedata
from dataclasses import dataclass
from typing import NamedTuple

INK = "var(--jp-content-font-color1,#1f1f1f)"
FAINT = "var(--jp-content-font-color2,#5c5c5c)"
PAPER = "var(--jp-layout-color1,#ffffff)"
SHADE = "var(--jp-layout-color2,#f0f0f0)"
LINE = "var(--jp-border-color2,#d4d4d4)"
MONO = "var(--jp-code-font-family,ui-monospace,monospace)"

CARD = (
    "box-sizing:border-box;max-width:46em;margin:4px 0;padding:12px 16px 11px;"
    f"background:{PAPER};color:{INK};border:1px solid {LINE};border-left-width:4px;"
    "border-radius:6px;line-height:1.5;text-align:left;overflow-wrap:anywhere"
)
BADGE = (
    "display:inline-block;padding:0 9px;border-radius:4px;color:#ffffff;"
    "font-weight:600;margin-right:10px"
)
CODE = f"font-family:{MONO};font-size:90%;background:{SHADE};color:{INK};"
SNIPPET = f"{CODE}padding:1px 4px;border-radius:3px;unicode-bidi:isolate"
BLOCK = (
    f"{CODE}display:block;margin:6px 0 0;padding:7px 10px;border:0;border-radius:4px;"
    "white-space:pre-wrap;word-break:normal;max-height:20em;overflow:auto;"
    "unicode-bidi:isolate"
)
ROWS = "display:grid;grid-template-columns:auto auto 1fr;gap:1px 10px;margin:6px 0 0"
SMALL = f"font-size:92%;color:{FAINT}"
WIDTH = 84  # columns in a terminal
JOINERS = "\u200d\ufe0e\ufe0f"  # glue of emoji sequences


class Look(NamedTuple):
    """One thing that was looked at: whether it is right, its name, what was found."""

    right: bool
    name: str
    found: str


class Block(NamedTuple):
    """Text to be shown as it is, below a title; folded away if not `open`."""

    title: str
    text: str
    open: bool = False


@dataclass(frozen=True, eq=False, repr=False)
class Card:
    """What is shown: a heading, paragraphs, looks, blocks, and a last line.

    Backticks in texts mark code. Everything else is shown letter by letter.

    Attributes
    ----------
    sign, word, colour : str
        Of the status; the colour has to carry white text.
    title : str
        What it is about.
    paragraphs, last : tuple of str
        Before and after the rest.
    looks : tuple of Look
        Each in a line of its own, under `looks_title`.
    blocks : tuple of Block
        Code and printed text.
    """

    sign: str
    word: str
    colour: str
    title: str
    paragraphs: tuple[str, ...] = ()
    looks: tuple[Look, ...] = ()
    looks_title: str = "What was tried"
    blocks: tuple[Block, ...] = ()
    last: tuple[str, ...] = ()

    def __repr__(self) -> str:
        parts = [f"{self.sign} {self.word} · {self.title}"]
        parts += [_wrap(text) for text in self.paragraphs]
        if self.looks:
            parts.append("\n".join([f"{self.looks_title}:", *map(_line, self.looks)]))
        parts += [f"{b.title}:\n{textwrap.indent(b.text, '    ')}" for b in self.blocks]
        parts += [_wrap(text) for text in self.last]
        return "\n".join(map(printable, parts))

    def _repr_html_(self) -> str:
        head = (
            f'<div><span style="{BADGE};background:{self.colour}">'
            f'<span aria-hidden="true">{escape(self.sign)}</span> {escape(self.word)}'
            f'</span><span style="font-weight:600">{escape(self.title)}</span></div>'
        )
        paragraphs = "".join(
            f'<div style="margin:6px 0 0">{rich(text)}</div>'
            for text in self.paragraphs
        )
        last = "".join(f"<div>{rich(text)}</div>" for text in self.last)
        if last:
            last = f'<div style="{SMALL};margin:8px 0 0">{last}</div>'
        body = [head, paragraphs, self._looks(), *map(_block, self.blocks), last]
        return framed("".join(body), self.colour, f"{self.word}: {self.title}")

    def _looks(self) -> str:
        if not self.looks:
            return ""
        rows = "".join(map(_row, self.looks))
        return _details(self.looks_title, f'<div style="{ROWS}">{rows}</div>', True)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}


def framed(body: str, colour: str, label: str) -> str:
    """Put HTML on a card; the class names keep MathJax 2 and 3 from reading $ there."""
    return (
        '<div class="course-card mathjax_ignore tex2jax_ignore" role="group"'
        f' aria-label="{escape(label)}" style="{CARD};border-left-color:{colour}">'
        f"{body}</div>"
    )


def escape(text: str) -> str:
    """Escape for HTML, and spell out what can't be seen."""
    return html.escape(printable(text))


def rich(text: str) -> str:
    """Escape for HTML, with what stands between backticks as code."""
    return re.sub(r"`([^`\n]+)`", rf'<code style="{SNIPPET}">\1</code>', escape(text))


def printable(text: str) -> str:
    r"""Spell out control characters, marks of direction and half surrogate pairs.

    Examples
    --------
    >>> printable("a\x1b[31m\u202eb\n")
    'a\\x1b[31m\\u202eb\n'
    """
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    unseen = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    if unseen and char not in "\n\t" and char not in JOINERS:
        return char.encode("unicode_escape", "surrogatepass").decode()
    return char


def _wrap(text: str) -> str:
    lines = text.splitlines() or [""]
    return "\n".join(textwrap.fill(line, WIDTH) for line in lines)


def _line(look: Look) -> str:
    return f"  {'✓' if look.right else '✗'} {look.name:8}{look.found}"


def _row(look: Look) -> str:
    sign, label = ("✓", "right") if look.right else ("✗", "wrong")
    weight = "400" if look.right else "600"
    return (
        f'<span role="img" aria-label="{label}" style="font-weight:700">{sign}</span>'
        f'<span style="color:{FAINT}">{escape(look.name)}</span>'
        f'<span style="font-weight:{weight}">{rich(look.found)}</span>'
    )


def _block(block: Block) -> str:
    text = f'<pre style="{BLOCK}">{escape(block.text)}</pre>'
    return _details(block.title, text, block.open)


def _details(title: str, body: str, is_open: bool) -> str:
    """A part that can be folded away, with the keyboard too."""
    summary = f'<summary style="{SMALL};cursor:pointer">{rich(title)}</summary>'
    start = f'<details{" open" if is_open else ""} style="margin:8px 0 0">'
    return f"{start}{summary}{body}</details>"
