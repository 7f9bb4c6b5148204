"""What is in each figure of the report; how it is rendered is in `figures.py`.

A plot takes a figure, results.json and whether it is narrow. Colours are the light ones of
`palette.py`, each standing for a role.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from predictor.palette import LIGHT, label_role, step_roles
from predictor.wording import CONTESTANTS, gap, tokens_text

Results = Mapping[str, Any]
Dashes = str | tuple[float, tuple[float, ...]]

ROUTER_WIDTH: Final = 2.6


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


def draw_accuracy(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw accuracy against mean visual tokens: the router between the hull and the oracle.

    Args:
        figure: an empty figure.
        results: results.json.
        narrow: put the legend below instead of inside.
    """
    axes = figure.add_subplot()
    _line(axes, results.get("oracle_curve"), "oracle", "oracle at that cost", (0, (1, 1.2)))
    omniscient = (results.get("omniscient") or {}).get("curve")
    _line(axes, omniscient, "omniscient", "omniscient router", (0, (5, 2)))
    _line(axes, (results.get("router") or {}).get("curve"), "router", "router", "-")
    _line(axes, _bend(results.get("hull") or []), "ink", "hull of fixed scales", "-")
    _line(axes, results.get("random_mixing"), "muted", "coin toss between the ends", (0, (3, 3)))
    _mark(axes, list(results.get("fixed", {}).values()), "s", "ink", "fixed scales")
    for (rule, point), marker in zip(results.get("oracle", {}).items(), "^v", strict=False):
        _mark(axes, [point], marker, "oracle", f"{rule} oracle")
    _targets(axes, list((results.get("router") or {}).get("at", {}).values()))
    _parity(axes, results.get("headline", {}))
    _log_tokens(axes, results.get("scales") or [1])
    axes.set_ylabel("accuracy on the test split")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if narrow:
        _paint(figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8.5))
    else:
        _paint(axes.legend(loc="lower right", fontsize=9.5, framealpha=0.92, borderpad=0.7))


def _bend(hull: Sequence[Sequence[float]]) -> list[dict[str, float]]:
    """Fill in the edges of the hull: straight in tokens, they are bent on a logarithmic axis."""
    corners = np.array(hull, dtype=np.float64).reshape(-1, 2)
    if len(corners) == 0:
        return []
    between = np.geomspace(max(corners[0, 0], 1e-9), corners[-1, 0], 200)
    at = np.union1d(between, corners[:, 0])
    found = np.interp(at, corners[:, 0], corners[:, 1])
    return [{"tokens": t, "accuracy": a} for t, a in zip(at, found, strict=True)]


def _line(axes: Axes, curve: Any, role: str, label: str, dashes: Dashes) -> None:
    if curve:
        width = ROUTER_WIDTH if role == "router" else 1.5
        x = [point["tokens"] for point in curve]
        y = [point["accuracy"] for point in curve]
        axes.plot(x, y, color=LIGHT[role], linestyle=dashes, linewidth=width, label=label)


def _mark(axes: Axes, found: Sequence[Results], marker: str, role: str, label: str) -> None:
    x = [point["tokens"] for point in found]
    y = [point["accuracy"] for point in found]
    edge = LIGHT["surface"]
    axes.plot(x, y, marker, color=LIGHT[role], ms=7.5, mec=edge, label=label, zorder=4)


def _targets(axes: Axes, found: Sequence[Results]) -> None:
    """Mark the reported budgets on the router's curve, with intervals of the accuracy."""
    color, edge = LIGHT["router"], LIGHT["surface"]
    for point in found:
        x, y = point["tokens"], point["accuracy"]
        axes.plot([x, x], [point["accuracy_low"], point["accuracy_high"]], color=color, lw=1.3)
        axes.plot([x], [y], "o", color=color, ms=8, mec=edge, zorder=5)
        text, at = f"{point['target']:g}", (x, y)
        label = axes.annotate(text, at, (-6, 6), textcoords="offset points", ha="right")
        label.set_color(color)
        label.set_bbox({"facecolor": edge, "edgecolor": "none", "pad": 1.0})


def _parity(axes: Axes, headline: Results) -> None:
    if headline.get("parity_tokens") is not None:
        point = {"tokens": headline["parity_tokens"], "accuracy": headline["parity_accuracy"]}
        _mark(axes, [point], "D", "router", "parity point")


def _log_tokens(axes: Axes, scales: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator([float(scale) for scale in scales]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("mean visual tokens a question (logarithmic)")


def _paint(legend: Legend) -> None:
    legend.get_frame().set_edgecolor(LIGHT["grid"])
    legend.get_frame().set_facecolor(LIGHT["surface"])
    for text in legend.get_texts():
        text.set_color(LIGHT["ink"])


@dataclass(frozen=True)
class GapRow:
    """One line of the gap figure.

    Attributes:
        label: who, and at which budget.
        role: colour role.
        value: share of the gap that is closed.
        low: lower end of its interval.
        high: upper end.
    """

    label: str
    role: str
    value: float
    low: float
    high: float


def gap_rows(results: Results) -> list[GapRow]:
    """List who closes how much of the gap.

    Args:
        results: results.json.

    Returns:
        The router at every budget, then everybody else at the headline's; without a value, no row.
    """
    head = f"{results.get('headline', {}).get('target', 72):g}"
    found: list[tuple[str, str, Results]] = [
        (f"router, {target} tokens", "router", point)
        for target, point in (results.get("router") or {}).get("at", {}).items()
    ]
    others = {**results.get("baselines", {}), "omniscient": results.get("omniscient")}
    for name, other in others.items():
        point = ((other or {}).get("at") or {}).get(head, {})
        role = "omniscient" if name == "omniscient" else "muted"
        found.append((f"{CONTESTANTS.get(name, (name, ''))[0]}, {head}", role, point))
    keys = ("ogc", "ogc_low", "ogc_high")
    return [
        GapRow(label, role, *(float(point[key]) for key in keys))
        for label, role, point in found
        if all(point.get(key) is not None for key in keys)
    ]


def draw_gap(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw the share of the gap from hull to oracle that each contestant closes.

    Args:
        figure: an empty figure.
        results: results.json.
        narrow: break long labels.
    """
    axes, rows = figure.add_subplot(), gap_rows(results)
    for x in (0.0, 1.0):
        axes.axvline(x, color=LIGHT["ink"], linewidth=1.1)
    for y, row in enumerate(reversed(rows)):
        color = LIGHT[row.role]
        hollow = LIGHT["surface"] if row.role == "muted" else color
        axes.plot([row.low, row.high], [y, y], color=color, linewidth=2.2)
        axes.plot([row.value], [y], "o", color=color, mfc=hollow, ms=8, mew=1.8)
        at, offset = (max(row.value, row.high), y), (7, 0)
        axes.annotate(gap(row.value), at, offset, textcoords="offset points", va="center")
    for text in axes.texts:
        text.set_color(LIGHT["ink"])
    axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)])
    axes.set_xlim(
        max(min([-0.1, *(row.low for row in rows)]) - 0.05, -2.0),
        max([1.0, *(row.high for row in rows)]) + (0.2 if narrow else 0.1),
    )
    axes.set_ylim(-0.7, len(rows) - 0.3)
    between = "\n" if narrow else " "
    axes.set_xlabel(f"share of the gap closed{between}(0: mixing fixed scales, 1: oracle)")


def draw_scales(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw what each family needed beside what the router gave it.

    Args:
        figure: an empty figure.
        results: results.json.
        narrow: put the panels below each other.
    """
    chosen, families = results.get("scale_histogram", {}), results.get("families", {})
    names = list(reversed(list(families)))
    needed = {name: families[name].get("minimal_share", {}) for name in names}
    given = {name: chosen.get(name, {}) for name in names}
    scales = [str(scale) for scale in results.get("scales", [])]
    panels = figure.subplots(2 if narrow else 1, 1 if narrow else 2, sharey=True, squeeze=False)
    left, right = panels.flat
    left.set_ylabel("" if narrow else "question family")
    _stack(left, needed, [*scales, "never"])
    left.set_title("cheapest scale that was right", fontsize=10.5, color=LIGHT["ink"])
    _stack(right, given, scales)
    right.set_title("scale the router chose", fontsize=10.5, color=LIGHT["ink"])
    for axes in (left, right):
        axes.set_xlabel("share of the family's questions")
    handles, labels = left.get_legend_handles_labels()
    columns = 3 if narrow else 6
    legend = figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )
    _paint(legend)


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
        left = [start + width for start, width in zip(left, widths, strict=True)]
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


PLOTS: Final = {
    "accuracy": Plot(draw_accuracy, (9.0, 5.2), (4.0, 5.4)),
    "gap": Plot(draw_gap, (9.0, 5.2), (4.0, 5.4)),
    "scales": Plot(draw_scales, (9.0, 4.6), (4.0, 7.8)),
}
