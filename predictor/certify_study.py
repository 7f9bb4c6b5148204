"""How certificates do on outcomes they were not made with: are they kept, and what do they cost?

Two looks: the certificate of the real calibration split on the real test split, and certificates
of calibration splits drawn from both splits' images, whose true risk is then known exactly. The
cheapest lambda that is really safe, which nobody knows beforehand, stands beside.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from predictor.certify import certify, image_losses, walk
from predictor.data import FloatArray, IntArray, TrainData
from predictor.p_values import images_needed

LEVELS = ((0.01, 0.05), (0.02, 0.1), (0.05, 0.05))
"""Pairs of alpha and delta that a report shows."""

Split = tuple[FloatArray, TrainData]
"""A router's own P(correct) on a split [n, s], and the split."""


def study_certificates(
    calibration: Split,
    test: Split,
    lambdas: FloatArray,
    levels: Sequence[tuple[float, float]] = LEVELS,
    draws: int = 200,
) -> dict[str, Any]:
    """Measure certificates at several levels.

    Args:
        calibration: the split that certifies.
        test: the split that is reported.
        lambdas: rising lambdas, from neither [m].
        levels: pairs of alpha and delta.
        draws: calibration splits that are drawn.

    Returns:
        Level to what was found; only `images` and `needed` where the images are too few.
    """
    data = calibration[1]
    images = len(set(map(str, data.image_ids)))
    single = images == len(data)
    parts = [[image_losses(*part, lam) for lam in (None, *lambdas)] for part in (calibration, test)]
    found = {}
    for alpha, delta in levels:
        needed = images_needed(alpha, delta, single)
        level: dict[str, Any] = {"alpha": alpha, "delta": delta, "images": images, "needed": needed}
        if images >= needed:
            certificate = certify(*calibration, lambdas, (alpha, delta))
            at = 0 if certificate.lam is None else 1 + lambdas.tolist().index(certificate.lam)
            risks = np.array([losses.mean() for losses, _ in parts[1]])
            tokens = np.array([spent for _, spent in parts[1]])
            safe = float(tokens[risks <= alpha].min())
            level.update(
                {"lambda": certificate.lam, "risk": risks[at], "tokens": tokens[at]},
                safe_tokens=safe,
                cost_ratio=tokens[at] / safe,
                **_draw_splits(parts, (alpha, delta), single, draws),
            )
        found[f"{alpha:g},{delta:g}"] = level
    return found


def _draw_splits(
    parts: list[list[tuple[FloatArray, float]]],
    level: tuple[float, float],
    single: bool,
    draws: int,
) -> dict[str, float]:
    """Certify on images drawn from a pool that is the whole world, so the truth is its mean."""
    pool = np.array([np.r_[first[0], second[0]] for first, second in zip(*parts, strict=True)])
    tokens = np.array([(first[1] + second[1]) / 2 for first, second in zip(*parts, strict=True)])
    risks, rng = pool.mean(axis=1), np.random.default_rng(0)
    images = len(parts[0][0][0])
    ends: IntArray = np.empty(draws, np.int64)
    for draw in range(draws):
        drawn = pool[1:, rng.integers(0, pool.shape[1], images)]
        found = walk(drawn, level, single)
        ends[draw] = sum(p <= level[1] for p in found)
    return {
        "drawn_violations": float((risks[ends] > level[0]).mean()),
        "drawn_cost_ratio": float(tokens[ends].mean() / tokens[risks <= level[0]].min()),
        "draws": draws,
    }
