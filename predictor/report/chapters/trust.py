"""Chapters on trust: calibration, certificates, unseen content, published metrics."""

from predictor.report.chapters.studies import paraphrase_table
from predictor.report.document import Block, Cell, Heading, Paragraph, Results, Row, Table
from predictor.report.wording import (
    CONTESTANTS,
    _gap_cell,
    _titled,
    drawing,
    gap,
    number,
    percent,
    tokens_text,
)


def calibration(results: Results) -> list[Block]:
    """Make the chapter of whether probabilities mean what they say.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    if not results.get("calibration"):
        return []
    return [drawing("reliability"), calibration_table(results)]


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
        "largest scale and wrong as routed, but for a chance of delta that it is not so. Kept or "
        f"broken is counted over {draws} calibration splits drawn anew."
    )
    return [Paragraph(told), certified_table(results)]


def outside(results: Results) -> list[Block]:
    """Make the chapter of unseen content: how bad it gets, and what the fallback costs.

    Args:
        results: results.json.

    Returns:
        Its blocks.
    """
    blocks: list[Block] = []
    if results.get("ood"):
        blocks.append(outside_table(results["ood"]))
    if results.get("fallback") or results.get("fallback_ood"):
        blocks += [Heading("With a fallback"), fallback_table(results)]
    for title, key, make in (
        ("Certified, with a fallback", "fallback_certified", safe_table),
        ("The same questions in other words", "paraphrase", paraphrase_table),
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
    blocks = _titled("Going up when unsure", results, "cascade", cascade_table)
    if (results["router"]).get("metrics"):
        blocks += [Heading("As other routing work measures"), metrics_table(results)]
    return blocks


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


def certified_table(results: Results) -> Table:
    """Make the table of certificates: the promise, whether it was kept, what it cost.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    rows: list[Row] = []
    for level in results["certified"].values():
        title = f"at most {percent(level['alpha'], 0)}, but for {percent(level['delta'], 0)}"
        if "risk" in level:
            values = [
                number(level["tokens"]),
                percent(level["risk"]),
                number(level["safe_tokens"]),
                percent(level["drawn_violations"]),
                percent(level.get("resplit_violations")),
                number(level["drawn_cost_ratio"], 2),
            ]
        else:
            values = ["not possible", *[""] * 5]
        below = f"needs {level['needed']} images, has {level['images']}"
        rows.append([Cell(title, below), *values])
    head = ("regressions promised", "mean tokens", "regressions on the test split")
    return Table(
        (
            *head,
            "tokens if the truth were known",
            "promise broken",
            "broken, dealt anew",
            "cost beside the truth",
        ),
        rows,
    )


def cascade_table(results: Results) -> Table:
    """Make the table of the confidence cascade.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    rows: list[Row] = [
        [
            f"cascade, budget {point['target']:g}",
            number(point["tokens"]),
            number(point["tokens_p95"]),
            percent(point["accuracy"]),
            gap(point["ogc"]),
        ]
        for point in results["cascade"]["at"].values()
    ]
    head = ("confidence cascade", "mean tokens, all scales that ran", "95 % of questions below")
    return Table((*head, "accuracy", "gap closed"), rows)


def metrics_table(results: Results) -> Table:
    """Make the table of the metrics of RouteLLM, RouterBench and MMR-Bench.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    routers = {"router": results["router"], **results.get("baselines", {})}
    routers["omniscient"] = results.get("omniscient") or {}
    rows: list[Row] = []
    for name, router in routers.items():
        found = router.get("metrics")
        if found:
            shares = [percent(found[key]) for key in ("cpt_50", "cpt_80")]
            areas = [number(found[key], 3) for key in ("aiq", "nauc", "qnc")]
            title = CONTESTANTS.get(name, (name, ""))[0]
            rows.append([title, number(found["apgr"], 3), *shares, *areas])
    return Table(("who", "APGR", "CPT(50 %)", "CPT(80 %)", "AIQ", "nAUC", "QNC"), rows)


def calibration_table(results: Results) -> Table:
    """Make the table of how well probabilities mean what they say.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    raw = results.get("calibration_raw") or {}
    rows: list[Row] = [
        [
            tokens_text(scale),
            *(
                Cell(number(found[key], 3), _before(raw.get(scale), key))
                for key in ("ece", "brier")
            ),
        ]
        for scale, found in results["calibration"].items()
    ]
    return Table(("P(correct) at", "calibration error", "Brier score"), rows)


def _before(found: Results | None, key: str) -> str:
    return f"before: {number(found[key], 3)}" if found else ""


def fallback_table(results: Results) -> Table:
    """Make the table of routing with and without the fallback for unseen content.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    rows: list[Row] = [
        [
            Cell(title, f"routed; largest scale beyond the outermost {percent(found['outlier'])}"),
            percent(found["share"]),
            *(
                f"{write(found['without'][key])} / {write(found['with'][key])}"
                for key, write in (
                    ("tokens", number),
                    ("accuracy", percent),
                    ("regression_rate", percent),
                )
            ),
        ]
        for key, title in (("fallback", "test split"), ("fallback_ood", "unseen content"))
        if (found := results.get(key))
    ]
    head = ("without / with fallback", "fell back", "mean tokens", "accuracy", "regressions")
    return Table(head, rows)


def safe_table(results: Results) -> Table:
    """Make the table of certified routing with the fallback, on the test split and unseen content.

    Args:
        results: results.json.

    Returns:
        The table.
    """
    rows: list[Row] = []
    for level in results["fallback_certified"].values():
        promise = f"at most {percent(level['alpha'], 0)}, but for {percent(level['delta'], 0)}"
        for key, title in (("test", "test split"), ("ood", "unseen content")):
            if found := level.get(key):
                routed, safe = found["without"], found["with"]
                lost = percent(routed["regression_rate"])
                cells: Row = [
                    Cell(promise, title),
                    percent(found["share"]),
                    Cell(percent(safe["regression_rate"]), f"without {lost}"),
                    percent(level["bound"]),
                    Cell(number(safe["tokens"]), f"without {number(routed['tokens'])}"),
                    percent(safe["accuracy"]),
                ]
                rows.append(cells)
    head = ("regressions promised", "fell back", "regressions", "wanted below", "mean tokens")
    return Table((*head, "accuracy"), rows)
