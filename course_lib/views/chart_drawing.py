"""How the charts are drawn: cells, labels that fit, colour bars, bars with numbers.

Each function adds one thing to axes or a figure that a chart has made. They work on
Matplotlib's objects and never on pyplot, whose state belongs to the learner.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from course_lib.views.chart_card import FAINT, INK, new_figure, undrawable, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

MARKERS = "osD^vPX*"
HATCHES = ("", "////", "....", "\\\\\\\\", "xxx", "---", "+++", "oo")
GAP, HEADING = 0.16, 0.36  # inches between panels, and for a panel's title
NICE_STEPS = [1, 2, 2.5, 5, 10]


def paint(axes: Axes, matrix: NDArray, limits: tuple, diverging: bool) -> None:
    """Colour the cells; those without a number let the hatched ground show."""
    axes.patch.set(facecolor="#efefef", edgecolor="#b9b9b9", hatch="////", linewidth=0)
    axes.imshow(
        np.ma.masked_invalid(matrix),
        cmap="RdBu_r" if diverging else "viridis",
        vmin=limits[0],
        vmax=limits[1],
        aspect="auto",  # the axes already have the shape that makes cells square
        interpolation="nearest",
    )
    axes.spines[:].set_visible(False)
    cells = np.divide(axes.bbox.size, axes.figure.dpi) / matrix.shape[::-1]
    if cells.min() > 0.2:  # inches; thin white lines help the eye along row and column
        axes.set_xticks(np.arange(matrix.shape[1] - 1) + 0.5, minor=True)
        axes.set_yticks(np.arange(matrix.shape[0] - 1) + 0.5, minor=True)
        axes.grid(which="minor", color="white", linewidth=0.8)
    axes.tick_params(which="both", length=0)


def tick(axis: Axis, labels: list[str], inches: float, size: float = 8.5) -> None:
    """Write the labels along an axis: as many as fit, turned if they are wide."""
    labels = [visible(label) for label in labels]
    line, letter = size * 0.0147, size * 0.0088  # inches that a letter is high and wide
    slot = inches / max(1, len(labels))
    longest = letter * (1 + max(map(len, labels), default=0))
    across = axis.axis_name == "x"
    room = longest if across and all(map(str.isdigit, labels)) else line
    # Every 2nd, 5th, 10th, ... label, so that position numbers stay round.
    step = next(
        k * 10**e for e in range(9) for k in (1, 2, 5) if k * 10**e * slot >= room
    )
    axis.set_ticks(range(0, len(labels), step), labels[::step])
    axis.set_tick_params(labelsize=size, length=0)
    if across and longest > slot * step:
        steep = slot * step < 2 * line
        turn = {"rotation": 90 if steep else 40, "rotation_mode": "anchor"}
        for text in axis.get_ticklabels():
            text.set(ha="right", va="center" if steep else "top", **turn)


def colour_bar(figure: Figure, unit: str) -> None:
    """Stand a colour bar for the first matrix to the right of everything."""
    from matplotlib.ticker import MaxNLocator

    wide, high = figure.get_size_inches()
    tall = max(high, 1.1)  # a bar beside a single row still needs room for its numbers
    place = (1 + 0.16 / wide, 1 - tall / high, 0.13 / wide, tall / high)
    bar = figure.colorbar(figure.axes[0].images[0], cax=figure.add_axes(place))
    bar.locator = MaxNLocator(6, steps=NICE_STEPS)
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=0, labelsize=8.5)
    bar.set_label(visible(unit, None))


def write_numbers(axes: Axes, form: str | None) -> None:
    """Write each cell's number into it, dark on light and light on dark."""
    image = axes.images[0]
    matrix = image.get_array()
    form = form or _number_format(matrix.compressed())
    for (row, column), value in np.ma.ndenumerate(matrix):
        # At a luminance of 0.18 black and white stand out equally, 4.6 to 1.
        luminance = np.array(image.to_rgba(value)[:3]) ** 2.2 @ [0.2126, 0.7152, 0.0722]
        ink = "black" if luminance > 0.18 else "white"
        place = {"ha": "center", "va": "center", "fontsize": 8.5, "color": ink}
        axes.text(column, row, _write(value, form), **place)


def _write(value: float, form: str) -> str:
    """Return the number with a real minus sign, as the axes have it."""
    return format(value, form).replace("-", "−")


def _number_format(values: NDArray) -> str:
    """Return a format that shows two or three digits of values of this size."""
    largest = np.abs(values).max(initial=0.0)
    if np.array_equal(values, np.round(values)) or largest >= 100:
        return "z.0f"  # z: no minus sign before what rounds to 0
    return "z.1f" if largest >= 10 else "z.2f" if largest >= 0.1 else "z.2g"


def panels(
    title: str, count: int, across: int, shape: tuple[int, int]
) -> tuple[Figure, list[Axes]]:
    """Return a figure with `count` panels for matrices of `shape`, row by row."""
    wide = 6.2 / max(across, 2) - GAP
    high = float(np.clip(wide * shape[0] / shape[1], wide / 3, wide * 2))
    down = -(-count // across)
    size = across * (wide + GAP) - GAP, down * (high + HEADING) - HEADING
    figure = new_figure(size, title, lift=HEADING)
    axes = []
    for row, column in (divmod(index, across) for index in range(count)):
        left, bottom = column * (wide + GAP), size[1] - high - row * (high + HEADING)
        place = np.array([left, bottom, wide, high]) / (*size, *size)
        axes.append(figure.add_axes(tuple(place)))
    return figure, axes


def name_axes(axes: Axes, x: str, y: str, flat: bool = False) -> None:
    """Name both axes; `flat` lays the name of the rows beside a low matrix."""
    axes.set(xlabel=visible(x, None), ylabel=visible(y, None))
    if flat:
        axes.yaxis.label.set(rotation=0, ha="right", va="center")


def name_sides(figure: Figure, x: str, y: str) -> None:
    """Write the names of the axes once, below and left of all panels' labels."""
    wide, high = figure.get_size_inches()
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    bottom = min(box.y0 for box in boxes) / figure.dpi
    left = min(box.x0 for box in boxes) / figure.dpi
    figure.text(0.5, (bottom - 0.1) / high, visible(x, None), ha="center", va="top")
    turned = {"ha": "right", "va": "center", "rotation": 90}
    figure.text((left - 0.1) / wide, 0.5, visible(y, None), **turned)


def scale(axes: Axes, side: str, values: NDArray, logarithmic: bool) -> None:
    """Choose plain numbers for the axis `side`; few logarithmic values mark it."""
    from matplotlib.ticker import LogFormatter, MaxNLocator, NullLocator

    axis = getattr(axes, f"{side}axis")
    if logarithmic:
        axes.set(**{f"{side}scale": "log"})
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(LogFormatter())  # of less than a decade; no formulas
        if len(values) <= 8:
            axis.set_ticks(values)
            axis.set_minor_locator(NullLocator())
    elif np.array_equal(values, np.round(values)):
        axis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True))


def draw_lines(axes: Axes, x_values: NDArray, series: dict) -> None:
    """Draw one line for each series, told apart by the shape of its markers too."""
    every = max(1, len(x_values) // 12)
    for (name, values), marker in zip(series.items(), MARKERS, strict=False):
        label = legend_name(name)
        axes.plot(x_values, values, marker=marker, markevery=every, label=label)


def draw_band(axes: Axes, x_values: NDArray, values: NDArray, name: str) -> None:
    """Draw a broad pale line below the others, seen even where they lie on it."""
    style = {"color": "#d3d3d3", "linewidth": 7, "solid_capstyle": "round", "zorder": 1}
    axes.plot(x_values, values, label=legend_name(name), **style)


def draw_bars(axes: Axes, series: dict, spans: dict) -> None:
    """Draw groups of bars with their intervals; write the heights if they are few."""
    thick = (0.62 if len(series) == 1 else 0.76) / len(series)
    count = sum(map(len, series.values()))
    for index, (name, heights) in enumerate(series.items()):
        middle = np.arange(len(heights)) + (index - (len(series) - 1) / 2) * thick
        style = {"hatch": HATCHES[index], "edgecolor": "white", "linewidth": 0.8}
        axes.bar(middle, heights, thick, label=legend_name(name), **style)
        axes.margins(y=0.1)
        top = heights
        if name in spans:
            low, top = spans[name].T
            error = np.stack([heights - low, top - heights])
            whisker = {"ecolor": INK, "elinewidth": 1.2, "capsize": 3}
            axes.errorbar(middle, heights, error, fmt="none", **whisker)
        if count <= 12:
            write_heights(axes, middle, heights, top)


def write_heights(axes: Axes, places: NDArray, heights: NDArray, tops: NDArray) -> None:
    """Write each bar's height above it, or below it if it hangs down."""
    form = _number_format(heights[np.isfinite(heights)])
    for place, height, top in zip(places, heights, tops, strict=True):
        text, above = (
            ("n/a", True) if np.isnan(height) else (_write(height, form), height >= 0)
        )
        axes.annotate(
            text,
            (place, np.nan_to_num(top)),
            (0, 3 if above else -3),
            textcoords="offset points",
            ha="center",
            va="bottom" if above else "top",
            fontsize=8.5,
        )


def mark_height(axes: Axes, height: float, name: str) -> None:
    """Draw a dashed line across, with its name at the right end."""
    axes.axhline(height, linestyle="--", color=FAINT, linewidth=1.4)
    axes.annotate(
        visible(name),
        (1, height),
        (5, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        color=FAINT,
    )


def legend_name(name: str) -> str:
    """Return `name` for a legend, from which Matplotlib leaves out a leading ``_``."""
    return visible(f" {name}" if name.startswith("_") else name)


def notes(texts: list[str], values: NDArray | None = None) -> tuple[str, ...]:
    """Say what hatched cells and boxes in place of letters mean, if there are any."""
    notes = []
    if values is not None and not np.isfinite(values).all():
        notes.append("Hatched cells hold no number.")
    missing = dict.fromkeys(undrawable("".join(texts)))
    if missing:
        notes.append(f"Drawn as □, because no font here has them: {' '.join(missing)}")
    return tuple(notes)
