"""The report's figures by name, and their rendering; what is in them is in the files beside.

Every figure is drawn twice, wide and narrow, so that it stays readable on a phone. As SVG its
colours become CSS variables and follow the reader's light or dark setting; as PNG it is light.
Uses matplotlib's objects only, never pyplot, so nothing is shared with the caller's figures.
"""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from predictor.data import Results
from predictor.report.figures.curves import draw_cost
from predictor.report.figures.intervals import draw_ablation, draw_gap, draw_kinds
from predictor.report.figures.palette import LIGHT, to_variables
from predictor.report.figures.shares import draw_reliability, draw_scales


def draw_figure(name: str, results: Results, narrow: bool = False) -> Figure:
    """Draw one figure of the report.

    >>> ends = {1: {"tokens": 1, "accuracy": 0.53}, 576: {"tokens": 576, "accuracy": 0.98}}
    >>> figure = draw_figure("accuracy", {"scales": [1, 576], "fixed": ends})
    >>> figure.axes[0].get_xlabel()
    'mean visual tokens per question (logarithmic)'

    Args:
        name: a key of `PLOTS`.
        results: what results.json holds; what is missing in it is left out of the figure.
        narrow: draw it for a phone.

    Returns:
        The figure, not yet rendered; `to_png` and `to_svg` render it.

    Raises:
        ValueError: if there is no figure of that name.
    """
    if name not in PLOTS:
        raise ValueError(f"expected a figure of {', '.join(PLOTS)}, got {name!r}")
    size = PLOTS[name].narrow if narrow else PLOTS[name].wide
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(wspace=0.08, hspace=0.06))
    with _names_as_they_are():
        PLOTS[name].draw(figure, results, narrow)
        for axes in figure.axes:
            _dress(axes)
    return figure


@contextmanager
def _names_as_they_are() -> Iterator[None]:
    """Let names of groups be text: a dollar begins no formula, an unknown letter is a box."""
    with matplotlib.rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield


def _dress(axes: Axes) -> None:
    """Give axes the report's quiet frame."""
    axes.grid(True, color=LIGHT["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(color=LIGHT["muted"], labelcolor=LIGHT["ink"], length=3, labelsize=9.5)
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(LIGHT["muted"])
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(LIGHT["ink"])
        label.set_fontsize(10)


def to_png(figure: Figure) -> bytes:
    """Render a figure in the light colours, as the content of a PNG file."""
    target = io.BytesIO()
    canvas = FigureCanvasAgg(figure)
    with _names_as_they_are():
        canvas.print_figure(target, format="png", dpi=160, facecolor=LIGHT["surface"])
    return target.getvalue()


def to_svg(figure: Figure, salt: str) -> str:
    """Render a figure as an SVG element to put into a page.

    Args:
        figure: the figure.
        salt: comes before every id, so that several SVGs can share a page.

    Returns:
        `<svg ...>...</svg>` whose colours are CSS variables.
    """
    target = io.StringIO()
    # Text stays text: it is small, can be selected and searched, and takes the page's font.
    svg = matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt})
    with _names_as_they_are(), svg:
        canvas = FigureCanvasSVG(figure)
        canvas.print_figure(
            target, format="svg", facecolor="none", metadata={"Date": None, "Creator": None}
        )
    text = target.getvalue()
    # matplotlib numbers its groups from 1 in every figure, and ids must be unique in a page.
    unique = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{salt}-", text[text.index("<svg") :])
    return to_variables(unique)


@dataclass(frozen=True)
class Plot:
    """A figure's content and sizes.

    Attributes:
        draw: draws into a figure: (figure, results, narrow).
        wide: size for a page [inches].
        narrow: size for a phone [inches].
    """

    draw: Callable[[Figure, Results, bool], None]
    wide: tuple[float, float]
    narrow: tuple[float, float]


PLOTS: Final = {
    "accuracy": Plot(draw_cost("tokens"), (9.0, 5.2), (4.0, 5.4)),
    "flops": Plot(draw_cost("flops"), (9.0, 4.6), (4.0, 5.0)),
    "ms": Plot(draw_cost("ms"), (9.0, 4.6), (4.0, 5.0)),
    "gap": Plot(draw_gap, (9.0, 5.2), (4.0, 5.4)),
    "zoo": Plot(draw_kinds, (9.0, 3.6), (4.0, 4.4)),
    "ablation": Plot(draw_ablation, (9.0, 3.0), (4.0, 3.6)),
    "scales": Plot(draw_scales, (9.0, 4.6), (4.0, 7.8)),
    "reliability": Plot(draw_reliability, (9.0, 2.7), (4.0, 6.6)),
}
