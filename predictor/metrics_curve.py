"""What other routing work measures of a curve: PGR, APGR, CPT, AIQ, nAUC and QNC.

A curve is points of mean cost and accuracy. Nothing is clipped: where the dearest scale is no
better than the cheapest, PGR does not exist and is NaN; where a middle scale is better than the
dearest, it may exceed 1.
"""

from typing import TypeAlias

import numpy as np

from predictor.curves import hull_points
from predictor.data import FloatArray

Ends: TypeAlias = tuple[float, float]
"""A number for the cheapest and one for the dearest."""


def recovered_gain(accuracy: FloatArray, weak: float, strong: float) -> FloatArray:
    """Give the performance gap recovered (PGR): 0 at the cheapest scale, 1 at the dearest.

    Args:
        accuracy: accuracies [q].
        weak: accuracy of always the cheapest scale.
        strong: accuracy of always the dearest scale.

    Returns:
        PGR [q]; NaN if the dearest scale is no better.

    Source: RouteLLM (arXiv 2406.18665), equation 3.
    """
    gain = strong - weak
    scores = np.asarray(accuracy, np.float64)
    return (scores - weak) / gain if gain > 1e-12 else np.full(scores.shape, np.nan)


def average_gain(tokens: FloatArray, accuracy: FloatArray, ends: Ends, fixed: Ends) -> float:
    """Give the average PGR (APGR) over all shares of the cost; a coin toss has 1/2.

    The share of calls to the strong model of two becomes (t - cheapest) / (dearest - cheapest).

    Args:
        tokens: mean costs, any order [q].
        accuracy: accuracies there [q].
        ends: mean cost of the cheapest and of the dearest scale.
        fixed: accuracy of always the cheapest and of always the dearest scale.

    Returns:
        APGR, by the trapezoid rule between the two fixed ends.

    Source: RouteLLM (arXiv 2406.18665), equation 4, and its evaluation code for the rule.
    """
    share, scores = _shares(tokens, accuracy, ends, fixed)
    return float(np.trapezoid(recovered_gain(scores, *fixed), share))


def call_threshold(
    tokens: FloatArray, accuracy: FloatArray, ends: Ends, fixed: Ends, wanted: float
) -> float:
    """Give the smallest share of the cost that recovers a wanted part of the gap (CPT).

    Args:
        tokens: mean costs, any order [q].
        accuracy: accuracies there [q].
        ends: mean cost of the cheapest and of the dearest scale.
        fixed: accuracy of always the cheapest and of always the dearest scale.
        wanted: part of the gap in (0, 1], 0.5 for CPT(50 %).

    Returns:
        Share of the cost between the ends, linear between points; NaN if PGR does not exist.

    Source: RouteLLM (arXiv 2406.18665), equation 5.
    """
    share, scores = _shares(tokens, accuracy, ends, fixed)
    gain = recovered_gain(scores, *fixed)
    if np.isnan(gain).any():
        return float("nan")
    first = int(np.argmax(gain >= wanted))  # the dearest end has 1
    part = (wanted - gain[first - 1]) / (gain[first] - gain[first - 1])
    return float(share[first - 1] + part * (share[first] - share[first - 1]))


def _shares(
    tokens: FloatArray, accuracy: FloatArray, ends: Ends, fixed: Ends
) -> tuple[FloatArray, FloatArray]:
    """Give shares of the cost in [0, 1] and accuracies there, sorted, with both fixed ends."""
    share = (np.asarray(tokens, np.float64) - ends[0]) / (ends[1] - ends[0])
    inside = (share > 0) & (share < 1)
    order = np.argsort(share[inside], kind="stable")
    scores = np.asarray(accuracy, np.float64)[inside][order]
    return np.r_[0.0, share[inside][order], 1.0], np.r_[fixed[0], scores, fixed[1]]


def improvement_in_quality(tokens: FloatArray, accuracy: FloatArray, ends: Ends) -> float:
    """Give the average of the non-decreasing hull over the range of costs (AIQ).

    Args:
        tokens: mean costs [q].
        accuracy: accuracies there [q].
        ends: least and greatest cost of the range; the hull goes on flat to the greatest.

    Returns:
        AIQ, divided by greatest minus least cost as the paper has it, not by the greatest as its
        code does.

    Source: RouterBench (arXiv 2403.12031), section 3.
    """
    cost, score = hull_points(np.asarray(tokens, np.float64), np.asarray(accuracy, np.float64))
    at = np.unique(np.r_[ends, cost.clip(*ends)])
    return float(np.trapezoid(np.interp(at, cost, score), at) / (ends[1] - ends[0]))


def front_area(tokens: FloatArray, accuracy: FloatArray, ends: Ends) -> float:
    """Give the average of the Pareto front, a staircase, over the range of costs (nAUC).

    Args:
        tokens: mean costs [q].
        accuracy: accuracies there [q].
        ends: least and greatest cost of the range.

    Returns:
        nAUC.

    Source: MMR-Bench (arXiv 2601.17814).
    """
    order = np.lexsort((-np.asarray(accuracy), np.asarray(tokens)))
    cost = np.asarray(tokens, np.float64)[order]
    best = np.maximum.accumulate(np.asarray(accuracy, np.float64)[order])
    starts = np.clip(cost, *ends)
    widths = np.diff(np.r_[starts, ends[1]])
    # Below the cheapest point nothing is known better than the cheapest point itself.
    return float((widths @ best + (starts[0] - ends[0]) * best[0]) / (ends[1] - ends[0]))


def quality_cost(tokens: FloatArray, accuracy: FloatArray, best: tuple[float, float]) -> float:
    """Give the cost at which a curve is as good as the best fixed scale, relative to it (QNC).

    Args:
        tokens: mean costs [q].
        accuracy: accuracies there [q].
        best: mean cost and accuracy of the best fixed scale.

    Returns:
        QNC, lower is better; infinity if the curve never gets there.

    Source: MMR-Bench (arXiv 2601.17814).
    """
    enough = np.asarray(tokens, np.float64)[np.asarray(accuracy) >= best[1] - 1e-12]
    return float(enough.min() / best[0]) if len(enough) else float("inf")
