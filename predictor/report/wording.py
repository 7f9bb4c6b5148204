"""Names of what is compared, captions, and numbers as text: what chapters and figures share."""

import math
from typing import Final

from predictor.data import Results
from predictor.report.document import Block, Cell, Drawing, Heading, Table

COST_CAPTION: Final = (
    "Lambda is solved again in this unit, and hull and oracle are computed in it, so shares of the "
    "gap differ from those in tokens."
)

CAPTIONS: Final = {
    "accuracy": (
        "Accuracy against visual tokens",
        "Accuracy against mean visual tokens per question. Blue: the router at all operating "
        "points, averaged over seeds; circles are the compared budgets, with intervals. Random "
        "mixing of fixed scales reaches the thin solid line without a router; nothing can lie "
        "above the dotted line.",
    ),
    "flops": (
        "Accuracy against FLOPs",
        "Accuracy against mean floating-point operations per question. The shaded band is the "
        "interval; the numbers beside the squares are the fixed scales.",
    ),
    "ms": (
        "Accuracy against milliseconds",
        "Accuracy against mean time per question. The shaded band is the interval; the numbers "
        "beside the squares are the fixed scales.",
    ),
    "gap": (
        "Share of the gap that each method closes",
        "How much of the distance from the hull to the oracle each method closes, with intervals. "
        "Filled: the router, and the omniscient router as its limit. Hollow: baselines and "
        "controls.",
    ),
    "zoo": (
        "Share of the gap that each kind of router closes",
        "The same for each kind of router at the headline budget. Filled: the one reported.",
    ),
    "ablation": (
        "Loss in gap closed without each block of features",
        "How much less of the gap is closed when a block is left out, with intervals. Where the "
        "interval contains 0, the block makes no measurable difference.",
    ),
    "scales": (
        "Scales needed and scales chosen, by family",
        "For each question family: the cheapest scale that was right, which is known only "
        "afterwards, beside the scale that the router chose at the headline budget. The numbers in "
        "the bars are visual tokens.",
    ),
    "reliability": (
        "Reliability of P(correct) at each scale",
        "How often a scale is right, against how often the router predicts that it is, in ten bins "
        "of P. On the dashed line predictions are exact; a larger dot holds more questions.",
    ),
}
"""Name of a figure to its title and its caption."""

METHODS: Final = {
    "router": ("router", "sees coarse tokens and question"),
    "linear": ("linear router", "the same features, one logistic regression per scale"),
    "knn": ("nearest neighbours", "the same features, the mean of the most similar rows"),
    "random_features": ("random features", "control: trained on random numbers"),
    "length_only": ("length only", "sees the length of the question, nothing else"),
    "shuffled_routing": ("shuffled routing", "control: the router's scales, for other questions"),
    "question_only": ("question only", "the router without the image"),
    "image_only": ("image only", "the router without the question"),
    "family_only": ("family only", "sees the question family, nothing else"),
    "shuffled_labels": ("shuffled labels", "control: trained on other questions' labels"),
    "omniscient": (
        "omniscient",
        "limit: sees family, size and place of what is asked about",
    ),
}
"""Name of a method in results.json to its name in the report and what it is."""

KINDS: Final = {
    "boosted": ("boosted trees", "LightGBM, one model for all scales"),
    "blend": ("blend", "mean of boosted trees and neural network"),
    "linear": ("linear", "one logistic regression per scale"),
    "knn": ("nearest neighbours", "number and metric are tuned"),
    "mlp": ("neural network", "binary cross-entropy"),
    "mlp rank": ("neural network, ranked", "AVG-LLaVA's loss: rank and cross-entropy"),
    "mlp cost": ("neural network, by cost", "cost-sensitive loss"),
    "ordinal": ("ordinal", "one linear score, one threshold per scale"),
    "constant": ("constant", "lower limit: the mean of each scale"),
}
"""Name of a router in section `zoo` to its name in the report and what it is."""

MISSING: Final = "–"


def percent(value: float | None, digits: int = 1) -> str:
    """Write a share in [0, 1] as a percentage, such as `61.2 %`."""
    return MISSING if value is None else f"{_plain(100 * float(value), digits)} %"


def points(value: float | None) -> str:
    """Write a loss of accuracy as the change it is, in percentage points.

    Args:
        value: what was lost, a difference of shares, or None.

    Returns:
        Such as `-0.4`; `+0.4` where the loss was negative.
    """
    if value is None:
        return MISSING
    # Results hold a loss, the report shows a change.
    written = _plain(-100 * float(value), 1)
    return written if float(written) <= 0 else f"+{written}"


def number(value: float | None, digits: int = 1) -> str:
    """Write a number with some digits after the point, such as `71.1`."""
    return MISSING if value is None else _plain(float(value), digits)


def short(value: float | None) -> str:
    """Write a number of any size at three digits, such as `576`, `49.4` or `0.372`."""
    if value is None:
        return MISSING
    # Three digits that count: 0.0123, 1.23, 123.
    size = 0 if not value else math.floor(math.log10(abs(value)))
    return _plain(float(value), max(0, 2 - size))


def _plain(value: float, digits: int) -> str:
    written = f"{value:.{digits}f}"
    return written.lstrip("-") if float(written) == 0 else written  # never -0.0


def gap(value: float | None) -> str:
    """Write a share of the gap that is closed, such as `0.58`."""
    return number(value, 2)


def span(low: str, high: str) -> str:
    """Write an interval, such as `0.53 to 0.62`; nothing where an end is missing."""
    return "" if MISSING in (low, high) else f"{low} to {high}"


def limit_share(head: Results, digits: int = 1) -> Cell:
    """Write how much of the limit's gap the router closes, with its interval below."""
    share, low, high = (
        percent(head.get(f"of_omniscient{end}"), digits) for end in ("", "_low", "_high")
    )
    return Cell(share, span(low, high))


def gap_cell(row: Results, key: str = "ogc") -> Cell:
    """Write a share of the gap, with its interval below."""
    return Cell(gap(row.get(key)), span(gap(row.get(f"{key}_low")), gap(row.get(f"{key}_high"))))


def accuracy_cell(point: Results) -> Cell:
    """Write an accuracy, with its interval below."""
    low, high = percent(point.get("accuracy_low")), percent(point.get("accuracy_high"))
    return Cell(percent(point["accuracy"]), span(low, high))


def tokens_text(scale: object) -> str:
    """Name a scale: `1 token`, `9 tokens`."""
    return "1 token" if str(scale) == "1" else f"{scale} tokens"


def describe_method(name: str) -> tuple[str, str]:
    """Give the report's name of a method or kind of router in results.json, and what it is."""
    return METHODS.get(name) or KINDS.get(name.replace("_", " ")) or (name, "")


def describe_kind(name: str) -> tuple[str, str]:
    """Give the report's name of a router in section `zoo`, and what it is."""
    return KINDS.get(name) or (name, "")


def head_budget(results: Results) -> str:
    """Name the headline's budget, such as `72`."""
    return f"{results.get('headline', {}).get('target', 72):g}"


def head_key(results: Results) -> str:
    """Name the gap closed at the headline's budget as results.json does, such as `ogc_72`."""
    return f"ogc_{head_budget(results)}"


def verdict(results: Results) -> str:
    """Give the sentence on whether routing pays; older results, which judged by hindsight, none."""
    ladder = results.get("ladder", {})
    return str(ladder["sentence"]) if "attainable" in ladder else ""


def pays(results: Results) -> bool:
    """Tell whether routing pays, or nobody has asked: only then is the gap closed a headline."""
    return bool(results.get("ladder", {}).get("verdict", "worth") == "worth")


def attainable(results: Results) -> Results:
    """Find what luck leaves attainable at the headline's budget, beside figures of all seeds.

    Nothing where repeats changed more than luck, since it is not that of the questions as they
    stand then. Nor of older results, which knew it of the first seed alone.
    """
    known: Results = results.get("attainable", {}).get(head_budget(results), {})
    if results.get("ladder", {}).get("shift") or "trainings" not in known:
        return {}
    return known


def banner(results: Results) -> str:
    """Say that splits are too small to say anything of quality; nothing where they are not."""
    fewest = results.get("settings", {}).get("fewest", 0)
    splits = results.get("meta", {}).get("splits", {})
    few = [
        f"{splits[name]['images']} images in the {name} split"
        for name in ("calibration", "test")
        if splits.get(name, {}).get("images", fewest) < fewest
    ]
    if not few:
        return ""
    return (
        f"Too few images: {' and '.join(few)}, at least {fewest} are needed. No figure here says "
        "how good the router is."
    )


def above_limit(results: Results) -> str:
    """Flag a router that is above what is called its limit; nothing where it is not."""
    if not results.get("headline", {}).get("above_omniscient"):
        return ""
    limits = results["omniscient"]["at"]
    budgets = ", ".join(
        key
        for key, point in results["router"]["at"].items()
        if None not in (point["ogc"], limits[key]["ogc"]) and point["ogc"] > limits[key]["ogc"]
    )
    return (
        f"At {budgets} tokens the router closes more of the gap than the omniscient router: what "
        "that one knows of the questions is less than what the features tell, so it is no limit "
        "there."
    )


def parity_text(value: str, established: bool | None) -> str:
    """Write a parity point, or that there is none; older results do not say, None."""
    return "not established" if established is False else value


def drawing(name: str) -> Drawing:
    """Give a figure's place in the report, with its title and caption."""
    return Drawing(name, *CAPTIONS[name])


def titled(title: str, *blocks: Block) -> list[Block]:
    """Give blocks a heading; nothing where one of them is a table without rows."""
    if any(isinstance(block, Table) and not block.rows for block in blocks):
        return []
    return [Heading(title), *blocks]
