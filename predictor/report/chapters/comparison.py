"""The chapters of the report: which tables and figures stand together, and what introduces them.

A chapter gives its blocks, none where results.json has nothing for it.
"""

from predictor.report.document import Block, Cell, Folded, Heading, Paragraph, Results, Row, Table
from predictor.report.wording import (
    CONTESTANTS,
    COST_CAPTION,
    KINDS,
    _accuracy_span,
    _gap_cell,
    _interval,
    drawing,
    gap,
    head_budget,
    head_key,
    number,
    percent,
    points,
    router_name,
    short,
    span,
)


def curves(results: Results) -> list[Block]:
    """Make the chapter of accuracy against tokens, FLOPs and milliseconds.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    costs = results.get("costs") or {}
    blocks: list[Block] = [drawing("accuracy")]
    for unit, title in (("flops", "In FLOPs"), ("ms", "In milliseconds")):
        if costs.get(unit):
            note = str(costs[unit].get("note") or "")
            told = f"{note}{'. ' if note and not note.endswith('.') else ' '}{COST_CAPTION}"
            blocks += [Heading(title), Paragraph(told.strip()), drawing(unit)]
    if costs:
        return [*blocks, Heading("Parity in every unit"), costs_table(results)]
    return [*blocks, Paragraph("FLOPs and milliseconds: not measured.")]


def compared(results: Results) -> list[Block]:
    """Make the chapter of router, baselines, controls and limit at the headline's budget.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    level = percent(results.get("settings", {}).get("level", 0.95), 0)
    told = (
        f"Lambda, the price of a token, is solved on the calibration split for a mean of "
        f"{head_budget(results)} visual tokens and then left alone; what it costs on the test "
        f"split is in the table. Below a number stands its {level} interval. Controls are routers "
        "that should do badly: if one of them does not, something leaks."
    )
    return [
        *(Paragraph(told), compared_table(results), drawing("gap")),
        *(Heading("The router at every reported budget"), budgets_table(results)),
        Folded("Every training by itself", seeds_table(results)),
    ]


def zoo(results: Results) -> list[Block]:
    """Make the chapter that compares kinds of router.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    if not results.get("zoo"):
        return []
    told = (
        "Every kind is trained on the same rows and features and calibrated in the same way. They "
        "stand as the calibration split sorts them, which is what train --kind auto picks by; "
        "the test split has no say."
    )
    settings = Folded("Their settings", settings_table(results))
    return [Paragraph(told), zoo_table(results), drawing("zoo"), settings]


def costs_table(results: Results) -> Table:
    """Make the table of parity with the largest scale in every unit.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    rows: list[Row] = []
    for cost in results["costs"].values():
        parity, largest = cost.get("parity") or {}, list(cost["fixed"].values())[-1]
        value, low, high = (short(parity.get(key)) for key in ("cost", "cost_low", "cost_high"))
        paid = Cell(value, span(low, high))
        share, lost = percent(parity.get("share")), points(parity.get("drop"))
        rows.append([cost["unit"], short(largest["cost"]), paid, share, lost])
    head = ("unit", "always the largest", "at parity", "share", "accuracy, points")
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
