"""Parts of a report about content that the router has not seen.

Takes a saved router as it is; nothing is trained.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from m3_backbone.files import plain
from predictor.data import IntArray, TrainData
from predictor.evaluation.runs import Bench, EvaluationSettings
from predictor.evaluation.sections.split import Section
from predictor.routing_metrics.bootstrap import interval
from predictor.routing_metrics.gap import fixed_points
from predictor.routing_metrics.regressions import regressed

if TYPE_CHECKING:
    from predictor.bundle.bundle import RouterBundle


def outside_summary(data: TrainData, chosen: IntArray, settings: EvaluationSettings) -> Section:
    """Make the `ood` section: a split with unseen content, routed as if nothing had changed.

    Args:
        data: the split.
        chosen: index of the scale that the router chose at the headline budget [n].
        settings: what is reported.

    Returns:
        `n`, `fixed`, `router_at_<headline>` and `regression_rate`, ready for JSON.
    """
    bench = Bench.prepare(data, settings)
    point, drawn = bench.points(chosen[:, None]), bench.draws(chosen[:, None])
    low, high = interval(drawn.ogc, settings.level)
    tokens, accuracy = fixed_points(data.scores, data.tokens)
    routed = {
        "tokens": point.tokens[0, 0],
        "accuracy": point.accuracy[0, 0],
        "ogc": point.ogc[0, 0],
        "ogc_low": low,
        "ogc_high": high,
    }
    summary: Section = plain(
        {
            "n": len(data),
            "fixed": {
                str(scale): {"accuracy": accuracy[k], "tokens": tokens[k]}
                for k, scale in enumerate(data.scales)
            },
            f"router_at_{settings.headline:g}": routed,
            "regression_rate": regressed(data.scores, chosen).mean(),
        }
    )
    return summary


def fallback_summary(
    data: TrainData, chosen: IntArray, outside: NDArray[np.bool_], outlier: float
) -> Section:
    """Compare routing with and without a fallback to the largest scale.

    Args:
        data: the split.
        chosen: index of the scale that the router chose [n].
        outside: whether a question is too unlike the training split [n].
        outlier: the share that decided this.

    Returns:
        `outlier`, the `share` that fell back, and tokens, accuracy and regression rate `with` and
        `without`, ready for JSON.
    """
    rows, after = np.arange(len(data)), np.where(outside, len(data.scales) - 1, chosen)
    found = {
        name: {
            "tokens": data.tokens[rows, picks].mean(),
            "accuracy": data.scores[rows, picks].mean(),
            "regression_rate": regressed(data.scores, picks).mean(),
        }
        for name, picks in (("without", chosen), ("with", after))
    }
    summary: Section = plain({"outlier": outlier, "share": outside.mean(), **found})
    return summary


OUTLIER = 0.01
"""Share of the calibration split beyond which the report's fallback takes the largest scale."""


def report_outside(
    bundle: "RouterBundle", data: "TrainData", settings: "EvaluationSettings"
) -> dict[str, Any]:
    """Route a split with unseen content as if nothing had changed.

    Args:
        bundle: the router.
        data: the split.
        settings: what is reported.

    Returns:
        Section `ood` of results.json.
    """
    pass

    return outside_summary(data, _choose(bundle, data, settings.headline), settings)


def report_fallback(bundle: "RouterBundle", data: "TrainData", budget: float) -> dict[str, Any]:
    """Route a split with and without the fallback for unseen content.

    Args:
        bundle: the router.
        data: the split.
        budget: mean visual tokens.

    Returns:
        What `fallback_summary` gives; nothing if the router cannot tell what is unseen.
    """
    pass

    if bundle.gate is None:
        return {}
    outside = bundle.gate.find_outside(data.coarse, data.question, OUTLIER)
    return fallback_summary(data, _choose(bundle, data, budget), outside, OUTLIER)


def report_certified(
    bundle: "RouterBundle",
    test: "TrainData",
    outside: "TrainData | None",
) -> dict[str, Any]:
    """Say what certified routing loses with the fallback, where its certificate holds and beyond.

    Args:
        bundle: the router, with certificates.
        test: the test split.
        outside: the split with unseen content, if there is one.

    Returns:
        Section `fallback_certified` of results.json.
    """
    pass

    if bundle.gate is None:
        return {}
    found = {}
    for proven in bundle.certificates:
        alpha, delta = proven.alpha, proven.delta
        rows: dict[str, Any] = {"alpha": alpha, "delta": delta, "bound": 1.5 * alpha}
        for name, data in (("test", test), ("ood", outside)):
            if data is None:
                continue
            raw = bundle.predict_raw(data.coarse, data.question, data.extras)
            chosen = proven.choose(raw, data.tokens)
            far = bundle.gate.find_outside(data.coarse, data.question, OUTLIER)
            rows[name] = fallback_summary(data, chosen, far, OUTLIER)
        found[f"{alpha:g},{delta:g}"] = rows
    return found


def _choose(bundle: "RouterBundle", data: "TrainData", budget: float) -> "IntArray":
    from predictor.policy.budgets import choose

    probabilities = bundle.predict_proba(data.coarse, data.question, data.extras)
    return choose(probabilities, data.tokens, bundle.lambda_for_budget(budget))
