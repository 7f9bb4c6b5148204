"""Chapters on the scales themselves: fixed scales, oracles, question families, headroom."""

from collections.abc import Callable
from typing import Final

from labels.oracle import ORACLE_RULES
from predictor.data import Results
from predictor.report.document import Block, Cell, Cells, Paragraph, Table
from predictor.report.wording import (
    accuracy_cell,
    drawing,
    gap,
    gap_cell,
    head_key,
    number,
    percent,
    span,
    titled,
    tokens_text,
)


def fixed(results: Results) -> list[Block]:
    """Show what needs no router: fixed scales and oracles."""
    return [_fixed_table(results), _oracles_table(results)]


def _fixed_table(results: Results) -> Table:
    needed = results.get("minimal_share", {})
    rows: list[Cells] = [
        [
            tokens_text(scale),
            number(point["tokens"]),
            accuracy_cell(point),
            percent(needed.get(scale)),
        ]
        for scale, point in results["fixed"].items()
    ]
    rows.append(["no scale right", "", "", percent(needed.get("never"))])
    return Table(("fixed scale", "mean tokens", "accuracy", "cheapest right scale"), rows)


def _oracles_table(results: Results) -> Table:
    rows: list[Cells] = [
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
    # The three columns of tokens differ in what a question counts that no scale gets right.
    head = (
        "oracle rule",
        "accuracy",
        "mean tokens, no scale right: cheapest",
        "… largest",
        "… left out",
        "share with no scale right",
    )
    return Table(head, rows)


def granularity(results: Results) -> list[Block]:
    """Show which scales questions need, and what choosing among them can gain."""
    needed = titled("Cheapest scale that is right", _needed_table(results))
    ladder = results.get("ladder")
    if not ladder:
        return [drawing("scales"), *needed]
    title = "What a choice in hindsight gains over mixing fixed scales"
    repeats = max(
        (one.get("repeats", 1) for one in results.get("attainable", {}).values()), default=1
    )
    text = REPEATED.format(repeats) if repeats > 1 else BOUNDED
    return [
        drawing("scales"),
        *needed,
        *titled(title, _headroom_table(ladder)),
        *titled("What of it luck may be", Paragraph(text), _luck_table(results, repeats > 1)),
        *([Paragraph(f"{ladder['shift']}.")] if ladder.get("shift") else []),
    ]


BOUNDED: Final = (
    "The oracle chooses with all outcomes known, so it also gains by luck. If luck strikes each "
    "scale independently, a choice that knew each question's probabilities would attain at least "
    'what stands under "attainable, at least" (never less than the router itself) and at most '
    "the oracle's; the share of that gap which the router closes then lies between the last two "
    "columns."
)

REPEATED: Final = (
    "The oracle chooses with all outcomes known, so it also gains by luck. Each question was asked "
    "{} times, as it stands and changed in what should not change its answer. The noise ceiling is "
    "what a choice would attain that knew how likely each scale is to be right, and no outcome; "
    "the cross-fitted oracle chooses by all repeats but one and is scored on that one, so it is "
    "below the ceiling but for chance. The ceiling is an estimate: near the truth in simulated "
    "tables where outcomes flip with 5 or 10 %, but too low where probabilities are of every size, "
    "so that the share of its gap that is closed looks too large. No interval holds that."
)


def _needed_table(results: Results) -> Table:
    parts = [*(str(scale) for scale in results["scales"]), "never"]
    rows: list[Cells] = [
        [name, *(percent(family["minimal_share"].get(part), 0) for part in parts)]
        for name, family in results["families"].items()
    ]
    scales = (tokens_text(scale) for scale in results["scales"])
    return Table(("family", *scales, "no scale"), rows)


def _headroom_table(ladder: Results) -> Table:
    rows: list[Cells] = [
        [
            tokens_text(f"{point['tokens']:g}"),
            percent(point["hull"]),
            percent(point["oracle"]),
            percent(point["headroom"]),
        ]
        for point in ladder["headroom"]
    ]
    return Table(("mean cost", "mixing fixed scales", "oracle", "headroom"), rows)


def _luck_table(results: Results, repeated: bool) -> Table:
    rows: list[Cells] = [
        [
            budget,
            number(point["tokens"]),
            percent(point["hull"]),
            percent(point["accuracy"]),
            Cell(percent(point["ceiling"]), _ends(point, "ceiling", percent)),
            *([percent(point["cross_fitted"])] if repeated else []),
            percent(point["oracle"]),
            gap(point["ogc_oracle"]),
            Cell(gap(point["ogc"]), _ends(point, "ogc", gap)),
        ]
        for budget, point in results.get("attainable", {}).items()
    ]
    head = (
        "budget",
        "mean tokens",
        "mixing fixed scales",
        "router",
        *(("noise ceiling", "cross-fitted oracle") if repeated else ("attainable, at least",)),
        "oracle",
        "gap closed, of the oracle's",
        "gap closed, of the attainable",
    )
    return Table(head, rows)


def _ends(point: Results, key: str, write: Callable[[float | None], str]) -> str:
    return span(write(point.get(f"{key}_low")), write(point.get(f"{key}_high")))


def families(results: Results) -> list[Block]:
    """Show families, or data sets, one by one."""
    text = (
        "For each family the router is trained and calibrated on all others, so the family is a "
        "data set that it has not seen. Beside it are the router that was trained on the family "
        "too, and the one that falls back to the largest scale for questions unlike its training "
        "split."
    )
    left_out = _left_out_table(results.get("leave_one_out") or {}, head_key(results))
    return [
        _families_table(results),
        *titled("Families left out of training, one at a time", Paragraph(text), left_out),
        *titled("Tokens above and below need", _waste_table(results)),
    ]


def _families_table(results: Results) -> Table:
    scales = [str(scale) for scale in results["scales"]]
    rows: list[Cells] = []
    for name, family in results["families"].items():
        accuracy = [percent(family[scale], 0) for scale in scales]
        routed = family.get("routed", {})
        routing = [percent(routed.get("accuracy"), 0), number(routed.get("tokens"), 0)]
        rows.append([name, str(family["n"]), *accuracy, *routing])
    titles = [tokens_text(scale) for scale in scales]
    return Table(("family", "questions", *titles, "routed", "mean tokens, routed"), rows)


def _left_out_table(families: Results, key: str) -> Table:
    rows: list[Cells] = []
    for name, family in families.items():
        trained_on = family.get("seen") or {}
        safe = family.get("fallback") or {}
        tokens = number(safe.get("tokens"), 0)
        share = percent(safe.get("share"), 0)
        rows.append(
            [
                Cell(str(name), f"{family['n']} questions"),
                gap_cell(family, key),
                gap(trained_on.get(key)),
                _both(family, trained_on, "accuracy"),
                _both(family, trained_on, "tokens"),
                _both(family, trained_on, "regression_rate"),
                Cell(
                    percent(safe.get("regression_rate")),
                    f"{tokens} tokens, {share} fell back" if safe else "",
                ),
            ]
        )
    head = (
        "family left out",
        "gap closed",
        "gap closed, trained on",
        "accuracy",
        "mean tokens",
        "regressions",
        "regressions with the fallback",
    )
    return Table(head, rows)


def _both(family: Results, trained_on: Results, key: str) -> Cell:
    """Write a number, and below it what it is where the family was trained on."""
    write = number if key == "tokens" else percent
    return Cell(
        write(family.get(key)), f"trained on: {write(trained_on[key])}" if key in trained_on else ""
    )


def _waste_table(results: Results) -> Table:
    rows: list[Cells] = [
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
    head = (
        "budget",
        "tokens beyond the cheapest right scale",
        "larger than needed",
        "smaller than needed",
        "best fixed scale per family",
        "router minus that",
    )
    return Table(head, rows)
