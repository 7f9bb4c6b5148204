"""How much of the gap routers close at one cost, which compares kinds, feature blocks and settings.

On the calibration split that is done before the test split is touched.
"""

import numpy as np

from predictor.data import TrainData
from predictor.routing_metrics.bootstrap import Resamples, interval, mean_draws
from predictor.routing_metrics.gap import fixed_points, gap_closed, hull_at, oracle_at
from predictor.routing_metrics.mixing import Mixture


def measure_gap(data: TrainData, chosen: Mixture) -> float:
    """Give the share of the gap that choices close, at their own mean tokens.

    Args:
        data: the split.
        chosen: the choices, a column for each of r trainings.

    Returns:
        OGC, the mean of the trainings; NaN where there is no gap.
    """
    at = chosen.pick(data.tokens).mean(axis=0)  # [r]
    hull = hull_at(*fixed_points(data.scores, data.tokens), at)
    oracle = oracle_at(data.scores, data.tokens, at)
    return float(gap_closed(chosen.pick(data.scores).mean(axis=0), hull, oracle).mean())


def compare_gaps(
    data: TrainData, first: Mixture, second: Mixture, draws: Resamples, level: float
) -> tuple[float, float, float]:
    """Compare two choices in the same resamples, both at one cost.

    Args:
        data: the split.
        first: the choices, a column for each of r trainings.
        second: the same of the other one.
        draws: draws of images.
        level: share of the draws in the interval.

    Returns:
        OGC of the first minus that of the second, and the ends of its interval. The gap of the
        whole split is the unit in every draw; the hull moves with the tokens spent.
    """
    tokens = np.asarray(data.tokens, np.float64)
    spent = np.column_stack([one.pick(tokens).mean(axis=1) for one in (first, second)])  # [n, 2]
    routed = np.column_stack([one.pick(data.scores).mean(axis=1) for one in (first, second)])
    at = spent.mean(axis=0)
    fixed = fixed_points(data.scores, data.tokens)
    gap = oracle_at(data.scores, data.tokens, at) - hull_at(*fixed, at)
    if not (gap > 1e-9).all():
        return float("nan"), float("nan"), float("nan")
    means = mean_draws(draws, np.hstack((tokens, data.scores, routed, spent)))  # [r, 2s + 4]
    s = tokens.shape[1]
    hull = hull_at(means[:, :s], means[:, s : 2 * s], means[:, -2:])
    closed = (means[:, -4:-2] - hull) / gap
    low, high = interval(closed[:, 0] - closed[:, 1], level)
    return measure_gap(data, first) - measure_gap(data, second), low, high
