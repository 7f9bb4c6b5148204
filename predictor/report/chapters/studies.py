"""The chapter of studies: what the features are worth, families left out, other words."""

from predictor.report.document import Block, Cell, Paragraph, Results, Row, Table
from predictor.report.wording import (
    _interval,
    drawing,
    gap,
    head_budget,
    head_key,
    number,
    percent,
    span,
)


def ablation(results: Results) -> list[Block]:
    """Make the chapter of what each block of features is worth.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    if not (results.get("ablation") or {}).get("rows"):
        return []
    found = results["ablation"]
    told = (
        f"The router trained without one block at a time, on {found.get('seeds', '?')} seeds, "
        f"judged on the {found.get('split', 'test')} split at {head_budget(results)} tokens."
    )
    return [Paragraph(told), ablation_table(results), drawing("ablation")]


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
        ["answers of the largest scale that flip", percent(found.get("fixed_changed"))],
    ]
    return Table(("other words", "value"), rows)
