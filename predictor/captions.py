"""What stands below each figure of the report, and its name for those who cannot see it."""

from typing import Final

from predictor.document import Drawing

COST_CAPTION: Final = (
    "Lambda is solved again in this unit, and hull and oracle are those of this unit, so shares of "
    "the gap differ from those in tokens."
)

CAPTIONS: Final = {
    "accuracy": (
        "Accuracy against visual tokens",
        "Accuracy against mean visual tokens a question. Blue: the router as its knob turns, "
        "averaged over seeds; the circles are the reported budgets, with intervals. Everything on "
        "the thin solid line is reachable without a router; nothing can lie above the dotted one.",
    ),
    "flops": (
        "Accuracy against FLOPs",
        "Accuracy against mean floating-point operations a question. The shaded band is the "
        "interval; the numbers at the squares are the fixed scales.",
    ),
    "ms": (
        "Accuracy against milliseconds",
        "Accuracy against mean time a question. The shaded band is the interval; the numbers at "
        "the squares are the fixed scales.",
    ),
    "gap": (
        "Share of the gap that each contestant closes",
        "How much of the distance from the hull to the oracle each contestant closes at its own "
        "mean cost, with intervals. Filled: the router, and the omniscient router as its limit. "
        "Hollow: baselines and controls.",
    ),
    "zoo": (
        "Share of the gap that each kind of router closes",
        "The same for every kind of router at the headline's budget. Filled: the default.",
    ),
    "ablation": (
        "Gap closed that is lost without each block of features",
        "How much less of the gap is closed when a block is left out, with intervals. Where the "
        "interval holds 0, the block may be left out.",
    ),
    "scales": (
        "Scales needed and scales chosen, by family",
        "For each question family: the cheapest scale that was right, which nobody knows "
        "beforehand, beside the scale that the router chose at the headline budget. The numbers in "
        "the bars are visual tokens.",
    ),
    "reliability": (
        "Reliability of P(correct) at each scale",
        "How often a scale is right, against how often the router says so, in ten bins of P. On "
        "the dashed line it means what it says; a larger dot holds more questions.",
    ),
}
"""Figure to its name and its caption."""


def drawing(name: str) -> Drawing:
    """Give a figure's place in the report.

    Args:
        name: a key of `plots.PLOTS`.

    Returns:
        The place with name and caption.
    """
    return Drawing(name, *CAPTIONS[name])
