"""The figures with one row per method, kind of router or block: a value and its interval.

Every `draw_...` takes an empty figure, results.json, and whether the figure is for a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from predictor.data import Results
from predictor.report.figures.palette import LIGHT
from predictor.report.wording import describe_kind, describe_method, gap, head_budget, head_key


@dataclass(frozen=True)
class Interval:
    """One row: a value, and the two ends of its interval."""

    label: str
    role: str  # of its colour; what is `muted` is drawn hollow
    value: float
    low: float
    high: float


def gap_rows(results: Results) -> list[Interval]:
    """List the gap closed by the router at every budget, then by all others at the headline's."""
    head = head_budget(results)
    rows: list[tuple[str, str, Results]] = [
        (f"router, {target} tokens", "router", point)
        for target, point in (results.get("router") or {}).get("at", {}).items()
    ]
    others = {**results.get("baselines", {}), "omniscient": results.get("omniscient")}
    for name, other in others.items():
        point = ((other or {}).get("at") or {}).get(head, {})
        role = "omniscient" if name == "omniscient" else "muted"
        rows.append((f"{describe_method(name)[0]}, {head}", role, point))
    return _known(rows, "ogc")


def _known(rows: Sequence[tuple[str, str, Results]], key: str) -> list[Interval]:
    """Leave out rows whose value or interval is unknown."""
    keys = (key, f"{key}_low", f"{key}_high")
    return [
        Interval(label, role, *(float(point[key]) for key in keys))
        for label, role, point in rows
        if all(point.get(key) is not None for key in keys)
    ]


def draw_gap(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw the share of the gap from hull to oracle that each method closes."""
    _draw_gaps(figure, gap_rows(results), narrow).set_ylabel("method, budget")


def draw_kinds(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw the share of the gap that each kind of router closes."""
    rows = [
        (describe_kind(row["name"])[0], "router" if row.get("is_default") else "muted", row)
        for row in results.get("zoo") or []
    ]
    _draw_gaps(figure, _known(rows, head_key(results)), narrow).set_ylabel("kind of router")


def draw_ablation(figure: Figure, results: Results, narrow: bool) -> None:
    """Draw what leaving out each block of features loses."""
    blocks = (results.get("ablation") or {}).get("rows") or []
    rows = _known([(str(row["block"]), "router", row) for row in blocks], "loss")
    axes = figure.add_subplot()
    axes.axvline(0.0, color=LIGHT["ink"], linewidth=1.1)
    _draw_rows(axes, rows)
    left = min([0.0, *(row.low for row in rows)])
    right = max([0.05, *(row.high for row in rows)])
    # Room at the right for the number that stands behind each interval.
    room = 0.22 if narrow else 0.1
    axes.set_xlim(left - 0.06 * (right - left), right + room * (right - left))
    axes.set(xlabel="loss in gap closed without it", ylabel="block left out")


def _draw_gaps(figure: Figure, rows: Sequence[Interval], narrow: bool) -> Axes:
    axes = figure.add_subplot()
    for x in (0.0, 1.0):
        axes.axvline(x, color=LIGHT["ink"], linewidth=1.1)
    _draw_rows(axes, rows)
    axes.set_xlim(
        max(min([-0.1, *(row.low for row in rows)]) - 0.05, -2.0),  # a bad control may be far left
        max([1.0, *(row.high for row in rows)]) + (0.2 if narrow else 0.1),
    )
    if narrow:
        axes.set_xlabel("share of the gap closed\n0: mixing fixed scales\n1: oracle")
    else:
        axes.set_xlabel("share of the gap closed (0: mixing fixed scales, 1: oracle)")
    return axes


def _draw_rows(axes: Axes, rows: Sequence[Interval]) -> None:
    # y grows upwards, and the first row belongs at the top.
    for y, row in enumerate(reversed(rows)):
        color = LIGHT[row.role]
        hollow = LIGHT["surface"] if row.role == "muted" else color
        axes.plot([row.low, row.high], [y, y], color=color, linewidth=2.2)
        axes.plot([row.value], [y], "o", color=color, mfc=hollow, ms=8, mew=1.8)
        end = (max(row.value, row.high), y)
        axes.annotate(gap(row.value), end, (7, 0), textcoords="offset points", va="center")
    for text in axes.texts:
        text.set_color(LIGHT["ink"])
    axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)])
    axes.set_ylim(-0.7, len(rows) - 0.3)
