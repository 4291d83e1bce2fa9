"""The card: the same in HTML and text, everything escaped, no colour without a word."""

import html
import re
from html.parser import HTMLParser

import pytest

from course_lib.exercises.cards import Block, Card, Look, escape, printable, rich

PAYLOADS = [
    "<script>alert(1)</script>",
    "</div></details><img src=x onerror=alert(1)>",
    "<svg onload=alert(1)>",
    "<!-- ",
    "]]>",
    "' onmouseover='alert(1)",
    '" onmouseover="alert(1)',
    "javascript:alert(1)",
    "&lt;b&gt;",
    "$\\sqrt{x}$",
    "`<b>x</b>`",
    "\u202eabc",
    "\u2028next",
    "\x1b[31mred\x1b[0m",
    "\ud800",
    "\x00",
    "data-commandlinker-command='x'",
]


def full_card(text="text"):
    return Card(
        *("✗", "Not yet", "#9a5b00", text, (text, "second")),
        looks=(Look(True, "type", text), Look(False, "shape", text)),
        blocks=(Block(text, text, open=True), Block("printed", text)),
        last=(text,),
    )


class Reader(HTMLParser):
    """Notes tags and attributes, and fails on tags that are not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.names, self.text = [], set(), set(), ""

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def read(card):
    reader = Reader()
    reader.feed(card._repr_html_())
    assert not reader.open
    return reader


@pytest.mark.parametrize("payload", PAYLOADS)
def test_whatever_is_in_a_text_stays_text(payload):
    plain = read(full_card())
    reader = read(full_card(payload))
    assert reader.tags <= plain.tags | {"code"}
    assert reader.names == plain.names
    assert reader.text.count(printable(payload).strip("`")) >= 7


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_card_can_be_stored_and_printed(payload):
    for text in full_card(payload)._repr_mimebundle_().values():
        text.encode("utf-8")
        assert not re.search("[\x00-\x08\x1b\u202e\u2028]", text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("é 漢字 👩\u200d🚀 שלום", "é 漢字 👩\u200d🚀 שלום"),
        ("\r\n", "\\r\n"),
        ("\x07\x7f", "\\x07\\x7f"),
        ("\u2066\u200b", "\\u2066\\u200b"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text, shown):
    assert printable(text) == shown


def test_backticks_mark_code():
    assert re.sub(r' style="[^"]*"', "", rich("a `b < c` d `e")) == (
        "a <code>b &lt; c</code> d `e"
    )
    assert "code" not in rich("one ` two\nthree `")
    assert rich('`hint("11.4")`').endswith(">hint(&quot;11.4&quot;)</code>")


def test_html_and_text_say_the_same():
    card = full_card()
    said = html.unescape(re.sub(r"<[^>]+>", " ", card._repr_html_()))
    for word in re.findall(r"\w+", repr(card)):
        assert word in said


def test_as_text():
    assert repr(full_card("text")).splitlines() == [
        "✗ Not yet · text",
        "text",
        "second",
        "What was tried:",
        "  ✓ type    text",
        "  ✗ shape   text",
        "text:",
        "    text",
        "printed:",
        "    text",
        "text",
    ]


def test_long_lines_are_broken_in_a_terminal():
    card = Card("✓", "Correct", "#1a7f37", "t", ("word " * 100,))
    assert max(map(len, repr(card).splitlines())) <= 84


def test_a_status_is_told_by_word_and_sign_and_to_a_screen_reader():
    shown = full_card("title")._repr_html_()
    assert 'role="group" aria-label="Not yet: title"' in shown
    assert '<span aria-hidden="true">✗</span> Not yet' in shown
    assert shown.count('aria-label="right"') == shown.count('aria-label="wrong"') == 1


def test_it_takes_the_colours_of_the_theme_and_has_its_own_elsewhere():
    colours = re.findall(r"(?<!-)color:([^;\"]+)", full_card()._repr_html_())
    own = {"#ffffff", "#9a5b00"}  # the badge
    assert {c for c in colours if not c.startswith("var(--jp-")} <= own
    assert all("#" in c for c in colours)


def contrast(one, other):
    def light(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        parts = [
            p / 12.92 if p <= 0.04 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        ]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] + 0.05

    return max(light(one) / light(other), light(other) / light(one))


def test_badges_are_legible():
    from course_lib.exercises.feedback import STATUSES
    from course_lib.exercises.hints import QUIET

    for colour in [QUIET, *(colour for _, _, colour in STATUSES.values())]:
        assert contrast(colour, "#ffffff") > 4.5
    assert contrast("#5c5c5c", "#ffffff") > 4.5


def test_nothing_is_loaded_and_mathjax_stays_away():
    shown = full_card("$x$")._repr_html_()
    assert "mathjax_ignore tex2jax_ignore" in shown
    assert not re.search(r"<(script|link|img|style)|https?:|url\(", shown)


def test_escape_quotes_too():
    assert escape("\"'<&") == "&quot;&#x27;&lt;&amp;"
