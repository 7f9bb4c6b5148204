"""The figures of accuracy against cost: visual tokens, FLOPs or milliseconds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator, PercentFormatter

from predictor.data import Results
from predictor.report.figures.palette import LIGHT

Points = Sequence[Mapping[str, float]]
Dashes = str | tuple[float, tuple[float, ...]]
ROUTER_WIDTH: Final = 2.6

WIDE_RANGE: Final = 8.0
"""Costs that differ by more than this factor are drawn on a logarithmic axis."""


def draw_cost(unit: str) -> Callable[[Figure, Results, bool], None]:
    """Make the function that draws the router between hull and oracle.

    Args:
        unit: the cost on the horizontal axis: a key of section `costs`, such as `tokens`.

    Returns:
        A function of an empty figure, results.json, and whether the figure is for a phone.
    """

    def draw(figure: Figure, results: Results, narrow: bool) -> None:
        axes = figure.add_subplot()
        cost = _find_cost(results, unit)
        _line(axes, cost.get("oracle_curve"), "oracle", "oracle at that cost", (0, (1, 1.2)))
        _line(axes, cost.get("omniscient"), "omniscient", "omniscient router", (0, (5, 2)))
        _band(axes, cost.get("router") or [])
        _line(axes, cost.get("router"), "router", "router", "-")
        _line(axes, _bend(cost.get("hull") or []), "ink", "hull of fixed scales", "-")
        _line(axes, cost.get("random_mixing"), "muted", "random mixing of the ends", (0, (3, 3)))
        _mark(axes, list((cost.get("fixed") or {}).values()), "s", "ink", "fixed scales")
        if unit == "tokens":
            _mark_tokens(axes, results)
        if (cost.get("parity") or {}).get("cost") is not None:
            _mark(axes, [cost["parity"]], "D", "router", "parity point")
        _label_axes(axes, cost, results.get("scales") or [1])
        if unit != "tokens":
            _name_scales(axes, cost.get("fixed") or {})
        if narrow:
            _paint(figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8.5))
        else:
            _paint(axes.legend(loc="lower right", fontsize=9.5, framealpha=0.92, borderpad=0.7))

    return draw


def _find_cost(results: Results, unit: str) -> Results:
    """Find a unit's curves; empty for a unit that was not measured."""
    cost: Results = (results.get("costs") or {}).get(unit) or {}
    if cost or unit != "tokens":
        return cost
    # Results without `costs` have the curves of visual tokens in sections of their own.
    head = results.get("headline", {})
    return {
        "unit": "visual tokens",
        "fixed": {k: _renamed([p])[0] for k, p in results.get("fixed", {}).items()},
        "hull": results.get("hull"),
        "oracle_curve": _renamed(results.get("oracle_curve")),
        "random_mixing": _renamed(results.get("random_mixing")),
        "router": _renamed((results.get("router") or {}).get("curve")),
        "omniscient": _renamed((results.get("omniscient") or {}).get("curve")),
        "parity": {"cost": head.get("parity_tokens"), "accuracy": head.get("parity_accuracy")},
    }


def _renamed(points: Any) -> list[dict[str, float]]:
    return [{**point, "cost": point["tokens"]} for point in points or []]


def _bend(hull: Sequence[Sequence[float]]) -> list[dict[str, float]]:
    """Fill in the edges of the hull: straight in cost, they are bent on a logarithmic axis."""
    corners = np.array(hull, dtype=np.float64).reshape(-1, 2)  # [h, 2], also for none
    if len(corners) == 0:
        return []
    # A straight mixture is bent on a logarithmic axis, so two ends alone would not do.
    between = np.geomspace(max(corners[0, 0], 1e-9), corners[-1, 0], 200)
    # The corners too, or a bend would be cut off.
    at = np.union1d(between, corners[:, 0])
    accuracies = np.interp(at, corners[:, 0], corners[:, 1])
    return [{"cost": c, "accuracy": a} for c, a in zip(at, accuracies, strict=True)]


def _line(axes: Axes, curve: Any, role: str, label: str, dashes: Dashes) -> None:
    if curve:
        width = ROUTER_WIDTH if role == "router" else 1.5
        x = [point["cost"] for point in curve]
        y = [point["accuracy"] for point in curve]
        axes.plot(x, y, color=LIGHT[role], linestyle=dashes, linewidth=width, label=label)


def _band(axes: Axes, curve: Points) -> None:
    """Shade the interval of a curve where it is known."""
    known = [point for point in curve if point.get("accuracy_low") is not None]
    if known:
        x = [point["cost"] for point in known]
        low = [point["accuracy_low"] for point in known]
        high = [point["accuracy_high"] for point in known]
        axes.fill_between(x, low, high, color=LIGHT["router"], alpha=0.16, linewidth=0)


def _mark(axes: Axes, points: Points, marker: str, role: str, label: str) -> None:
    x = [point["cost"] for point in points]
    y = [point["accuracy"] for point in points]
    edge = LIGHT["surface"]
    axes.plot(x, y, marker, color=LIGHT[role], ms=7.5, mec=edge, label=label, zorder=4)


def _mark_tokens(axes: Axes, results: Results) -> None:
    """Mark the oracle rules, and the reported budgets with intervals of the accuracy."""
    for (rule, point), marker in zip(results.get("oracle", {}).items(), "^v", strict=False):
        _mark(axes, _renamed([point]), marker, "oracle", f"{rule} oracle")
    color = LIGHT["router"]
    edge = LIGHT["surface"]
    for point in (results.get("router") or {}).get("at", {}).values():
        x, y = point["tokens"], point["accuracy"]
        axes.plot([x, x], [point["accuracy_low"], point["accuracy_high"]], color=color, lw=1.3)
        axes.plot([x], [y], "o", color=color, ms=8, mec=edge, zorder=5)
        budget = f"{point['target']:g}"
        label = axes.annotate(budget, (x, y), (-6, 6), textcoords="offset points", ha="right")
        label.set_color(color)
        label.set_bbox({"facecolor": edge, "edgecolor": "none", "pad": 1.0})


def _name_scales(axes: Axes, fixed: Results) -> None:
    """Write the scale beside each fixed point, where the axis does not say it."""
    for scale, point in fixed.items():
        at = (point["cost"], point["accuracy"])
        label = axes.annotate(scale, at, (5, -11), textcoords="offset points", fontsize=8.5)
        label.set_color(LIGHT["ink"])


def _label_axes(axes: Axes, cost: Results, scales: Sequence[float]) -> None:
    axes.set_ylabel("accuracy on the test split")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    unit = cost.get("unit") or "cost"
    costs = [point["cost"] for point in (cost.get("fixed") or {}).values()]
    logarithmic = len(costs) > 1 and max(costs) > WIDE_RANGE * max(min(costs), 1e-9)
    axes.set_xlabel(f"mean {unit} per question{' (logarithmic)' if logarithmic else ''}")
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_locator(NullLocator())
        if unit == "visual tokens":
            axes.xaxis.set_major_locator(FixedLocator([float(scale) for scale in scales]))


def _paint(legend: Legend) -> None:
    legend.get_frame().set_edgecolor(LIGHT["grid"])
    legend.get_frame().set_facecolor(LIGHT["surface"])
    for text in legend.get_texts():
        text.set_color(LIGHT["ink"])
