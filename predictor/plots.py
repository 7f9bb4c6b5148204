"""The figures of the report: what draws each, and how large; rendered in `figures.py`.

A plot takes a figure, results.json and whether it is narrow. Colours are the light ones of
`palette.py`, each standing for a role.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.figure import Figure

from predictor.curve_plots import draw_cost
from predictor.row_plots import draw_ablation, draw_gap, draw_zoo
from predictor.share_plots import draw_reliability, draw_scales

Results = Mapping[str, Any]


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
    "zoo": Plot(draw_zoo, (9.0, 3.6), (4.0, 4.4)),
    "ablation": Plot(draw_ablation, (9.0, 3.0), (4.0, 3.6)),
    "scales": Plot(draw_scales, (9.0, 4.6), (4.0, 7.8)),
    "reliability": Plot(draw_reliability, (9.0, 2.7), (4.0, 6.6)),
}
