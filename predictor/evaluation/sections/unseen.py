"""Sections of results.json about content that a router was not trained on.

Takes a saved router as it is; nothing is trained.
"""

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import IntArray, Results, TrainData
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit
from predictor.evaluation.sweeps import route
from predictor.features.outliers import DensityGate
from predictor.routing_metrics.bootstrap import interval
from predictor.routing_metrics.gap import fixed_points
from predictor.routing_metrics.mixing import Mixture
from predictor.routing_metrics.regressions import regressed

OUTLIER = 0.01
"""Share of the calibration split beyond which the report's fallback takes the largest scale."""


def report_outside(data: TrainData, chosen: IntArray, settings: EvaluationSettings) -> Results:
    """Make section `ood`: choices on a split with unseen content, as if nothing had changed.

    Args:
        data: the split.
        chosen: index of the scale that the router chose at the headline budget [n].
        settings: what is reported.
    """
    prepared = PreparedSplit.prepare(data, settings)
    routed = Mixture.plain(chosen[:, None])
    point = prepared.points(routed)  # arrays [1, 1]
    low, high = interval(prepared.draws(routed).ogc, settings.level)
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
    """Compare routing at a mean budget with and without the fallback for unseen content.

    Returns:
        `outlier`, the `share` of questions that fall back, and tokens, accuracy and regression
        rate `with` and `without`; nothing if the router cannot tell what is unseen.
    """
    if bundle.gate is None:
        return {}
    return _compare(bundle.gate, data, route(bundle, data, budget))


def report_certified(bundle: RouterBundle, test: TrainData, outside: TrainData | None) -> Results:
    """Make section `fallback_certified`: certified routing with and without the fallback.

    Args:
        bundle: the router, with certificates.
        test: the test split, for which a certificate holds.
        outside: the split with unseen content, for which it does not, if there is one.

    Returns:
        Claim to what `report_fallback` gives, by split.
    """
    if bundle.gate is None:
        return {}
    section = {}
    for certificate in bundle.certificates:
        claim = certificate.claim
        level: Results = {"alpha": claim.alpha, "delta": claim.delta, "bound": 1.5 * claim.alpha}
        level["sentence"] = certificate.sentence
        for name, data in (("test", test), ("ood", outside)):
            if data is not None:
                raw = bundle.predict_raw(data.coarse, data.question, data.extras)
                level[name] = _compare(bundle.gate, data, certificate.choose(raw, data.tokens))
        section[str(claim)] = level
    return section


def _compare(gate: DensityGate, data: TrainData, chosen: IntArray) -> Results:
    """Measure choices [n] with and without the fallback to the largest scale."""
    outside = gate.find_outside(data.coarse, data.question, OUTLIER)  # [n]
    careful = np.where(outside, len(data.scales) - 1, chosen)  # [n]
    return {
        "outlier": OUTLIER,
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
