"""Chapters on the scales themselves: fixed scales, oracles, question families, headroom."""

from labels.oracle import ORACLE_RULES
from predictor.report.chapters.studies import left_out_table
from predictor.report.document import Block, Cell, Heading, Paragraph, Results, Row, Table
from predictor.report.wording import _accuracy_span, _titled, drawing, number, percent, tokens_text


def fixed(results: Results) -> list[Block]:
    """Make the chapter of what needs no router: fixed scales and oracles.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    return [fixed_table(results), oracles_table(results)]


def granularity(results: Results) -> list[Block]:
    """Make the chapter of which scales questions need, and what choosing among them can gain.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    blocks: list[Block] = [drawing("scales")]
    blocks += [Heading("Cheapest scale that is right"), needed_table(results)]
    if ladder := results.get("ladder"):
        told = f"{ladder['sentence']} A gain counts what stays right at all larger scales too."
        blocks += [Heading("What a perfect choice gains over mixing fixed scales")]
        blocks += [Paragraph(told), headroom_table(ladder)]
    return blocks


def families(results: Results) -> list[Block]:
    """Make the chapter of families, or data sets, one by one.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    blocks: list[Block] = [families_table(results)]
    waste = _titled("What the choices waste", results, "router", waste_table)
    if results.get("leave_one_out"):
        told = (
            "For each family the router is trained and calibrated on all others, so the family is "
            "a data set it has never seen; beside it the router that has seen it, and the one that "
            "falls back to the largest scale where a question is unlike its training split."
        )
        blocks += [Heading("Left out of training, one at a time"), Paragraph(told)]
        blocks += [left_out_table(results)]
    return [*blocks, *waste]


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
            *("… largest", "… left out", "share with no scale right"),
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
