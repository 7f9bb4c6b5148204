"""How certificates do on outcomes they were not made with: are they kept, and what do they cost?

Three looks. The certificate of the real calibration split on the real test split. Certificates of
calibration splits drawn from both splits' images with replacement, whose true risk is then known
exactly. And both splits' images dealt anew, where the part that did not certify judges. The
cheapest lambda that is really safe, which nobody knows beforehand, stands beside.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from predictor.data import FloatArray, IntArray, TrainData
from predictor.policy.certificates import certify, image_losses, walk
from predictor.policy.risk_tests import RiskTest, images_needed

LEVELS = ((0.01, 0.05), (0.02, 0.1), (0.05, 0.05))
"""Pairs of alpha and delta that a report shows."""


Split = tuple[FloatArray, TrainData]
"""A router's own P(correct) on a split [n, s], and the split."""


def feasible_levels(data: TrainData, tested: int = 1) -> tuple[tuple[float, float], ...]:
    """Pick the levels that a calibration split has enough images for.

    Args:
        data: the split.
        tested: routers among which one is picked on this split.

    Returns:
        Some of `LEVELS`.
    """
    images = len(set(map(str, data.image_ids)))
    single = images == len(data)
    return tuple(
        (alpha, delta)
        for alpha, delta in LEVELS
        if images_needed(alpha, delta / tested, single) <= images
    )


def study_certificates(
    calibration: Split,
    test: Split,
    lambdas: FloatArray,
    levels: Sequence[tuple[float, float]] = LEVELS,
    draws: int = 1000,
    tested: int = 1,
) -> dict[str, Any]:
    """Measure certificates at several levels.

    Args:
        calibration: the split that certifies.
        test: the split that is reported.
        lambdas: rising lambdas, from neither [m].
        levels: pairs of alpha and delta.
        draws: calibration splits that are drawn, of either kind.
        tested: routers among which this one was picked on the calibration split.

    Returns:
        Level to what was found; only `images` and `needed` where the images are too few.
    """
    data = calibration[1]
    images = len(set(map(str, data.image_ids)))
    parts = [[image_losses(*part, lam) for lam in (None, *lambdas)] for part in (calibration, test)]
    found = {}
    for alpha, delta in levels:
        needed = images_needed(alpha, delta / tested, single=images == len(data))
        level: dict[str, Any] = {"alpha": alpha, "delta": delta, "images": images, "needed": needed}
        if images >= needed:
            certificate = certify(*calibration, lambdas, (alpha, delta), tested)
            at = 0 if certificate.lam is None else 1 + lambdas.tolist().index(certificate.lam)
            risks = np.array([losses.mean() for losses, _ in parts[1]])
            test_each = RiskTest(alpha, delta / tested, images, len(data))
            tokens = np.array([spent for _, spent in parts[1]])
            safe = float(tokens[risks <= alpha].min())
            level.update(
                {"lambda": certificate.lam, "risk": risks[at], "tokens": tokens[at]},
                safe_tokens=safe,
                cost_ratio=tokens[at] / safe,
                **_draw_splits(parts, test_each, draws),
            )
        found[f"{alpha:g},{delta:g}"] = level
    return found


def _draw_splits(
    parts: list[list[tuple[FloatArray, float]]], test: RiskTest, draws: int
) -> dict[str, float]:
    """Certify on images drawn from both parts, whose mean is the truth, and deal them anew."""
    pool = np.array([np.r_[first[0], second[0]] for first, second in zip(*parts, strict=True)])
    tokens = np.array([(first[1] + second[1]) / 2 for first, second in zip(*parts, strict=True)])
    risks, rng = pool.mean(axis=1), np.random.default_rng(0)
    size, every = test.images, pool.shape[1]

    def last(images: IntArray) -> int:
        found = walk((losses[images] for losses in pool[1:]), test)
        return sum(p <= test.delta for p in found)

    drawn = np.array([last(rng.integers(0, every, size)) for _ in range(draws)])
    dealt = [rng.permutation(every) for _ in range(draws)]
    ends = [(last(order[:size]), order[size:]) for order in dealt]
    broken = [pool[end, rest].mean() > test.alpha for end, rest in ends]
    return {
        "drawn_violations": float((risks[drawn] > test.alpha).mean()),
        "drawn_cost_ratio": float(tokens[drawn].mean() / tokens[risks <= test.alpha].min()),
        "resplit_violations": float(np.mean(broken)),
        "draws": draws,
    }
