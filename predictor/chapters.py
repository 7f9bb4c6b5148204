"""The chapters of the report: which tables and figures stand together, and what introduces them.

A chapter gives its blocks, none where results.json has nothing for it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from predictor import study_tables, tables, trust_tables
from predictor.captions import COST_CAPTION, drawing
from predictor.document import Block, Folded, Heading, Paragraph, Table
from predictor.wording import head_budget, percent

Results = Mapping[str, Any]


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
        return [*blocks, Heading("Parity in every unit"), study_tables.costs_table(results)]
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
        *(Paragraph(told), tables.compared_table(results), drawing("gap")),
        *(Heading("The router at every reported budget"), tables.budgets_table(results)),
        Folded("Every training by itself", tables.seeds_table(results)),
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
    settings = Folded("Their settings", study_tables.settings_table(results))
    return [Paragraph(told), study_tables.zoo_table(results), drawing("zoo"), settings]


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
    return [Paragraph(told), study_tables.ablation_table(results), drawing("ablation")]


def fixed(results: Results) -> list[Block]:
    """Make the chapter of what needs no router: fixed scales and oracles.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    return [tables.fixed_table(results), tables.oracles_table(results)]


def granularity(results: Results) -> list[Block]:
    """Make the chapter of which scales questions need, and what choosing among them can gain.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    blocks: list[Block] = [drawing("scales")]
    blocks += [Heading("Cheapest scale that is right"), tables.needed_table(results)]
    if ladder := results.get("ladder"):
        told = f"{ladder['sentence']} A gain counts what stays right at all dearer scales too."
        blocks += [Heading("What a perfect choice gains over mixing fixed scales")]
        blocks += [Paragraph(told), study_tables.headroom_table(ladder)]
    return blocks


def families(results: Results) -> list[Block]:
    """Make the chapter of families, or data sets, one by one.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    blocks: list[Block] = [tables.families_table(results)]
    waste = _titled("What the choices waste", results, "router", study_tables.waste_table)
    if results.get("leave_one_out"):
        told = (
            "For each family the router is trained and calibrated on all others, so the family is "
            "a data set it has never seen; beside it the router that has seen it, and the one that "
            "falls back to the dearest scale where a question is unlike its training split."
        )
        blocks += [Heading("Left out of training, one at a time"), Paragraph(told)]
        blocks += [study_tables.left_out_table(results)]
    return [*blocks, *waste]


def calibration(results: Results) -> list[Block]:
    """Make the chapter of whether probabilities mean what they say.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    if not results.get("calibration"):
        return []
    return [drawing("reliability"), trust_tables.calibration_table(results)]


def promises(results: Results) -> list[Block]:
    """Make the chapter of certificates.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    if not results.get("certified"):
        return []
    draws = max(level.get("draws", 0) for level in results["certified"].values())
    told = (
        "A certificate says that of an image's questions at most a share alpha is right at the "
        "dearest scale and wrong as routed, but for a chance of delta that it is not so. Kept or "
        f"broken is counted over {draws} calibration splits drawn anew."
    )
    return [Paragraph(told), trust_tables.certified_table(results)]


def outside(results: Results) -> list[Block]:
    """Make the chapter of unseen content: how bad it gets, and what the fallback costs.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    blocks: list[Block] = []
    if results.get("ood"):
        blocks.append(tables.outside_table(results["ood"]))
    if results.get("fallback") or results.get("fallback_ood"):
        blocks += [Heading("With a fallback"), trust_tables.fallback_table(results)]
    for title, key, make in (
        ("Certified, with a fallback", "fallback_certified", trust_tables.safe_table),
        ("The same questions in other words", "paraphrase", study_tables.paraphrase_table),
    ):
        blocks += _titled(title, results, key, make)
    return blocks


def others(results: Results) -> list[Block]:
    """Make the chapter of the confidence cascade and of the metrics of other routing work.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    blocks = _titled("Going up when unsure", results, "cascade", trust_tables.cascade_table)
    if (results["router"]).get("metrics"):
        blocks += [Heading("As other routing work measures"), trust_tables.metrics_table(results)]
    return blocks


def _titled(
    title: str, results: Results, key: str, make: Callable[[Results], Table]
) -> list[Block]:
    """Give a heading and a table where results.json has what the table shows."""
    if not results.get(key):
        return []
    found = make(results)
    return [Heading(title), found] if found.rows else []
