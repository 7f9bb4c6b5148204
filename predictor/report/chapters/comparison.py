"""Chapters that compare: accuracy against cost, and the router beside baselines and controls.

In all chapters a function without an underscore makes a chapter: a list of blocks, empty where
results.json has nothing for it. The tables it holds are below it.
"""

from predictor.data import Results
from predictor.report.document import Block, Cell, Cells, Folded, Heading, Paragraph, Table
from predictor.report.wording import (
    COST_CAPTION,
    above_limit,
    accuracy_cell,
    attainable,
    describe_method,
    drawing,
    gap,
    gap_cell,
    head_budget,
    number,
    parity_text,
    percent,
    points,
    short,
    span,
    titled,
)


def curves(results: Results) -> list[Block]:
    """Show accuracy against tokens, FLOPs and milliseconds."""
    costs = results.get("costs") or {}
    blocks: list[Block] = [drawing("accuracy")]
    for unit, title in (("flops", "In FLOPs"), ("ms", "In milliseconds")):
        if costs.get(unit):
            note = str(costs[unit].get("note") or "")
            end = "." if note and not note.endswith(".") else ""
            text = f"{note}{end} {COST_CAPTION}".strip()
            blocks += titled(title, Paragraph(text), drawing(unit))
    if not costs:
        return [*blocks, Paragraph("FLOPs and milliseconds: not measured.")]
    text = "What a scale costs is taken as known: no interval holds an error of it."
    if "ms" in costs and (noise := (results.get("meta", {}).get("profile") or {}).get("noise")):
        text += (
            f" Times are the least of several rounds; the median was {percent(noise, 0)} higher."
        )
    return [*blocks, *titled("Parity in each unit", Paragraph(text), _costs_table(costs))]


def _costs_table(costs: Results) -> Table:
    rows: list[Cells] = []
    for cost in costs.values():
        parity = cost.get("parity") or {}
        largest = list(cost["fixed"].values())[-1]
        interval = span(short(parity.get("cost_low")), short(parity.get("cost_high")))
        rows.append(
            [
                cost["unit"],
                short(largest["cost"]),
                Cell(parity_text(short(parity.get("cost")), parity.get("established")), interval),
                percent(parity.get("share")),
                points(parity.get("drop")),
            ]
        )
    return Table(("unit", "largest scale", "at parity", "share", "accuracy, points"), rows)


def compared(results: Results) -> list[Block]:
    """Show router, baselines, controls and limit at the headline's budget."""
    level = percent(results.get("settings", {}).get("level", 0.95), 0)
    text = (
        f"{_tell_cost(results)} The {level} interval of a number stands with it. What is marked "
        "as a control must close no gap: one above 0 would mean that test outcomes leak into the "
        "procedure, one at 0 does not exclude every leak. Question, image, family and length only "
        "are no controls but baselines that see less."
    )
    flag = above_limit(results)
    return [
        Paragraph(text),
        *([Paragraph(flag)] if flag else []),
        _compared_table(results),
        drawing("gap"),
        Heading("The router at each reported budget"),
        _budgets_table(results),
        Folded("Each training by itself", _seeds_table(results)),
    ]


def _tell_cost(results: Results) -> str:
    """Tell what those that are compared cost."""
    budget = head_budget(results)
    share = results["headline"].get("share")
    if share is None:
        # Results of older versions.
        return (
            "Lambda, the price of a token, is solved on the calibration split for a mean of "
            f"{budget} visual tokens and then fixed; the cost on the test split is in the table."
        )
    return (
        f"All spend {budget} visual tokens per question on the test split, {percent(share)} of the "
        "largest scale, or less where no more pays: a coin decides between two neighbouring "
        "operating points of each, by their costs and by no outcome. What the lambda of the "
        "calibration split gives stands in the table of budgets."
    )


def _compared_table(results: Results) -> Table:
    budget = head_budget(results)
    controls = results.get("controls", {})
    routers = {
        "router": results["router"],
        **results.get("baselines", {}),
        "omniscient": results.get("omniscient"),
    }
    rows: list[Cells] = []
    for name, router in routers.items():
        point = ((router or {}).get("at") or {}).get(budget)
        if point:
            rows.append(_compared_row(name, point, controls.get(name, {})))
    point = results["router"]["at"][budget]
    hull = Cell("hull", "random mixing of two fixed scales at the router's cost")
    oracle = Cell("oracle", "the best choice per question at the router's cost")
    rows.append([hull, "0", number(point["tokens"]), percent(point.get("hull")), ""])
    if (known := attainable(results)).get("ceiling_ogc") is not None:
        rows.append(_ceiling_row(known))
    rows.append([oracle, "1", number(point["tokens"]), percent(point.get("oracle")), ""])
    head = ("method", "gap closed", "mean tokens", "accuracy", "behind the router")
    return Table(head, rows, strong=0)


def _ceiling_row(known: Results) -> Cells:
    """Show what luck leaves to any choice, at the cost of the router."""
    name = (
        Cell("noise ceiling", "oracle on estimated success probabilities (from repeats)")
        if known.get("repeats", 1) > 1
        else Cell("attainable, at least", "oracle on latent classes (from one run)")
    )
    closed, tokens = gap(known["ceiling_ogc"]), number(known["tokens"])
    return [name, closed, tokens, percent(known["ceiling"]), ""]


def _compared_row(name: str, point: Results, control: Results) -> Cells:
    return [
        Cell(*describe_method(name)),
        gap_cell(point),
        number(point["tokens"]),
        accuracy_cell(point),
        gap_cell(control, "behind_router") if control else "",
    ]


def _budgets_table(results: Results) -> Table:
    at = results["router"]["at"]
    rows: list[Cells] = [
        [
            f"{point['target']:g}",
            number(point["tokens"]),
            accuracy_cell(point),
            percent(point.get("hull")),
            percent(point.get("oracle")),
            gap_cell(point),
            percent(point["regression_rate"]),
            percent(point["rescue_rate"]),
            _solved_cell(point.get("solved")),
        ]
        for point in at.values()
    ]
    head = (
        "budget",
        "mean tokens",
        "accuracy",
        "hull at that cost",
        "oracle at that cost",
        "gap closed",
        "regressions",
        "rescues",
        "tokens at the lambda of the calibration split",
    )
    return Table(head, rows, strong=list(at).index(head_budget(results)))


def _solved_cell(solved: Results | None) -> Cell | str:
    if solved is None:
        return ""  # of older versions, whose row is all solved
    return Cell(number(solved["tokens"]), f"accuracy {percent(solved['accuracy'])}")


def _seeds_table(results: Results) -> Table:
    rows: list[Cells] = [
        [
            str(run["seed"]),
            number(run["tokens"]),
            percent(run["accuracy"]),
            gap(run["ogc"]),
            percent(run["regression_rate"]),
        ]
        for run in results["router"]["at"][head_budget(results)]["per_seed"]
    ]
    return Table(("seed", "mean tokens", "accuracy", "gap closed", "regressions"), rows)
