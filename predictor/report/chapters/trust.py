"""Chapters on trust: calibration, certificates, unseen content, metrics of other routing work."""

from typing import Final

from predictor.data import Results
from predictor.report.document import Block, Cell, Cells, Paragraph, Table
from predictor.report.wording import (
    MISSING,
    describe_method,
    drawing,
    gap,
    gap_cell,
    head_budget,
    number,
    percent,
    span,
    titled,
    tokens_text,
)


def calibration(results: Results) -> list[Block]:
    """Show whether probabilities mean what they say."""
    if not results.get("calibration"):
        return []
    return [drawing("reliability"), _calibration_table(results)]


def _calibration_table(results: Results) -> Table:
    raw = results.get("calibration_raw") or {}
    rows: list[Cells] = []
    for scale, after in results["calibration"].items():
        before = raw.get(scale) or {}
        cells = [
            Cell(number(after[key], 3), f"before: {number(before[key], 3)}" if before else "")
            for key in ("ece", "brier")
        ]
        rows.append([tokens_text(scale), *cells])
    return Table(("P(correct) at", "calibration error", "Brier score"), rows)


def certificates(results: Results) -> list[Block]:
    """Show what each certificate states, whether it held, and what it cost."""
    if not results.get("certified"):
        return []
    draws = max(level.get("draws", 0) for level in results["certified"].values())
    fewest = results.get("settings", {}).get("fewest", 0)
    text = (
        "A certificate bounds a named loss, and holds for images like those of the calibration "
        "split. Each holds at a confidence of its own, not all of them at once. The violation rate "
        f"is counted over {draws} calibration splits that are drawn again, for the router as it "
        f"was trained. The loss in the worst family, of those with {fewest} images or more, is "
        "the largest of several that chance has moved, so it tends to look worse than it is; its "
        "interval leaves out that it was picked. A claim by family bounds the expected loss in "
        "each family that the calibration split has."
    )
    return [Paragraph(text), _certified_table(results)]


def _certified_table(results: Results) -> Table:
    rows: list[Cells] = []
    for claim, level in results["certified"].items():
        title = f"{claim}: refused, nothing is claimed"
        values: list[Cell | str] = [""] * 7
        if "risk" in level:
            title = _statement(level)
            values = [
                number(level["tokens"]),
                percent(level["risk"]),
                _family_cell(level.get("worst_family")),
                number(level["safe_tokens"]),
                percent(level["drawn_violations"]),
                percent(level.get("resplit_violations")),
                number(level["drawn_cost_ratio"], 2),
            ]
        images = f"needs {level['needed']} images, has {level['images']}"
        rows.append([Cell(title, images), *values])
    head = (
        "certified",
        "mean tokens",
        "loss on the test split",
        "loss in its worst family",
        "tokens, cheapest safe threshold on the test split",
        "violation rate",
        "violation rate, re-split",
        "cost of drawn certificates vs. the cheapest safe",
    )
    return Table(head, rows)


def _family_cell(worst: Results | None) -> Cell | str:
    if worst is None:
        return MISSING  # no two of enough images, nothing lost, or of older versions
    ends = span(percent(worst["risk_low"]), percent(worst["risk_high"]))
    which = f"{worst['name']}, {worst['questions']} questions, worst of {worst['of']}"
    return Cell(percent(worst["risk"]), f"{ends}; {which}")


def _statement(level: Results) -> str:
    if "sentence" in level:
        return str(level["sentence"])
    # Results of older versions: one loss, averaged over images.
    least = percent(1 - level["delta"], 0)
    return f"regressions of an image at most {percent(level['alpha'], 0)}, confidence {least}"


def outside(results: Results) -> list[Block]:
    """Show unseen content: how bad it gets, and what the fallback costs."""
    blocks: list[Block] = []
    if results.get("ood"):
        blocks.append(_outside_table(results["ood"]))
    blocks += titled("With the fallback", _fallback_table(results))
    certified = _safe_table(results)
    blocks += titled("Certified routing with the fallback", Paragraph(BEYOND), certified)
    if study := results.get("paraphrase"):
        table = _paraphrase_table(study, head_budget(results))
        blocks += titled("The same questions rephrased", table)
    return blocks


BEYOND: Final = (
    "The certified loss is the one that the certificate names: that with the fallback, and below "
    "it that without, which is what was certified for images like those of the calibration split. "
    "On unseen content no bound is certified; the column shows by how much it would be missed."
)


def _outside_table(outside: Results) -> Table:
    rows: list[Cells] = []
    for scale, point in outside.get("fixed", {}).items():
        title = f"always {tokens_text(scale)}"
        rows.append([title, number(point["tokens"]), percent(point["accuracy"]), "", ""])
    for name, point in outside.items():
        if name.startswith("router_at_"):
            rows.append(
                [
                    f"router, budget {name.removeprefix('router_at_')}",
                    number(point["tokens"]),
                    percent(point["accuracy"]),
                    gap_cell(point),
                    percent(outside.get("regression_rate")),
                ]
            )
    head = ("split with unseen content", "mean tokens", "accuracy", "gap closed", "regressions")
    return Table(head, rows)


def _fallback_table(results: Results) -> Table:
    rows: list[Cells] = []
    for key, title in (("fallback", "test split"), ("fallback_ood", "unseen content")):
        if study := results.get(key):
            known = percent(1 - study["outlier"])
            below = f"largest scale for what lies farther out than {known} of the calibration split"
            without = study["without"]
            safe = study["with"]
            cells = [
                f"{write(without[name])} / {write(safe[name])}"
                for name, write in (
                    ("tokens", number),
                    ("accuracy", percent),
                    ("regression_rate", percent),
                )
            ]
            rows.append([Cell(title, below), percent(study["share"]), *cells])
    head = ("without / with fallback", "fell back", "mean tokens", "accuracy", "regressions")
    return Table(head, rows)


def _safe_table(results: Results) -> Table:
    rows: list[Cells] = []
    for level in (results.get("fallback_certified") or {}).values():
        for key, title in (("test", "test split"), ("ood", "unseen content")):
            if study := level.get(key):
                routed = study["without"]
                safe = study["with"]
                rows.append(
                    [
                        Cell(_statement(level), title),
                        percent(study["share"]),
                        _loss_cell(safe, routed),
                        percent(level["alpha"]),
                        Cell(number(safe["tokens"]), f"without {number(routed['tokens'])}"),
                        percent(safe["accuracy"]),
                    ]
                )
    head = (
        "certified",
        "fell back",
        "certified loss",
        "bound certified",
        "mean tokens",
        "accuracy",
    )
    return Table(head, rows)


def _loss_cell(safe: Results, routed: Results) -> Cell | str:
    if "loss" not in safe:
        return MISSING  # of older versions, which showed regressions whatever was certified
    return Cell(percent(safe["loss"]), f"without {percent(routed['loss'])}")


def _paraphrase_table(study: Results, budget: str) -> Table:
    low, high = (percent(study.get(f"changed_{budget}_{end}")) for end in ("low", "high"))
    accuracy, tokens = (
        f"{write(study.get(name))}, {write(study.get(f'{name}_rephrased'))}"
        for name, write in (("accuracy", percent), ("tokens", number))
    )
    moved = f"{percent(study.get('moved_up'))} up, {percent(study.get('moved_down'))} down"
    rows: list[Cells] = [
        ["questions, images", f"{study.get('n', MISSING)}, {study.get('images', MISSING)}"],
        ["choices that change", Cell(percent(study.get(f"changed_{budget}")), span(low, high))],
        ["direction", moved],
        ["accuracy, original and rephrased", accuracy],
        ["tokens, original and rephrased", tokens],
        ["gap closed, rephrased", gap(study.get(f"ogc_{budget}_rephrased"))],
        ["answers of the largest scale that change", percent(study.get("fixed_changed"))],
    ]
    return Table(("rephrased questions", "value"), rows)


def others(results: Results) -> list[Block]:
    """Show the confidence cascade, and the metrics of other routing work."""
    return [
        *titled("Confidence cascade", _cascade_table(results)),
        *titled("Metrics of other routing work", _metrics_table(results)),
    ]


def _cascade_table(results: Results) -> Table:
    rows: list[Cells] = [
        [
            f"cascade, budget {point['target']:g}",
            number(point["tokens"]),
            number(point["tokens_p95"]),
            percent(point["accuracy"]),
            gap(point["ogc"]),
        ]
        for point in (results.get("cascade") or {"at": {}})["at"].values()
    ]
    head = (
        "method",
        "mean tokens, all scales that ran",
        "tokens, 95th percentile",
        "accuracy",
        "gap closed",
    )
    return Table(head, rows)


def _metrics_table(results: Results) -> Table:
    """Make the table of the metrics of RouteLLM, RouterBench and MMR-Bench."""
    routers = {
        "router": results["router"],
        **results.get("baselines", {}),
        "omniscient": results.get("omniscient") or {},
    }
    rows: list[Cells] = []
    for name, router in routers.items():
        if metrics := router.get("metrics"):
            rows.append(
                [
                    describe_method(name)[0],
                    number(metrics["apgr"], 3),
                    percent(metrics["cpt_50"]),
                    percent(metrics["cpt_80"]),
                    number(metrics["aiq"], 3),
                    number(metrics["nauc"], 3),
                    number(metrics["qnc"], 3),
                ]
            )
    return Table(("method", "APGR", "CPT(50 %)", "CPT(80 %)", "AIQ", "nAUC", "QNC"), rows)
