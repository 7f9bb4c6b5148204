"""Tables of the studies: other units, kinds of router, features, families left out, paraphrases.

Like `tables.py`: every number is one of results.json.
"""

from collections.abc import Mapping
from typing import Any

from predictor.document import Cell, Row, Table
from predictor.wording import (
    KINDS,
    gap,
    head_budget,
    head_key,
    number,
    percent,
    points,
    router_name,
    short,
    span,
    tokens_text,
)

Results = Mapping[str, Any]


def costs_table(results: Results) -> Table:
    """Make the table of parity with the dearest scale in every unit.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    rows: list[Row] = []
    for cost in results["costs"].values():
        parity, dearest = cost.get("parity") or {}, list(cost["fixed"].values())[-1]
        value, low, high = (short(parity.get(key)) for key in ("cost", "cost_low", "cost_high"))
        paid = Cell(value, span(low, high))
        share, lost = percent(parity.get("share")), points(parity.get("drop"))
        rows.append([cost["unit"], short(dearest["cost"]), paid, share, lost])
    head = ("unit", "always the dearest", "at parity", "share", "accuracy, points")
    return Table(head, rows)


def zoo_table(results: Results) -> Table:
    """Make the table of kinds of router.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    key, rows = head_key(results), []
    for row in results["zoo"]:
        what = KINDS.get(row["name"], ("", ""))[1]
        told = "; ".join(
            part for part in ("the default" if row["is_default"] else "", what) if part
        )
        lost = points(row.get("parity_drop"))
        cells: Row = [
            Cell(router_name(row), told),
            gap(row.get(f"calibration_{key}")),
            _interval(row, key),
            _interval(row, "behind_router"),
            Cell(number(row.get("parity_tokens"), 0), "" if lost == "–" else f"{lost} points"),
            Cell(
                number(row.get("router_ms"), 3), f"alone {number(row.get('router_ms_single'), 2)}"
            ),
            number(row.get("router_mb"), 2),
            number(row.get("train_s")),
        ]
        rows.append(cells)
    strong = next((k for k, row in enumerate(results["zoo"]) if row["is_default"]), None)
    head = ("router", "gap closed, calibration", "gap closed, test", "behind the default")
    return Table((*head, "tokens to parity", "ms a question", "MB", "s to train"), rows, strong)


def _interval(row: Results, key: str) -> Cell:
    return Cell(gap(row.get(key)), span(gap(row.get(f"{key}_low")), gap(row.get(f"{key}_high"))))


def settings_table(results: Results) -> Table:
    """Make the table of every router's settings.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    rows: list[Row] = []
    for row in results["zoo"]:
        said = ", ".join(f"{key} {value}" for key, value in (row.get("settings") or {}).items())
        rows.append([router_name(row), said or "–"])
    return Table(("router", "settings"), rows, wordy=True)


def ablation_table(results: Results) -> Table:
    """Make the table of what each block of features is worth and costs.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    found, key = results["ablation"], head_key(results)
    full = found.get("full", {})
    rows: list[Row] = [
        [
            Cell(f"{row['block']} {row.get('version', '')}".strip(), str(row.get("what", ""))),
            str(row.get("columns", "–")),
            gap(row.get(f"{key}_without")),
            _interval(row, "loss"),
            gap(row.get("loss_calibration")),
            gap(row.get(f"{key}_alone")),
            number(row.get("ms"), 3),
        ]
        for row in found["rows"]
    ]
    whole: Row = ["all blocks", str(full.get("columns", "")), _interval(full, key)]
    rows.append([*whole, "", "", "", number(full.get("ms"), 3)])
    head = ("block", "columns", "gap closed without it", "lost", "lost, calibration")
    return Table((*head, "gap closed by it alone", "ms a question"), rows, len(rows) - 1)


def left_out_table(results: Results) -> Table:
    """Make the table of families that the router was not trained on.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    key, rows = head_key(results), []
    for name, found in results["leave_one_out"].items():
        seen, safe = found.get("seen") or {}, found.get("fallback") or {}
        cells: Row = [
            Cell(str(name), f"{found['n']} questions"),
            *(_interval(found, key), gap(seen.get(key))),
            _both(found, seen, "accuracy"),
            _both(found, seen, "tokens"),
            _both(found, seen, "regression_rate"),
            Cell(
                percent(safe.get("regression_rate")),
                f"{number(safe.get('tokens'), 0)} tokens, {percent(safe.get('share'), 0)} fell back"
                if safe
                else "",
            ),
        ]
        rows.append(cells)
    head = ("family left out", "gap closed", "gap closed, seen", "accuracy", "mean tokens")
    return Table((*head, "regressions", "regressions with the fallback"), rows)


def _both(found: Results, seen: Results, key: str) -> Cell:
    """Write a number, and below it what it is where the family was trained on."""
    write = number if key == "tokens" else percent
    return Cell(write(found.get(key)), f"seen: {write(seen[key])}" if key in seen else "")


def paraphrase_table(results: Results) -> Table:
    """Make the table of the same questions asked in other words.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    found, budget = results["paraphrase"], head_budget(results)
    low, high = (percent(found.get(f"changed_{budget}_{end}")) for end in ("low", "high"))
    moved = f"{percent(found.get('moved_up'))} up, {percent(found.get('moved_down'))} down"
    pairs = (("accuracy", percent), ("tokens", number))
    rows: list[Row] = [
        ["questions, images", f"{found.get('n', '–')}, {found.get('images', '–')}"],
        ["choices that change", Cell(percent(found.get(f"changed_{budget}")), span(low, high))],
        ["where they go", moved],
        *(
            [
                f"{name}, before and after",
                f"{write(found.get(name))}, {write(found.get(f'{name}_rephrased'))}",
            ]
            for name, write in pairs
        ),
        ["gap closed, other words", gap(found.get(f"ogc_{budget}_rephrased"))],
        ["answers of the dearest scale that flip", percent(found.get("fixed_changed"))],
    ]
    return Table(("other words", "value"), rows)


def headroom_table(ladder: Results) -> Table:
    """Make the table of what a perfect choice gains at the cost of each fixed scale.

    Args:
        ladder: section `ladder` of results.json, as `audit_ladder` makes it.

    Returns:
        The table.
    """
    rows: list[Row] = [
        [
            tokens_text(f"{point['tokens']:g}"),
            percent(point["hull"]),
            percent(point["oracle"]),
            percent(point["headroom"]),
        ]
        for point in ladder["headroom"]
    ]
    return Table(("mean cost", "mixing fixed scales", "oracle", "to gain"), rows)


def waste_table(results: Results) -> Table:
    """Make the table of tokens spent beyond need, and of knowing the family alone.

    Args:
        results: results.json.

    Returns:
        The table; no rows where none of this was measured.
    """
    rows: list[Row] = [
        [
            f"{point['target']:g}",
            number(point.get("token_regret")),
            percent(point.get("over")),
            percent(point.get("under")),
            Cell(percent(point.get("dataset_oracle")), f"{number(point['dataset_tokens'])} tokens"),
            percent(point.get("dataset_gain")),
        ]
        for point in results["router"]["at"].values()
        if point.get("dataset_tokens") is not None
    ]
    head = ("budget", "tokens beyond the cheapest right scale", "got more", "got less")
    return Table((*head, "best scale of each family", "router beside that"), rows)
