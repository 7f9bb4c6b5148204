"""How much of the gap a router closes on the calibration split itself, by image folds.

Compares kinds of routers, feature blocks and settings before the test split is touched: lambda is
solved on all folds but one and used on that one.
"""

import numpy as np

from predictor.data import FloatArray, IntArray, TrainData, image_folds
from predictor.policy.budgets import choose, solve_lambda
from predictor.routing_metrics.bootstrap import Resamples, interval, mean_draws
from predictor.routing_metrics.gap import fixed_points, gap_closed, hull_at, oracle_at


def cross_choose(
    probabilities: FloatArray, data: TrainData, budget: float, folds: int = 5, seed: int = 0
) -> IntArray:
    """Choose a scale for every question, lambda solved on other images.

    Args:
        probabilities: P(correct) [n, s].
        data: the split.
        budget: mean visual tokens.
        folds: image folds.
        seed: seed of the folds.

    Returns:
        Index of the chosen scale [n].
    """
    number = min(folds, data.n_images)
    fold = image_folds(data.image_ids, number, np.random.default_rng(seed))
    chosen: IntArray = np.empty(len(data), np.int64)
    for held in np.unique(fold):
        out = fold == held
        rest = ~out if number > 1 else out  # a single image has to do for both
        lam = solve_lambda(probabilities[rest], data.tokens[rest], budget)
        chosen[out] = choose(probabilities[out], data.tokens[out], lam)
    return chosen


def measure_gap(data: TrainData, chosen: IntArray) -> float:
    """Give the share of the gap that choices close, at their own mean tokens.

    Args:
        data: the split.
        chosen: index of the chosen scale [n], or of several trainings [n, r].

    Returns:
        OGC, the mean of the trainings; NaN where there is no gap.
    """
    if chosen.ndim == 2:
        return float(np.mean([measure_gap(data, column) for column in chosen.T]))
    rows = np.arange(len(data))
    at = np.array([data.tokens[rows, chosen].mean()])
    hull = hull_at(*fixed_points(data.scores, data.tokens), at)
    oracle = oracle_at(data.scores, data.tokens, at)
    accuracy = np.array([data.scores[rows, chosen].mean()])
    return float(gap_closed(accuracy, hull, oracle)[0])


def compare_gaps(
    data: TrainData, first: IntArray, second: IntArray, draws: Resamples, level: float
) -> tuple[float, float, float]:
    """Compare two choices in the same resamples; both are near one budget.

    Args:
        data: the split.
        first: index of the chosen scale [n], or of several trainings [n, r].
        second: the same of the other choice.
        draws: draws of images.
        level: share of the draws in the interval.

    Returns:
        OGC of the first minus that of the second, and the ends of its interval. The gap of the
        whole split is the unit in every draw; the hull moves with the tokens spent.
    """
    tokens = np.asarray(data.tokens, np.float64)
    spent = np.column_stack([_average(tokens, picks) for picks in (first, second)])  # [n, 2]
    routed = np.column_stack([_average(data.scores, picks) for picks in (first, second)])
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


def _average(table: FloatArray, chosen: IntArray) -> FloatArray:
    """Give what each question got [n], averaged over the trainings."""
    columns = chosen.reshape(len(table), -1)  # [n, trainings]
    return np.asarray(np.take_along_axis(table, columns, axis=1).mean(axis=1))
