"""How certificates do on outcomes they were not made with: do they hold, and what do they cost?

Measured in three ways. The certificate of the real calibration split on the real test split.
Certificates of calibration splits drawn from the images of both splits with replacement, whose true
risk is then known exactly. And re-splits of the images of both, where those that did not certify
measure the risk. Beside them stands the cheapest lambda that is safe in truth, which nobody can
know beforehand.
"""

from collections.abc import Sequence

import numpy as np

from predictor.data import FloatArray, IntArray, Results, TrainData
from predictor.policy.certificates import certify, fixed_sequence, image_losses
from predictor.policy.risk_tests import RiskTest, images_needed

LEVELS = ((0.01, 0.05), (0.02, 0.1), (0.05, 0.05))
"""Pairs of alpha and delta that a report shows."""

Split = tuple[FloatArray, TrainData]
"""A router's own P(correct) on a split [n, s], and the split."""


def feasible_levels(data: TrainData, tested: int = 1) -> tuple[tuple[float, float], ...]:
    """Pick those of `LEVELS` that a calibration split has enough images for.

    Args:
        data: the calibration split.
        tested: routers among which one is picked on this split.
    """
    images = data.n_images
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
) -> Results:
    """Measure certificates at several levels.

    Args:
        calibration: the split that certifies.
        test: the split that is reported.
        lambdas: rising lambdas, from neither split [m].
        levels: pairs of alpha and delta.
        draws: calibration splits that are drawn, of either kind.
        tested: routers among which this one was picked on the calibration split.

    Returns:
        Level to its measures; only `images` and `needed` where the images are too few.
    """
    data = calibration[1]
    images = data.n_images
    known_losses, known_tokens = _measure_lambdas(calibration, lambdas)
    losses, tokens = _measure_lambdas(test, lambdas)
    risks = losses.mean(axis=1)  # [1 + m]
    section = {}
    for alpha, delta in levels:
        needed = images_needed(alpha, delta / tested, single=images == len(data))
        level: Results = {"alpha": alpha, "delta": delta, "images": images, "needed": needed}
        section[f"{alpha:g},{delta:g}"] = level
        if images < needed:
            continue
        certificate = certify(*calibration, lambdas, (alpha, delta), tested)
        at = 0 if certificate.lam is None else 1 + lambdas.tolist().index(certificate.lam)
        safe = tokens[risks <= alpha].min()
        level["lambda"] = certificate.lam
        level["risk"] = risks[at]
        level["tokens"] = tokens[at]
        level["safe_tokens"] = safe
        level["cost_ratio"] = tokens[at] / safe
        risk_test = RiskTest(alpha, delta / tested, images, len(data))
        level.update(
            _draw_splits(
                np.hstack((known_losses, losses)), (known_tokens + tokens) / 2, risk_test, draws
            )
        )
    return section


def _measure_lambdas(split: Split, lambdas: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give losses of images [1 + m, i] and mean tokens [1 + m]: largest scale, then each lambda."""
    measured = [image_losses(*split, lam) for lam in (None, *lambdas)]
    losses, tokens = zip(*measured, strict=True)
    return np.array(losses), np.array(tokens)


def _draw_splits(losses: FloatArray, tokens: FloatArray, test: RiskTest, draws: int) -> Results:
    """Certify on images drawn from all, whose mean risk is the truth, and on re-splits of all.

    Args:
        losses: losses of the images of both splits [1 + m, i], as of `_measure_lambdas`.
        tokens: mean tokens [1 + m].
        test: the test of a certificate.
        draws: calibration splits, of either kind.
    """
    risks = losses.mean(axis=1)  # [1 + m]
    total = losses.shape[1]
    rng = np.random.default_rng(0)

    def certified(images: IntArray) -> int:
        """Give the row of the last lambda that the images certify; 0, largest scale, if none."""
        # Row 0 is the largest scale, which loses nothing and needs no test.
        p_values = fixed_sequence((of_lambda[images] for of_lambda in losses[1:]), test)
        return sum(p <= test.delta for p in p_values)

    # With replacement: the images at hand stand for all there are.
    drawn = np.array([certified(rng.integers(0, total, test.images)) for _ in range(draws)])
    # The lambda that some images certify, on the images that are left.
    violations = []
    for order in [rng.permutation(total) for _ in range(draws)]:
        row = certified(order[: test.images])
        # As many lambdas passed as the row's number; 0 is the largest scale.
        violations.append(losses[row, order[test.images :]].mean() > test.alpha)
    return {
        "drawn_violations": (risks[drawn] > test.alpha).mean(),
        "drawn_cost_ratio": tokens[drawn].mean() / tokens[risks <= test.alpha].min(),
        "resplit_violations": np.mean(violations),
        "draws": draws,
    }
