"""Sections of results.json about content that a router was not trained on.

Takes a saved router as it is; nothing is trained.
"""

from collections.abc import Callable
from functools import partial

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import IntArray, Results, TrainData
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit
from predictor.evaluation.sweeps import route
from predictor.features.outliers import OUTLIER, DensityGate
from predictor.policy.claims import Claim, Counting, Losses
from predictor.routing_metrics.bootstrap import interval
from predictor.routing_metrics.gap import fixed_points
from predictor.routing_metrics.mixing import Mixture
from predictor.routing_metrics.regressions import measure_choice, regressed


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
        `outlier`, the `share` of questions that fall back, and what `measure_choice` gives `with`
        and `without`; nothing if the router cannot tell what is unseen.
    """
    if bundle.gate is None:
        return {}
    chosen = route(bundle, data, budget)
    return _compare(bundle.gate, data, chosen, partial(measure_choice, data))


def report_certified(
    bundle: RouterBundle, calibration: TrainData, test: TrainData, outside: TrainData | None
) -> Results:
    """Make section `fallback_certified`: certified routing with and without the fallback.

    Args:
        bundle: the router, with certificates.
        calibration: the calibration split; a certificate is about no other families than it has.
        test: the test split, for which a certificate holds.
        outside: the split with unseen content, for which it does not, if there is one.

    Returns:
        Claim to what `report_fallback` gives, by split, and the `loss` that the claim is about, in
        the worst family of the split where it is about each.
    """
    if bundle.gate is None or bundle.candidates is None:
        return {}
    section = {}
    for certificate in bundle.certificates:
        claim = certificate.claim
        level: Results = {"alpha": claim.alpha, "delta": claim.delta}
        level["sentence"] = certificate.sentence
        names = Counting.of(claim, calibration, bundle.candidates.most).names
        for name, data in (("test", test), ("ood", outside)):
            if data is not None:
                raw = bundle.predict_raw(data.coarse, data.question, data.extras)
                chosen = certificate.choose(raw, data.tokens)
                counting = Counting.of(claim, data, bundle.candidates.most, names)
                measure = partial(_measure_certified, claim, counting, data)
                level[name] = _compare(bundle.gate, data, chosen, measure)
        section[str(claim)] = level
    return section


def _measure_certified(
    claim: Claim, counting: Counting, data: TrainData, chosen: IntArray
) -> Results:
    losses = Losses.of(claim, counting, data.scores, chosen)
    return {**measure_choice(data, chosen), "loss": losses.risk}


def _compare(
    gate: DensityGate, data: TrainData, chosen: IntArray, measure: Callable[[IntArray], Results]
) -> Results:
    """Measure choices [n] with and without the fallback to the largest scale."""
    outside = gate.find_outside(data.coarse, data.question, OUTLIER)  # [n]
    careful = np.where(outside, len(data.scales) - 1, chosen)  # [n]
    return {
        "outlier": OUTLIER,
        "share": outside.mean(),
        "without": measure(chosen),
        "with": measure(careful),
    }
