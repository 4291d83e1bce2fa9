"""The card on which a chart is shown, and the house style it is drawn in.

JupyterLab gives a plain Matplotlib image an empty text alternative, so a chart is shown
as HTML: a white card, legible on light and dark pages, that holds the picture, its
text alternative and its title.
"""

from __future__ import annotations

import base64
import html
import io
import textwrap
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # drawing loads Matplotlib; importing this module does not
    from contextlib import AbstractContextManager

    from matplotlib.figure import Figure

INK, FAINT = "#1f1f1f", "#757575"
CSS_DPI = 96  # CSS pixels per inch; pictures hold twice as many, for sharp screens
HOUSE = {
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,  # a token such as $x$ is no formula
    "axes.edgecolor": "#9a9a9a",
    "axes.labelcolor": INK,
    "axes.labelpad": 6,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.xmargin": 0.04,
    "xtick.color": "#9a9a9a",
    "ytick.color": "#9a9a9a",
    "xtick.labelcolor": "#3d3d3d",
    "ytick.labelcolor": "#3d3d3d",
    "grid.color": "#e7e7e7",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "hatch.linewidth": 0.7,
    "svg.hashsalt": "course",  # the same picture has the same bytes
}
# The first has Latin, Greek, Cyrillic, Arabic and Hebrew letters and comes with
# Matplotlib. The others are asked next, where the computer has them.
FONTS = (
    *("DejaVu Sans", "Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei"),
    *("PingFang SC", "Hiragino Sans GB", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol"),
)
COLOUR_ORDER = (5, 6, 3, 7, 1, 2, 0, 4)  # of okabe_ito: strongest on white first
JOINERS = "\u200d\ufe0e\ufe0f"  # glue of emoji sequences, with no shape of their own
LONGEST_LABEL = 24

CARD = (
    "display:inline-flex;flex-direction:column;box-sizing:border-box;max-width:100%;"
    "margin:4px 0;padding:12px 16px;background:#ffffff;color:#1f1f1f;"
    "border:1px solid #d4d4d4;border-radius:6px"
)
# Width 0 and at least 100 %: the title wraps where the picture ends.
CAPTION = (
    "order:-1;width:0;min-width:100%;margin:0 0 10px;text-align:left;"
    "font-weight:600;line-height:1.4;color:#1f1f1f"
)
NOTE = "display:block;font-weight:400;font-size:85%;color:#5c5c5c"


@dataclass(frozen=True, repr=False, eq=False)
class Chart:
    """A finished figure with its title and its text alternative.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        The picture; `figure.axes[0].images[0].get_array()` of a heat map and
        `figure.axes[0].lines[0].get_ydata()` of a curve are the numbers behind it.
    title, alt : str
        What it shows, and the sentence that stands in for it.
    notes : tuple of str
        Remarks below the title, such as what hatched cells mean.
    """

    figure: Figure
    title: str
    alt: str
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{self.title}\n{self.alt}"

    def _repr_html_(self) -> str:
        png, width = _png(self.figure)
        alt, title, *notes = map(_escape, (self.alt, self.title, *self.notes))
        remarks = "".join(f'<span style="{NOTE}">{note}</span>' for note in notes)
        # The two class names keep MathJax 2 and 3 from reading $ in the caption.
        return (
            f'<figure class="course-chart" style="{CARD}"><img alt="{alt}"'
            f' src="data:image/png;base64,{base64.b64encode(png).decode()}"'
            f' width="{width}" style="max-width:100%;height:auto">'
            f'<figcaption class="mathjax_ignore tex2jax_ignore" style="{CAPTION}">'
            f"{title}{remarks}</figcaption></figure>"
        )

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/html": self._repr_html_(), "text/plain": repr(self)}

    def save(self, path: str | Path) -> None:
        """Write the picture, with its title, as ``.png`` or ``.svg``.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        """
        kind = Path(path).suffix.lower()
        if kind not in (".png", ".svg"):
            raise ValueError(f"save: `path` ends in {kind!r}; wanted .png or .svg")
        title = self.figure.texts[0]  # hidden in the notebook, where the caption has it
        title.set_visible(True)
        try:
            if kind == ".png":
                data, _ = _png(self.figure)
            else:
                about = {"Date": None, "Title": self.title, "Description": self.alt}
                data = _render(self.figure, "svg", metadata=about)
        finally:
            title.set_visible(False)
        Path(path).write_bytes(data)


def new_figure(size: tuple[float, float], title: str, lift: float = 0.12) -> Figure:
    """Return a figure of `size` inches whose only text is the hidden title.

    The size is that of the drawing alone: labels stand outside it, and the saved
    picture is cut to hold them. So cells and panels have exact sizes.
    """
    from matplotlib.figure import Figure  # not pyplot: it would keep the figure alive

    figure = Figure(figsize=size)
    lines = textwrap.fill(visible(title, longest=None), max(24, int(size[0] * 13)))
    heading = {"weight": "bold", "size": 11, "va": "bottom", "visible": False}
    figure.text(0, 1 + lift / size[1], lines, **heading)
    return figure


def house_style() -> AbstractContextManager[None]:
    """Return a context in which drawing follows the house style, and only that."""
    from matplotlib import colormaps, cycler, style

    palette = colormaps["okabe_ito"].colors
    colours = {"axes.prop_cycle": cycler(color=[palette[i] for i in COLOUR_ORDER])}
    families = {"font.family": [name for name, _ in _installed_fonts()]}
    return style.context(["default", HOUSE | families | colours])


def visible(text: str, longest: int | None = LONGEST_LABEL) -> str:
    r"""Return `text` as a picture can show it.

    Control characters are spelled out, lone spaces become ``␣``, what no font here has
    becomes ``□``, and long text is cut with an ellipsis.

    Examples
    --------
    >>> visible("a\n"), visible(" "), visible("a rather long sentence indeed")
    ('a\\n', '␣', 'a rather long sentence …')
    """
    drawable = _drawable()
    shown = []
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
            shown.append("" if char in JOINERS else _spell_out(char))
        elif char not in JOINERS:
            shown.append(char if ord(char) in drawable else "□")
    whole = "".join(shown)
    if whole and not whole.strip():
        whole = "␣" * len(whole)
    return (
        whole
        if longest is None or len(whole) <= longest
        else whole[: longest - 1] + "…"
    )


def undrawable(text: str) -> list[str]:
    """Return the characters of `text` that are drawn as □."""
    return [char for char in text if visible(char) == "□" != char]


def _spell_out(char: str) -> str:
    return char.encode("unicode_escape").decode()


@cache
def _installed_fonts() -> tuple[tuple[str, str], ...]:
    """Names and files of the fonts that this computer has, the preferred one first."""
    from matplotlib.font_manager import fontManager

    files = {font.name: font.fname for font in fontManager.ttflist}
    return tuple((name, files[name]) for name in FONTS if name in files)


@cache
def _drawable() -> frozenset[int]:
    """Code points for which some installed font has a shape."""
    from matplotlib.ft2font import FT2Font

    return frozenset(
        code for _, file in _installed_fonts() for code in FT2Font(file).get_charmap()
    )


def _render(figure: Figure, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    with house_style():
        figure.savefig(
            buffer, format=kind, bbox_inches="tight", pad_inches=0.04, **options
        )
    return buffer.getvalue()


def _png(figure: Figure) -> tuple[bytes, int]:
    """Return the picture, in 256 colours to keep notebooks small, and its CSS width."""
    from PIL import Image

    full = _render(figure, "png", dpi=2 * CSS_DPI, metadata={"Software": None})
    picture = Image.open(io.BytesIO(full)).convert("RGB")
    small = io.BytesIO()
    few = {"method": Image.Quantize.MAXCOVERAGE, "kmeans": 1}  # no bands in colour bars
    picture = picture.quantize(256, dither=Image.Dither.NONE, **few)
    picture.save(small, "png", optimize=True)
    return small.getvalue(), picture.width // 2


def _escape(text: str) -> str:
    """Escape for HTML; half a surrogate pair, which no file can hold, becomes ``?``."""
    return html.escape(text.encode("utf-8", "replace").decode())
