"""The report's tables, from results.json to HTML.

Every number in a cell is a number of results.json, written by `wording.py`; nothing is computed
here beyond formatting.
"""

from collections.abc import Mapping
from typing import Any

from predictor.document import Cell, Row, Table
from predictor.rules import ORACLE_RULES
from predictor.wording import CONTESTANTS, gap, number, percent, span, tokens_text

Results = Mapping[str, Any]


def compared_table(results: Results) -> Table:
    """Make the table of everything that was compared at the headline budget.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    head = f"{results['headline']['target']:g}"
    others = {**results.get("baselines", {}), "omniscient": results.get("omniscient")}
    rows: list[Row] = []
    for name, other in {"router": results["router"], **others}.items():
        point = ((other or {}).get("at") or {}).get(head)
        if point:
            rows.append(_compared_row(name, point, results.get("controls", {}).get(name, {})))
    router = results["router"]["at"][head]
    for title, what, key in (
        ("hull", "what mixing two fixed scales gives at the router's cost", "hull"),
        ("oracle", "what the best choice per question gives at the router's cost", "oracle"),
    ):
        closed = {"hull": "0", "oracle": "1"}[key]
        known = [closed, number(router["tokens"]), percent(router.get(key))]
        rows.append([Cell(title, what), *known, ""])
    columns = ("who", "gap closed", "mean tokens", "accuracy", "behind the router")
    return Table(columns, rows, strong=0)


def _compared_row(name: str, point: Results, control: Results) -> Row:
    title, what = CONTESTANTS.get(name, (name, ""))
    behind = span(gap(control.get("behind_router_low")), gap(control.get("behind_router_high")))
    return [
        Cell(title, what),
        _gap_cell(point),
        number(point["tokens"]),
        Cell(percent(point["accuracy"]), _accuracy_span(point)),
        Cell(gap(control["behind_router"]), behind) if control else "",
    ]


def _gap_cell(point: Results) -> Cell:
    return Cell(gap(point.get("ogc")), span(gap(point.get("ogc_low")), gap(point.get("ogc_high"))))


def _accuracy_span(point: Results) -> str:
    return span(percent(point.get("accuracy_low")), percent(point.get("accuracy_high")))


def budgets_table(results: Results) -> Table:
    """Make the table of the router at every reported budget.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    at = results["router"]["at"]
    rows: list[Row] = [
        [
            f"{point['target']:g}",
            number(point["tokens"]),
            Cell(percent(point["accuracy"]), _accuracy_span(point)),
            percent(point.get("hull")),
            percent(point.get("oracle")),
            _gap_cell(point),
            percent(point["regression_rate"]),
            percent(point["rescue_rate"]),
        ]
        for point in at.values()
    ]
    head = ("budget", "mean tokens", "accuracy", "hull there", "oracle there", "gap closed")
    strong = list(at).index(f"{results['headline']['target']:g}")
    return Table((*head, "regressions", "rescues"), rows, strong)


def seeds_table(results: Results) -> Table:
    """Make the table of single trainings at the headline budget.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    rows: list[Row] = [
        [
            str(run["seed"]),
            number(run["tokens"]),
            percent(run["accuracy"]),
            gap(run["ogc"]),
            percent(run["regression_rate"]),
        ]
        for run in results["router"]["at"][f"{results['headline']['target']:g}"]["per_seed"]
    ]
    return Table(("seed", "mean tokens", "accuracy", "gap closed", "regressions"), rows)


def fixed_table(results: Results) -> Table:
    """Make the table of fixed scales: accuracy, and how often each is the cheapest that is right.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    needed = results.get("minimal_share", {})
    rows: list[Row] = [
        [
            tokens_text(scale),
            number(point["tokens"]),
            Cell(percent(point["accuracy"]), _accuracy_span(point)),
            percent(needed.get(scale)),
        ]
        for scale, point in results["fixed"].items()
    ]
    never = percent(needed.get("never"))
    rows.append(["no scale right", "", "", never])
    return Table(("always", "mean tokens", "accuracy", "cheapest that is right"), rows)


def oracles_table(results: Results) -> Table:
    """Make the table of oracle rules, each under three conventions for always-wrong questions.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    rows: list[Row] = [
        [
            Cell(rule, ORACLE_RULES.get(rule, "")),
            percent(point["accuracy"]),
            number(point["tokens"]),
            number(point.get("tokens_dearest")),
            number(point.get("tokens_drop")),
            percent(point.get("never")),
        ]
        for rule, point in results["oracle"].items()
    ]
    return Table(
        (
            *("oracle rule", "accuracy", "mean tokens, no scale right: cheapest"),
            *("… dearest", "… left out", "share with no scale right"),
        ),
        rows,
    )


def families_table(results: Results) -> Table:
    """Make the table of every family's accuracy, at each scale and routed.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    scales = [str(scale) for scale in results["scales"]]
    rows: list[Row] = []
    for name, family in results["families"].items():
        accuracy = [percent(family[scale], 0) for scale in scales]
        routed = family.get("routed", {})
        routing = [percent(routed.get("accuracy"), 0), number(routed.get("tokens"), 0)]
        rows.append([name, str(family["n"]), *accuracy, *routing])
    head = ("family", "questions", *(tokens_text(scale) for scale in scales))
    return Table((*head, "routed", "mean tokens, routed"), rows)


def needed_table(results: Results) -> Table:
    """Make the table of how often each scale is the cheapest right one, family by family.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    parts = [*(str(scale) for scale in results["scales"]), "never"]
    rows: list[Row] = [
        [name, *(percent(family["minimal_share"].get(part), 0) for part in parts)]
        for name, family in results["families"].items()
    ]
    scales = (tokens_text(scale) for scale in results["scales"])
    return Table(("family", *scales, "no scale"), rows)


def outside_table(outside: Results) -> Table:
    """Make the table of the split with unseen pictures, words and backgrounds.

    Args:
        outside: section `ood` of results.json, as `outside_summary` makes it.

    Returns:
        The table.
    """
    rows: list[Row] = [
        [
            f"always {tokens_text(scale)}",
            number(point["tokens"]),
            percent(point["accuracy"]),
            "",
            "",
        ]
        for scale, point in outside.get("fixed", {}).items()
    ]
    for name, point in outside.items():
        if name.startswith("router_at_"):
            main = [number(point["tokens"]), percent(point["accuracy"])]
            lost = percent(outside.get("regression_rate"))
            title = f"router, budget {name.removeprefix('router_at_')}"
            rows.append([title, *main, _gap_cell(point), lost])
    head = ("split with unseen content", "mean tokens", "accuracy", "gap closed", "regressions")
    return Table(head, rows)


def meta_table(results: Results) -> Table:
    """Make the table of what was run, where and how long it took.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    flat = _flatten({**results.get("meta", {}), "settings": results.get("settings", {})})
    return Table(("what", "value"), [[key, value] for key, value in flat.items()], wordy=True)


def _flatten(values: Mapping[str, Any], before: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in values.items():
        name = f"{before}{key}".replace("_", " ")
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{name}, "))
        elif value is not None:
            flat[name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return flat
