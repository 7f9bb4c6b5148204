"""The figures with one row for each thing that is compared: a value and its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from predictor.data import Results
from predictor.report.figures.palette import LIGHT
from predictor.report.wording import METHODS, gap, head_budget, head_key, router_name


@dataclass(frozen=True)
class Interval:
    """One row.

    Attributes:
        label: who or what.
        role: colour role; what has `muted` is drawn hollow.
        value: its value.
        low: lower end of its interval.
        high: upper end.
    """

    label: str
    role: str
    value: float
    low: float
    high: float


def gap_rows(results: Results) -> list[Interval]:
    """List who closes how much of the gap.

    Args:
        results: results.json.

    Returns:
        The router at every budget, then everybody else at the headline's; without a value, no row.
    """
    head = head_budget(results)
    found: list[tuple[str, str, Results]] = [
        (f"router, {target} tokens", "router", point)
        for target, point in (results.get("router") or {}).get("at", {}).items()
    ]
    others = {**results.get("baselines", {}), "omniscient": results.get("omniscient")}
    for name, other in others.items():
        point = ((other or {}).get("at") or {}).get(head, {})
        role = "omniscient" if name == "omniscient" else "muted"
        found.append((f"{METHODS.get(name, (name, ''))[0]}, {head}", role, point))
    return _known(found, ("ogc", "ogc_low", "ogc_high"))


def _known(found: Sequence[tuple[str, str, Results]], keys: tuple[str, str, str]) -> list[Interval]:
    return [
        Interval(label, role, *(float(point[key]) for key in keys))
        for label, role, point in found
        if all(point.get(key) is not None for key in keys)
    ]


def draw_gap(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw the share of the gap from hull to oracle that each method closes.

    Args:
        figure: an empty figure.
        results: results.json.
        narrow: break long labels.
    """
    _draw_gaps(figure, gap_rows(results), narrow).set_ylabel("method, budget")


def draw_kinds(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw the share of the gap that each kind of router closes.

    Args:
        figure: an empty figure.
        results: results.json.
        narrow: break long labels.
    """
    key = head_key(results)
    found = [
        (router_name(row), "router" if row.get("is_default") else "muted", row)
        for row in results.get("zoo") or []
    ]
    rows = _known(found, (key, f"{key}_low", f"{key}_high"))
    _draw_gaps(figure, rows, narrow).set_ylabel("kind of router")


def draw_ablation(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw what leaving out each block of features loses.

    Args:
        figure: an empty figure.
        results: results.json.
        narrow: break long labels.
    """
    parts = (results.get("ablation") or {}).get("rows") or []
    found = [(str(row["block"]), "router", row) for row in parts]
    rows, axes = _known(found, ("loss", "loss_low", "loss_high")), figure.add_subplot()
    axes.axvline(0.0, color=LIGHT["ink"], linewidth=1.1)
    _draw_rows(axes, rows)
    spread = max([0.05, *(row.high for row in rows)]) - min([0.0, *(row.low for row in rows)])
    axes.set_xlim(
        min([0.0, *(row.low for row in rows)]) - 0.06 * spread,
        max([0.05, *(row.high for row in rows)]) + (0.22 if narrow else 0.1) * spread,
    )
    axes.set(xlabel="loss in gap closed without it", ylabel="block left out")


def _draw_gaps(figure: Figure, rows: Sequence[Interval], narrow: bool) -> Axes:
    axes = figure.add_subplot()
    for x in (0.0, 1.0):
        axes.axvline(x, color=LIGHT["ink"], linewidth=1.1)
    _draw_rows(axes, rows)
    axes.set_xlim(
        max(min([-0.1, *(row.low for row in rows)]) - 0.05, -2.0),
        max([1.0, *(row.high for row in rows)]) + (0.2 if narrow else 0.1),
    )
    if narrow:
        axes.set_xlabel("share of the gap closed\n0: mixing fixed scales\n1: oracle")
    else:
        axes.set_xlabel("share of the gap closed (0: mixing fixed scales, 1: oracle)")
    return axes


def _draw_rows(axes: Axes, rows: Sequence[Interval]) -> None:
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
    axes.set_ylim(-0.7, len(rows) - 0.3)
