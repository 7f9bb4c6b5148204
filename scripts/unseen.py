"""Parts of a report about content that the router has not seen.

Takes a saved router as it is; nothing is trained.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.bench import EvaluationSettings
    from predictor.data import IntArray, TrainData
    from predictor.store import RouterBundle

OUTLIER = 0.01
"""Share of the calibration split beyond which the report's fallback takes the dearest scale."""


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
    from predictor.describe import outside_summary

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
    from predictor.describe import fallback_summary

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
    from predictor.describe import fallback_summary

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
    from predictor.policy import choose

    probabilities = bundle.predict_proba(data.coarse, data.question, data.extras)
    return choose(probabilities, data.tokens, bundle.lambda_for_budget(budget))
