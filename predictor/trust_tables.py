"""Tables of what can be promised: certificates, the cascade, metrics of others, the fallback.

Like `tables.py`: every number is one of results.json.
"""

from collections.abc import Mapping
from typing import Any

from predictor.markup import Markup, cell, table, text
from predictor.wording import CONTESTANTS, gap, number, percent, tokens_text

Results = Mapping[str, Any]


def certified_table(results: Results) -> Markup:
    """Make the table of certificates: the promise, whether it was kept, what it cost.

    Args:
        results: results.json.

    Returns:
        Markup.
    """
    rows = []
    for level in results["certified"].values():
        title = f"at most {percent(level['alpha'], 0)}, but for {percent(level['delta'], 0)}"
        if "risk" in level:
            values = [
                text(number(level["tokens"])),
                text(percent(level["risk"])),
                text(number(level["safe_tokens"])),
                text(percent(level["drawn_violations"])),
                text(number(level["drawn_cost_ratio"], 2)),
            ]
        else:
            values = [text("not possible"), *[text("")] * 4]
        below = f"needs {level['needed']} images, has {level['images']}"
        rows.append([cell(title, below), *values])
    head = ("regressions promised", "mean tokens", "regressions on the test split")
    return table(
        (*head, "tokens if the truth were known", "promise broken", "cost beside the truth"), rows
    )


def cascade_table(results: Results) -> Markup:
    """Make the table of the confidence cascade.

    Args:
        results: results.json.

    Returns:
        Markup.
    """
    rows = [
        [
            text(f"cascade, budget {point['target']:g}"),
            text(number(point["tokens"])),
            text(number(point["tokens_p95"])),
            text(percent(point["accuracy"])),
            text(gap(point["ogc"])),
        ]
        for point in results["cascade"]["at"].values()
    ]
    head = ("confidence cascade", "mean tokens, all scales that ran", "95 % of questions below")
    return table((*head, "accuracy", "gap closed"), rows)


def metrics_table(results: Results) -> Markup:
    """Make the table of the metrics of RouteLLM, RouterBench and MMR-Bench.

    Args:
        results: results.json.

    Returns:
        Markup.
    """
    routers = {"router": results["router"], **results.get("baselines", {})}
    routers["omniscient"] = results.get("omniscient") or {}
    rows = []
    for name, router in routers.items():
        found = router.get("metrics")
        if found:
            shares = [text(percent(found[key])) for key in ("cpt_50", "cpt_80")]
            areas = [text(number(found[key], 3)) for key in ("aiq", "nauc", "qnc")]
            title = text(CONTESTANTS.get(name, (name, ""))[0])
            rows.append([title, text(number(found["apgr"], 3)), *shares, *areas])
    return table(("who", "APGR", "CPT(50 %)", "CPT(80 %)", "AIQ", "nAUC", "QNC"), rows)


def calibration_table(results: Results) -> Markup:
    """Make the table of how well probabilities mean what they say.

    Args:
        results: results.json.

    Returns:
        Markup.
    """
    rows = [
        [text(tokens_text(scale)), text(number(found["ece"], 3)), text(number(found["brier"], 3))]
        for scale, found in results["calibration"].items()
    ]
    return table(("P(correct) at", "calibration error", "Brier score"), rows)


def fallback_table(results: Results) -> Markup:
    """Make the table of routing with and without the fallback for unseen content.

    Args:
        results: results.json.

    Returns:
        Markup.
    """
    rows = [
        [
            cell(title, f"routed; dearest scale beyond the outermost {percent(found['outlier'])}"),
            text(percent(found["share"])),
            *(
                text(f"{write(found['without'][key])} / {write(found['with'][key])}")
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
    return table(head, rows)
