"""Sections of results.json about content that a router was not trained on.

Takes a saved router as it is; nothing is trained.
"""

import numpy as np
from numpy.typing import NDArray

from predictor.bundle.bundle import RouterBundle
from predictor.data import IntArray, Results, TrainData
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit
from predictor.evaluation.sweeps import route
from predictor.routing_metrics.bootstrap import interval
from predictor.routing_metrics.gap import fixed_points
from predictor.routing_metrics.regressions import regressed

OUTLIER = 0.01
"""Share of the calibration split beyond which the report's fallback takes the largest scale."""


def report_outside(bundle: RouterBundle, data: TrainData, settings: EvaluationSettings) -> Results:
    """Route a split with unseen content as if nothing had changed; section `ood`.

    Args:
        bundle: the router.
        data: the split.
        settings: what is reported, at the headline budget.

    Returns:
        What `outside_summary` gives.
    """
    return outside_summary(data, route(bundle, data, settings.headline), settings)


def outside_summary(data: TrainData, chosen: IntArray, settings: EvaluationSettings) -> Results:
    """Measure choices on a split with unseen content.

    Args:
        data: the split.
        chosen: index of the scale that the router chose at the headline budget [n].
        settings: what is reported.

    Returns:
        `n`, `fixed`, `router_at_<headline>` and `regression_rate`.
    """
    prepared = PreparedSplit.prepare(data, settings)
    point = prepared.points(chosen[:, None])  # arrays [1, 1]
    low, high = interval(prepared.draws(chosen[:, None]).ogc, settings.level)
    tokens, accuracy = fixed_points(data.scores, data.tokens)  # [s], [s]
    return {
        "n": len(data),
        "fixed": {
            str(scale): {"accuracy": accuracy[k], "tokens": tokens[k]}
            for k, scale in enumerate(data.scales)
        },
        f"router_at_{settings.headline:g}": {
            "tokens": point.tokens[0, 0],
            "accuracy": point.accuracy[0, 0],
            "ogc": point.ogc[0, 0],
            "ogc_low": low,
            "ogc_high": high,
        },
        "regression_rate": regressed(data.scores, chosen).mean(),
    }


def report_fallback(bundle: RouterBundle, data: TrainData, budget: float) -> Results:
    """Route a split with and without the fallback for unseen content.

    Args:
        bundle: the router.
        data: the split.
        budget: mean visual tokens.

    Returns:
        What `fallback_summary` gives; nothing if the router cannot tell what is unseen.
    """
    if bundle.gate is None:
        return {}
    outside = bundle.gate.find_outside(data.coarse, data.question, OUTLIER)
    return fallback_summary(data, route(bundle, data, budget), outside, OUTLIER)


def fallback_summary(
    data: TrainData, chosen: IntArray, outside: NDArray[np.bool_], outlier: float
) -> Results:
    """Compare routing with and without a fallback to the largest scale.

    Args:
        data: the split.
        chosen: index of the scale that the router chose [n].
        outside: whether a question is too unlike the training split [n].
        outlier: the share of the calibration split that `outside` was decided by.

    Returns:
        `outlier`, the `share` that fell back, and tokens, accuracy and regression rate `with` and
        `without`.
    """
    careful = np.where(outside, len(data.scales) - 1, chosen)
    return {
        "outlier": outlier,
        "share": outside.mean(),
        "without": _describe(data, chosen),
        "with": _describe(data, careful),
    }


def _describe(data: TrainData, chosen: IntArray) -> Results:
    rows = np.arange(len(data))
    return {
        "tokens": data.tokens[rows, chosen].mean(),
        "accuracy": data.scores[rows, chosen].mean(),
        "regression_rate": regressed(data.scores, chosen).mean(),
    }


def report_certified(bundle: RouterBundle, test: TrainData, outside: TrainData | None) -> Results:
    """Measure certified routing with the fallback, where its certificate holds and beyond.

    Args:
        bundle: the router, with certificates.
        test: the test split.
        outside: the split with unseen content, if there is one.

    Returns:
        Section `fallback_certified` of results.json; nothing if the router cannot tell what is
        unseen.
    """
    if bundle.gate is None:
        return {}
    section = {}
    for certificate in bundle.certificates:
        alpha, delta = certificate.alpha, certificate.delta
        level: Results = {"alpha": alpha, "delta": delta, "bound": 1.5 * alpha}
        for name, data in (("test", test), ("ood", outside)):
            if data is None:
                continue
            raw = bundle.predict_raw(data.coarse, data.question, data.extras)
            far = bundle.gate.find_outside(data.coarse, data.question, OUTLIER)
            level[name] = fallback_summary(data, certificate.choose(raw, data.tokens), far, OUTLIER)
        section[f"{alpha:g},{delta:g}"] = level
    return section
