r"""The figures of the course: heat maps, curves and bars that look alike.

A lesson draws with one call and holds no plotting code. Each call wants a title, axis
names and `alt`, one sentence for whoever cannot see the picture. Colours come from maps
that colour-blind readers can tell apart, and nothing is marked by colour alone.

Tokens are shown as they are: a dollar sign starts no formula, and what would be
invisible is spelled out (``\n``, ``\u202e``, ``␣``). A character that no font on this
computer can draw becomes □, and the caption, which the browser sets with fonts of its
own, says which characters those are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from course_lib.views import chart_arguments as given
from course_lib.views import chart_drawing as drawing
from course_lib.views.chart_card import Chart, house_style, new_figure, visible

if TYPE_CHECKING:  # drawing loads Matplotlib; importing this module does not
    from numpy.typing import ArrayLike

    Labels = Sequence[object] | None
    Series = ArrayLike | Mapping[str, ArrayLike]

__all__ = ["Chart", "bars", "curve", "heatmap", "heatmaps"]

WIDTH, HEIGHT = 5.6, 3.1  # inches of a curve's or bar chart's drawing area


def heatmap(
    matrix: ArrayLike,
    rows: Labels = None,
    columns: Labels = None,
    *,
    title: str,
    x: str = "key (attended to)",
    y: str = "query (attends)",
    unit: str = "attention weight",
    diverging: bool = False,
    limits: tuple[float, float] | None = None,
    annotate: bool | str | None = None,
    alt: str,
) -> Chart:
    """Draw a matrix as coloured cells.

    Parameters
    ----------
    matrix : array_like, shape (rows, columns)
        Numbers; NaN, infinite and masked cells are hatched.
    rows, columns : sequence of str, optional
        One label, such as a token, for each row and column. Default: their numbers.
    title, x, y, unit : str
        What it shows, the names of the axes, and what the colours measure.
    diverging : bool
        Centre the colours at 0: for differences and signed scores.
    limits : (low, high), optional
        The numbers at the ends of the colour bar. Default: 0 to the largest value; with
        negative values, the smallest to the largest; with `diverging`, equally far on
        both sides of 0.
    annotate : bool or str, optional
        Write the numbers into the cells, in a format such as ``".3f"`` if given.
        Default: if there are at most 10 rows and 10 columns.
    alt : str
        The sentence for whoever cannot see the picture.

    Returns
    -------
    Chart

    Raises
    ------
    ValueError, TypeError
        If shapes and labels do not fit, or `title` or `alt` says nothing.

    Examples
    --------
    >>> chart = heatmap([[1.0, 0.0], [0.5, 0.5]], ["it", "ran"], ["it", "ran"],
    ...                 title="Two tokens", alt="The word ran attends to both equally.")
    >>> chart
    Two tokens
    The word ran attends to both equally.
    >>> chart.figure.axes[0].images[0].get_array().tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    given.require_text("heatmap", title=title, x=x, y=y, unit=unit, alt=alt)
    matrix = given.numbers("heatmap", "matrix", matrix, ndim=2)
    rows = given.labels("heatmap", "rows", rows, matrix.shape[0])
    columns = given.labels("heatmap", "columns", columns, matrix.shape[1])
    limits = given.colour_limits("heatmap", matrix, diverging, limits)
    cell = min(0.46, 5.2 / max(matrix.shape))
    wide = max(1.3, cell * matrix.shape[1])  # room for the name below
    high = max(0.3, cell * matrix.shape[0])
    with house_style():
        figure = new_figure((wide, high), title)
        axes = figure.add_axes((0, 0, 1, 1))
        drawing.paint(axes, matrix, limits, diverging)
        drawing.tick(axes.xaxis, columns, wide)
        drawing.tick(axes.yaxis, rows, high)
        drawing.name_axes(axes, x, y, flat=high < 1.1)
        drawing.colour_bar(figure, unit)
        if annotate or (annotate is None and max(matrix.shape) <= 10):
            drawing.write_numbers(axes, annotate if isinstance(annotate, str) else None)
    return Chart(
        figure, title, alt, drawing.notes([x, y, unit, *rows, *columns], matrix)
    )


def heatmaps(
    matrices: Sequence[ArrayLike] | ArrayLike,
    titles: Sequence[str],
    rows: Labels = None,
    columns: Labels = None,
    *,
    title: str,
    x: str = "key (attended to)",
    y: str = "query (attends)",
    unit: str = "attention weight",
    diverging: bool = False,
    limits: tuple[float, float] | None = None,
    alt: str,
) -> Chart:
    """Draw several matrices of one shape beside each other, on one colour scale.

    Made for the heads of a layer: `matrices` may be an array (heads, query, key), with
    one short name in `titles` for each. All else is as in `heatmap`.

    Examples
    --------
    >>> heads = np.stack([np.eye(3), np.full((3, 3), 1 / 3)])
    >>> chart = heatmaps(heads, ["head 1", "head 2"], title="Two heads",
    ...                  alt="Head 1 looks at each token itself, head 2 at all.")
    >>> [axes.get_title() for axes in chart.figure.axes[:2]]
    ['head 1', 'head 2']
    """
    given.require_text("heatmaps", title=title, x=x, y=y, unit=unit, alt=alt)
    stack = given.numbers("heatmaps", "matrices", matrices, ndim=3)
    titles = given.labels("heatmaps", "titles", titles, stack.shape[0])
    rows = given.labels("heatmaps", "rows", rows, stack.shape[1])
    columns = given.labels("heatmaps", "columns", columns, stack.shape[2])
    limits = given.colour_limits("heatmaps", stack, diverging, limits)
    across = 3 if len(stack) in (3, 5, 6, 9) else min(4, len(stack))
    with house_style():
        figure, panels = drawing.panels(title, len(stack), across, stack.shape[1:])
        for index, (axes, matrix) in enumerate(zip(panels, stack, strict=True)):
            drawing.paint(axes, matrix, limits, diverging)
            axes.set_title(visible(titles[index]), fontsize=8.5, pad=4)
            # Labels only where no panel follows below, or none stands to the left.
            wide, high = axes.get_position().size * figure.get_size_inches()
            below = columns if index + across >= len(stack) else []
            drawing.tick(axes.xaxis, below, wide, size=7.5)
            beside = rows if index % across == 0 else []
            drawing.tick(axes.yaxis, beside, high, size=7.5)
        drawing.name_sides(figure, x, y)
        drawing.colour_bar(figure, unit)
    return Chart(
        figure, title, alt, drawing.notes([x, y, unit, *titles, *rows, *columns], stack)
    )


def curve(
    x_values: ArrayLike,
    y_values: Series,
    *,
    title: str,
    x: str,
    y: str,
    reference: ArrayLike | None = None,
    reference_name: str = "reference",
    log_x: bool = False,
    log_y: bool = False,
    alt: str,
) -> Chart:
    """Draw one line, or several with their names, over common x values.

    Parameters
    ----------
    x_values : array_like, shape (points,)
    y_values : array_like, shape (points,), or dict of str to array_like
        One line, or up to eight with names for the legend. NaN leaves a gap.
    title, x, y : str
        What it shows, and the names of the axes with their units.
    reference : float or array_like, shape (points,), optional
        What to compare with: the chance level, a dashed line across; or a formula's
        values, a broad grey line below the others.
    reference_name : str
        Its name.
    log_x, log_y : bool
        Logarithmic axes; their values must be positive.
    alt : str
        The sentence for whoever cannot see the picture.

    Examples
    --------
    >>> chart = curve([4, 16, 64], [2, 4, 8], title="Spread", x="width", y="spread",
    ...               log_x=True, alt="The spread grows with the root of the width.")
    >>> chart.figure.axes[0].lines[0].get_ydata().tolist()
    [2.0, 4.0, 8.0]
    """
    given.require_text("curve", title=title, x=x, y=y, alt=alt)
    x_values = given.numbers("curve", "x_values", x_values, ndim=1)
    series = given.series("curve", "y_values", y_values, len(x_values))
    reference = given.reference("curve", reference, len(x_values))
    if log_x:
        given.require_positive("curve", "log_x", x_values)
    if log_y:
        given.require_positive("curve", "log_y", *series.values())
    with house_style():
        figure = new_figure((WIDTH, HEIGHT), title)
        axes = figure.add_axes((0, 0, 1, 1))
        drawing.draw_lines(axes, x_values, series)
        if np.ndim(reference):
            drawing.draw_band(axes, x_values, reference, reference_name)
        elif reference is not None:
            drawing.mark_height(axes, reference, reference_name)
        drawing.name_axes(axes, x, y)
        drawing.scale(axes, "x", x_values, log_x)
        drawing.scale(axes, "y", np.concatenate([*series.values()]), log_y)
        axes.grid(True)
        if len(series) > 1 or np.ndim(reference):
            axes.legend()
    return Chart(figure, title, alt, drawing.notes([x, y, reference_name, *series]))


def bars(
    labels: Sequence[object],
    values: Series,
    *,
    title: str,
    x: str,
    y: str,
    reference: float | None = None,
    reference_name: str = "reference",
    intervals: Series | None = None,
    alt: str,
) -> Chart:
    """Draw one bar for each label, or a group of bars if `values` is a dict.

    Parameters
    ----------
    labels : sequence of str
    values : array_like, shape (labels,), or dict of str to array_like
        One bar for each label, or up to eight with names for the legend. NaN: no bar.
    title, x, y : str
        What it shows, and the names of the axes with their units.
    reference : float, optional
        A height to compare with, such as the chance level: a dashed line.
    reference_name : str
        Its name, written at the line's end.
    intervals : array_like, shape (labels, 2), or dict like `values`, optional
        Lower and upper end of each value's interval.
    alt : str
        The sentence for whoever cannot see the picture.

    Examples
    --------
    >>> chart = bars(["movies", "tweets"], [0.88, 0.82], title="Two domains",
    ...              x="domain", y="accuracy", reference=0.5, reference_name="chance",
    ...              intervals=[(0.86, 0.90), (0.80, 0.84)],
    ...              alt="Movie reviews are told apart better than tweets.")
    >>> [float(bar.get_height()) for bar in chart.figure.axes[0].patches]
    [0.88, 0.82]
    """
    given.require_text("bars", title=title, x=x, y=y, alt=alt)
    labels = given.labels("bars", "labels", labels, None)
    series = given.series("bars", "values", values, len(labels))
    reference = given.reference("bars", reference, None)
    spans = given.intervals("bars", intervals, series)
    letters = len(labels) * (max(map(len, labels)) + 3)
    wide = float(
        np.clip(max(0.08 * letters, 0.7 * len(labels) * len(series)), 3, WIDTH)
    )
    with house_style():
        figure = new_figure((wide, HEIGHT), title)
        axes = figure.add_axes((0, 0, 1, 1))
        drawing.draw_bars(axes, series, spans)
        drawing.name_axes(axes, x, y)
        drawing.tick(axes.xaxis, labels, wide)
        axes.grid(axis="y")
        if reference is not None:
            drawing.mark_height(axes, reference, reference_name)
        if len(series) > 1:
            axes.legend(ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
    return Chart(
        figure, title, alt, drawing.notes([x, y, reference_name, *labels, *series])
    )
