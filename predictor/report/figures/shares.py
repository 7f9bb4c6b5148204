"""The figures of shares: which scales questions need and get, and whether P(correct) is true."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from predictor.data import Results
from predictor.report.figures.palette import LIGHT, label_role, step_roles
from predictor.report.wording import tokens_text


def draw_scales(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw the scales that each family needed beside those that the router chose.

    Args:
        figure: an empty figure.
        results: what results.json holds.
        narrow: put the panels below each other.
    """
    chosen = results.get("scale_histogram", {})
    families = results.get("families", {})
    # From below, where a horizontal bar chart begins.
    names = list(reversed(list(families)))
    needed = {name: families[name].get("minimal_share", {}) for name in names}
    given = {name: chosen.get(name, {}) for name in names}
    scales = [str(scale) for scale in results.get("scales", [])]
    panels = figure.subplots(2 if narrow else 1, 1 if narrow else 2, sharey=True, squeeze=False)
    left, right = panels.flat
    left.set_ylabel("question family")
    _stack(left, needed, [*scales, "never"])
    left.set_title("cheapest scale that was right", fontsize=10.5, color=LIGHT["ink"])
    _stack(right, given, scales)
    right.set_title("scale the router chose", fontsize=10.5, color=LIGHT["ink"])
    for axes in (left, right):
        axes.set_xlabel("share of the family's questions")
    _add_legend(figure, left, 3 if narrow else 6)


def _stack(axes: Axes, shares: Mapping[str, Results], parts: Sequence[str]) -> None:
    scales = [part for part in parts if part != "never"]
    roles = dict(zip(scales, step_roles(len(scales)), strict=True))
    left = [0.0] * len(shares)
    for part in parts:
        role = roles.get(part, "never")
        widths = [float(share.get(part) or 0.0) for share in shares.values()]
        label = "never right" if part == "never" else tokens_text(part)
        bars = axes.barh(list(shares), widths, 0.74, left, color=LIGHT[role], label=label)
        for bar, width in zip(bars, widths, strict=True):
            bar.set_edgecolor(LIGHT["surface"])
            if width >= 0.11:  # narrower ones have no room for their name
                at = (bar.get_x() + width / 2, bar.get_y() + bar.get_height() / 2)
                color = LIGHT[label_role(role)]
                axes.text(*at, part, ha="center", va="center", fontsize=8.5, color=color)
        # The next part of each bar begins where this one ends.
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def draw_reliability(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw how often scales are right against how often the router predicts it, scale by scale.

    Args:
        figure: an empty figure.
        results: what results.json holds.
        narrow: put two panels in a row instead of all.
    """
    after = results.get("calibration") or {}
    before = results.get("calibration_raw") or {}
    names = list(after) or ["–"]
    columns = min(2 if narrow else 5, len(names))
    rows = -(-len(names) // columns)  # rounded up
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flatten()
    for axes, name in zip(panels, names, strict=False):
        axes.plot([0, 1], [0, 1], color=LIGHT["muted"], linewidth=1.0, linestyle=(0, (3, 3)))
        _reliability(axes, before.get(name), "muted", "before calibration")
        _reliability(axes, after.get(name), "router", "as used")
        axes.set_title(tokens_text(name), fontsize=10, color=LIGHT["ink"])
        axes.set(xlim=(0, 1), ylim=(0, 1.02), aspect="equal", xticks=(0, 0.5, 1))
        axes.tick_params(labelbottom=True)
        axes.set_xlabel("P(correct)")
    for number, axes in enumerate(panels):
        axes.set_ylabel("share right" if number % columns == 0 else "")
        if number >= len(names):
            axes.remove()
    _add_legend(figure, panels[0], 2)


def _reliability(axes: Axes, scale: Results | None, role: str, label: str) -> None:
    """Draw bins as a line with dots whose area goes with the bin's share of the questions."""
    bins = (scale or {}).get("reliability") or []
    if bins:
        x = [part["probability"] for part in bins]
        y = [part["score"] for part in bins]
        most = max(part["n"] for part in bins)
        areas = [12 + 60 * part["n"] / most for part in bins]
        fill = LIGHT["surface"] if role == "muted" else LIGHT[role]
        axes.plot(x, y, color=LIGHT[role], linewidth=1.3)
        axes.scatter(x, y, areas, fill, edgecolors=LIGHT[role], label=label, zorder=3)


def _add_legend(figure: Figure, axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )
    for text in legend.get_texts():
        text.set_color(LIGHT["ink"])
