"""The charts: numbers behind the pictures, text beside them, and what is refused."""

import subprocess
import sys
import warnings
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
import torch

from course_lib.views import charts
from course_lib.views.chart_card import undrawable, visible

pytestmark = pytest.mark.slow  # draws nearly a hundred pictures

ALT = "The token looks at itself."
NAMES = {"title": "A title", "alt": ALT}
SIDES = NAMES | {"x": "width (units)", "y": "spread (units)"}
HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "<svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "<!-- & ]]> &lt;",
    "\ud800 half a surrogate",
]


class Card(HTMLParser):
    """Collects the tags, the picture's attributes and the caption of a chart."""

    def __init__(self, chart):
        super().__init__()
        self.tags, self.image, self.text = [], {}, ""
        self.feed(chart._repr_mimebundle_()["text/html"])

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.image = dict(attributes)

    def handle_data(self, data):
        self.text += data


def cells(chart, panel=0):
    return chart.figure.axes[panel].images[0].get_array()


def tick_labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def every_chart(**names):
    """One chart of each kind."""
    names = SIDES | names
    return [
        charts.heatmap(np.eye(3), **names),
        charts.heatmaps(np.ones((2, 3, 5)), ["a", "b"], **names),
        charts.curve([1, 2, 3], [4, 5, 6], **names),
        charts.bars(["a", "b"], [1, 2], **names),
    ]


def test_importing_the_charts_loads_no_plotting_library():
    code = "import sys, course_lib.views.charts; print('matplotlib' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert run.stdout.split() == [b"False"]


def test_a_heat_map_holds_the_matrix_with_rows_down_and_columns_across():
    matrix = np.arange(15.0).reshape(3, 5)
    chart = charts.heatmap(matrix, list("abc"), list("vwxyz"), **NAMES)
    axes = chart.figure.axes[0]
    np.testing.assert_array_equal(cells(chart), matrix)
    assert tick_labels(axes.yaxis) == list("abc")
    assert tick_labels(axes.xaxis) == list("vwxyz")
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first row is on top
    assert (axes.get_xlabel(), axes.get_ylabel()) == (
        "key (attended to)",
        "query (attends)",
    )
    assert chart.figure.axes[1].get_ylabel() == "attention weight"


@pytest.mark.parametrize(
    ("matrix", "options", "limits"),
    [
        ([[0.1, 0.4]], {}, (0, 0.4)),
        ([[0.1, 0.4]], {"limits": (0, 1)}, (0, 1)),
        ([[-3.0, 1.0]], {}, (-3, 1)),
        ([[-3.0, 1.0]], {"diverging": True}, (-3, 3)),
        ([[0.0, 0.0]], {}, (0, 1)),
        ([[0.0, 0.0]], {"diverging": True}, (-1, 1)),
        ([[np.nan, np.nan]], {}, (0, 1)),
        ([[-np.inf, 2.0]], {}, (0, 2)),
    ],
)
def test_the_colours_span_what_the_docstring_says(matrix, options, limits):
    chart = charts.heatmap(matrix, **NAMES, **options)
    assert chart.figure.axes[0].images[0].get_clim() == limits


def test_zero_is_white_on_the_diverging_map():
    chart = charts.heatmap([[-3.0, 0.0, 1.0]], diverging=True, **NAMES)
    below, zero, above = chart.figure.axes[0].images[0].to_rgba([-3.0, 0.0, 1.0])
    assert zero.min() > 0.9
    assert below[2] > below[0]  # blue below
    assert above[0] > above[2]  # red above


@pytest.mark.parametrize(
    ("matrix", "annotate", "written"),
    [
        ([[0.25, 0.754]], None, ["0.25", "0.75"]),
        ([[1, 0]], None, ["1", "0"]),
        ([[-0.001, -1.5]], None, ["0.00", "−1.50"]),
        ([[12.34, 5.0]], None, ["12.3", "5.0"]),
        ([[0.25, 0.754]], ".3f", ["0.250", "0.754"]),
        ([[0.25, 0.754]], False, []),
        (np.full((11, 2), 0.5), None, []),
        (np.full((11, 2), 0.5), True, ["0.50"] * 22),
        ([[0.5, np.nan]], None, ["0.50"]),
    ],
)
def test_small_matrices_have_their_numbers_in_the_cells(matrix, annotate, written):
    chart = charts.heatmap(matrix, annotate=annotate, **NAMES)
    assert [text.get_text() for text in chart.figure.axes[0].texts] == written


def test_numbers_are_legible_on_every_cell():
    chart = charts.heatmap(np.linspace(0, 1, 10)[None], **NAMES)
    axes = chart.figure.axes[0]
    grounds = axes.images[0].to_rgba(cells(chart))[0, :, :3]
    inks = [matplotlib.colors.to_rgb(text.get_color()) for text in axes.texts]
    # Relative luminance and contrast as in WCAG 2, with its gamma rounded.
    weights = [0.2126, 0.7152, 0.0722]
    light = [np.asarray(colours) ** 2.2 @ weights + 0.05 for colours in (grounds, inks)]
    contrast = np.maximum(*light) / np.minimum(*light)
    assert contrast.min() > 4.5


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_cells_without_a_number_are_masked_and_explained(hole):
    chart = charts.heatmap([[1.0, hole], [0.5, 0.5]], **NAMES)
    assert cells(chart).mask.tolist() == [[False, True], [False, False]]
    assert chart.figure.axes[0].patch.get_hatch()
    assert "Hatched" in Card(chart).text
    assert "Hatched" not in Card(charts.heatmap([[1.0]], **NAMES)).text


def test_a_masked_array_and_a_tensor_with_a_gradient_are_accepted():
    masked = np.ma.masked_array([[1.0, 2.0]], mask=[[True, False]])
    assert cells(charts.heatmap(masked, **NAMES)).mask.tolist() == [[True, False]]
    tensor = torch.ones(2, 3, dtype=torch.bfloat16, requires_grad=True)
    np.testing.assert_array_equal(
        cells(charts.heatmap(tensor, **NAMES)), np.ones((2, 3))
    )


def test_drawing_does_not_change_the_array_and_keeps_no_hold_on_it():
    matrix = np.array([[0.5, np.nan]])
    before = matrix.copy()
    chart = charts.heatmap(matrix, **NAMES)
    np.testing.assert_array_equal(matrix, before)
    matrix[:] = 7
    assert cells(chart)[0, 0] == 0.5


def test_one_token_is_drawn():
    chart = charts.heatmap([[1.0]], ["it"], ["it"], **NAMES)
    assert cells(chart).tolist() == [[1.0]]
    assert Card(chart).image["alt"] == ALT


def test_many_tokens_are_thinned_to_labels_that_fit():
    chart = charts.heatmap(np.zeros((199, 199)), **NAMES)
    labels = tick_labels(chart.figure.axes[0].yaxis)
    assert labels[:3] == ["0", "5", "10"]


def test_heat_maps_share_one_colour_scale_and_label_the_outer_panels():
    stack = np.arange(7 * 3 * 5).reshape(7, 3, 5) / 104
    titles = [f"head {number}" for number in range(1, 8)]
    chart = charts.heatmaps(list(stack), titles, list("abc"), list("vwxyz"), **NAMES)
    *panels, bar = chart.figure.axes
    assert [panel.get_title() for panel in panels] == titles
    assert {panel.images[0].get_clim() for panel in panels} == {(0, 1)}
    for index, panel in enumerate(panels):
        np.testing.assert_array_equal(cells(chart, index), stack[index])
        assert bool(tick_labels(panel.yaxis)) == (index % 4 == 0)
        assert bool(tick_labels(panel.xaxis)) == (index >= 3)
    assert bar.get_ylabel() == "attention weight"


def test_a_curve_holds_its_values_and_its_reference():
    chart = charts.curve(
        [1, 2, 4], {"a": [3, 5, 7], "b": [2, np.nan, 1]}, reference=[3, 4, 5], **SIDES
    )
    a, b, reference = (line.get_ydata() for line in chart.figure.axes[0].lines)
    assert (a.tolist(), reference.tolist()) == ([3, 5, 7], [3, 4, 5])
    assert np.isnan(b[1])
    axes = chart.figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("width (units)", "spread (units)")
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["a", "b", "reference"]


def test_lines_and_bars_differ_by_more_than_their_colour():
    values = {name: np.arange(3.0) for name in "abcdefgh"}
    lines = charts.curve([1, 2, 3], values, **SIDES).figure.axes[0].lines
    assert len({line.get_marker() for line in lines}) == 8
    assert len({line.get_color() for line in lines}) == 8
    groups = charts.bars(list("xyz"), values, **SIDES).figure.axes[0].containers
    assert len({group[0].get_hatch() for group in groups}) == 8


def test_logarithmic_axes_mark_the_values_in_plain_numbers():
    chart = charts.curve([4, 16, 64], [0.01, 0.1, 1], log_x=True, log_y=True, **SIDES)
    axes = chart.figure.axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    chart.figure.draw_without_rendering()
    assert tick_labels(axes.xaxis) == ["4", "16", "64"]
    assert not any("$" in label for label in tick_labels(axes.yaxis))


def test_bars_hold_values_intervals_and_reference():
    chart = charts.bars(
        ["movies", "tweets"],
        [0.88, 0.82],
        intervals=[(0.86, 0.90), (0.80, 0.85)],
        reference=0.5,
        reference_name="chance",
        **SIDES,
    )
    axes = chart.figure.axes[0]
    assert [bar.get_height() for bar in axes.patches] == [0.88, 0.82]
    assert axes.get_ylim()[0] == 0
    whiskers = axes.collections[0].get_segments()
    np.testing.assert_allclose(
        [w[:, 1] for w in whiskers], [(0.86, 0.90), (0.80, 0.85)]
    )
    written = [text.get_text() for text in axes.texts]
    assert written == ["0.88", "0.82", "chance"]


def test_a_missing_bar_is_named_and_hanging_bars_have_their_number_below():
    chart = charts.bars(["a", "b", "c"], [np.nan, -2, 3], **SIDES)
    missing, below, above = chart.figure.axes[0].texts
    assert missing.get_text() == "n/a"
    assert (below.get_va(), above.get_va()) == ("top", "bottom")


def test_every_chart_is_a_figure_with_text_alternative_and_caption():
    for chart in every_chart():
        card = Card(chart)
        assert card.tags == ["figure", "img", "figcaption"]
        assert card.image["alt"] == ALT
        assert card.image["src"].startswith("data:image/png;base64,iVBOR")
        assert card.text == "A title"
        assert (
            chart._repr_mimebundle_()["text/plain"] == f"A title\n{ALT}" == repr(chart)
        )
        assert chart._repr_html_().startswith('<figure class="course-chart"')


@pytest.mark.parametrize("text", HOSTILE)
def test_titles_and_alternatives_are_escaped(text):
    chart = charts.heatmap([[1.0]], title=text, alt=text)
    card = Card(chart)
    assert card.tags == ["figure", "img", "figcaption"]
    shown = text.replace("\ud800", "?")
    assert (card.image["alt"], card.text) == (shown, shown)
    assert set(card.image) == {"alt", "src", "width", "style"}
    chart._repr_html_().encode()  # can be written to a file


@pytest.mark.parametrize("token", ["$x$", "$\\frac{", "a$b", "^_{}\\", *HOSTILE])
def test_tokens_are_drawn_as_they_are(token):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labelled = {"rows": [token], "columns": [token]}
        chart = charts.heatmap([[1.0]], **labelled, title=token, x=token, alt=ALT)
        assert Card(chart).tags == ["figure", "img", "figcaption"]
        charts.curve(
            [1, 2], {token: [1, 2], "": [2, 3]}, **SIDES
        ).figure.draw_without_rendering()
        bars = charts.bars([token], {token: [1], "": [2]}, **SIDES)
        bars.figure.draw_without_rendering()
    assert tick_labels(chart.figure.axes[0].xaxis) == [visible(token)]
    assert not chart.figure.axes[0].xaxis.get_ticklabels()[0].get_parse_math()


@pytest.mark.parametrize(
    ("token", "shown"),
    [
        ("plain", "plain"),
        (" ", "␣"),
        ("  ", "␣␣"),
        ("a b", "a b"),
        ("\n", "\\n"),
        ("\t", "\\t"),
        ("\x00", "\\x00"),
        ("\u202edcba", "\\u202edcba"),
        ("e\u0301", "e\u0301"),
        ("\u05e9\u05dc\u05d5\u05dd", "\u05e9\u05dc\u05d5\u05dd"),
        ("\U0001f469\u200d\U0001f680\ufe0f"[1:3], "□"),
        ("\U0010fffd", "□"),
        ("x" * 99, "x" * 23 + "…"),
    ],
)
def test_the_unseen_is_made_visible(token, shown, monkeypatch):
    monkeypatch.setattr("course_lib.views.chart_card.FONTS", ("DejaVu Sans",))
    assert visible(token) == shown


def test_the_caption_names_what_no_font_here_can_draw():
    rare = "\U0010fffd"  # a private code point, so no font has it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chart = charts.heatmap([[1.0, 0.0]], columns=[rare, rare], **NAMES)
        text = Card(chart).text
    assert text.count(rare) == 1
    assert tick_labels(chart.figure.axes[0].xaxis) == ["□", "□"]
    assert undrawable("a□" + rare) == [rare]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: charts.heatmap(np.zeros((0, 0)), **NAMES), "`matrix` .*(0, 0)"),
        (lambda: charts.heatmap(np.zeros(3), **NAMES), "`matrix` .*(3,).*2 dim"),
        (lambda: charts.heatmap(np.eye(3), ["a"], **NAMES), "`rows` has 1 .*wanted 3"),
        (
            lambda: charts.heatmap(np.eye(2), None, "ab", **NAMES),
            "`columns` is one text",
        ),
        (lambda: charts.heatmap([[1], [1, 2]], **NAMES), "`matrix` has parts"),
        (lambda: charts.heatmap([["a"]], **NAMES), "`matrix` holds <U1"),
        (lambda: charts.heatmap([[1j]], **NAMES), "`matrix` holds complex"),
        (lambda: charts.heatmap([[None]], **NAMES), "`matrix` holds object"),
        (lambda: charts.heatmap([[1]], limits=(1, 0), **NAMES), "`limits` is (1, 0)"),
        (lambda: charts.heatmap([[1]], limits=(0, np.nan), **NAMES), "`limits`"),
        (lambda: charts.heatmap([[1]], title="t", alt=" "), "`alt` is empty.*sentence"),
        (lambda: charts.heatmap([[1]], title="", alt=ALT), "`title` is empty"),
        (lambda: charts.heatmap([[1]], title=None, alt=ALT), "`title` is a NoneType"),
        (lambda: charts.heatmaps([], [], **NAMES), "`matrices` has shape (0,)"),
        (lambda: charts.heatmaps([np.eye(2)], ["a", "b"], **NAMES), "`titles` has 2"),
        (
            lambda: charts.heatmaps([np.eye(2), np.eye(3)], "ab", **NAMES),
            "`matrices` has",
        ),
        (lambda: charts.curve([1, 2], [1], **SIDES), "`y_values` has 1 .*wanted 2"),
        (lambda: charts.curve([1], {"a": [1, 2]}, **SIDES), r"`y_values['a']` has 2"),
        (lambda: charts.curve([1], {}, **SIDES), "`y_values` has 0 entries"),
        (lambda: charts.curve([], [], **SIDES), "`x_values` has shape (0,)"),
        (
            lambda: charts.curve([1, 2], [1, 2], reference=[1], **SIDES),
            "`reference` has 1",
        ),
        (lambda: charts.curve([0, 1], [1, 2], log_x=True, **SIDES), "`log_x`.*of 0"),
        (lambda: charts.curve([1, 2], [1, -2], log_y=True, **SIDES), "`log_y`.*of -2"),
        (lambda: charts.bars([], [], **SIDES), "`labels` has no labels"),
        (lambda: charts.bars(["a"], [1, 2], **SIDES), "`values` has 2 .*wanted 1"),
        (
            lambda: charts.bars(["a"], [1], reference=[1, 2], **SIDES),
            "`reference` has 2",
        ),
        (
            lambda: charts.bars(["a"], [1], intervals=[(2, 3)], **SIDES),
            "`intervals`.*2 to 3 .*1; wanted low",
        ),
        (
            lambda: charts.bars(["a"], [1], intervals=[1], **SIDES),
            "`intervals` has shape",
        ),
        (
            lambda: charts.bars(["a"], {"b": [1]}, intervals=[(0, 2)], **SIDES),
            "`intervals` has the names",
        ),
        (lambda: every_chart()[0].save("chart.jpg"), "save: `path` ends in '.jpg'"),
    ],
)
def test_what_is_refused_is_explained(draw, words):
    words = words.replace("(", r"\(").replace(")", r"\)").replace("[", r"\[")
    with pytest.raises((ValueError, TypeError), match=words) as error:
        draw()
    name = str(error.value).split(":")[0]
    assert name in ("heatmap", "heatmaps", "curve", "bars", "save")


def test_alt_has_no_default():
    with pytest.raises(TypeError, match="alt"):
        charts.heatmap([[1.0]], title="A title")


def test_the_same_chart_has_the_same_bytes_and_few_of_them(tmp_path):
    rng = np.random.default_rng(0)
    matrix = rng.dirichlet(np.ones(12), size=12)
    tokens = [f"token {number}" for number in range(12)]
    first, second = (
        charts.heatmap(matrix, tokens, tokens, **NAMES)._repr_html_() for _ in range(2)
    )
    assert first == second
    assert len(first) < 4 / 3 * 40_000
    for kind in ("png", "svg"):
        for name in "ab":
            charts.heatmap(matrix, **NAMES).save(tmp_path / f"{name}.{kind}")
        a, b = ((tmp_path / f"{name}.{kind}").read_bytes() for name in "ab")
        assert a == b


def test_a_saved_picture_has_its_title_and_the_notebook_s_has_not(tmp_path):
    chart = charts.heatmap([[1.0]], **NAMES)
    before = chart._repr_html_()
    chart.save(tmp_path / "chart.svg")
    chart.save(str(tmp_path / "chart.PNG"))
    svg = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert "<dc:title>A title</dc:title>" in svg
    assert ALT in svg
    assert "<!-- A title -->" in svg  # the drawn title
    assert chart._repr_html_() == before
    assert (tmp_path / "chart.PNG").read_bytes()[:4] == b"\x89PNG"


def test_the_learners_own_plots_are_left_alone():
    from matplotlib import pyplot

    pyplot.rcParams["axes.facecolor"] = "black"
    before = dict(pyplot.rcParams)
    html = [chart._repr_html_() for chart in every_chart()]
    assert dict(pyplot.rcParams) == before
    assert pyplot.get_fignums() == []
    pyplot.rcdefaults()
    assert html == [chart._repr_html_() for chart in every_chart()]


@pytest.mark.parametrize("log", ["log_x", "log_y"])
def test_labels_within_one_power_of_ten_are_plain_numbers(log):
    few = 6e-7 * np.linspace(1, 1.4, 17)
    chart = charts.curve(few, few, title="Few", x="x", y="y", alt="Few.", **{log: True})
    axis = getattr(chart.figure.axes[0], f"{log[-1]}axis")
    labels = [tick.get_text() for tick in axis.get_ticklabels(which="both")]
    assert any(labels)
    assert not [label for label in labels if "$" in label]
