"""What other routing work measures of a curve: PGR, APGR, CPT, AIQ, nAUC and QNC.

A curve is points of mean cost and accuracy. Nothing is clipped: where the largest scale is no
better than the cheapest, PGR does not exist and is NaN; where a middle scale is better than the
largest, it may exceed 1.
"""

from typing import Any, TypeAlias

import numpy as np

from labels.oracle import DROPPED, minimal_correct
from predictor.data import FloatArray, IntArray, NameArray
from predictor.routing_metrics.gap import fixed_points, hull_points

Ends: TypeAlias = tuple[float, float]
"""A number for the cheapest and one for the largest."""


def recovered_gain(accuracy: FloatArray, weak: float, strong: float) -> FloatArray:
    """Give the performance gap recovered (PGR): 0 at the cheapest scale, 1 at the largest.

    Args:
        accuracy: accuracies [q].
        weak: accuracy of always the cheapest scale.
        strong: accuracy of always the largest scale.

    Returns:
        PGR [q]; NaN if the largest scale is no better.

    Source: RouteLLM (arXiv 2406.18665), equation 3.
    """
    gain = strong - weak
    scores = np.asarray(accuracy, np.float64)
    return (scores - weak) / gain if gain > 1e-12 else np.full(scores.shape, np.nan)


def average_gain(tokens: FloatArray, accuracy: FloatArray, ends: Ends, fixed: Ends) -> float:
    """Give the average PGR (APGR) over all shares of the cost; a coin toss has 1/2.

    The share of calls to the strong model of two becomes (t - cheapest) / (largest - cheapest).

    Args:
        tokens: mean costs, any order [q].
        accuracy: accuracies there [q].
        ends: mean cost of the cheapest and of the largest scale.
        fixed: accuracy of always the cheapest and of always the largest scale.

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
        ends: mean cost of the cheapest and of the largest scale.
        fixed: accuracy of always the cheapest and of always the largest scale.
        wanted: part of the gap in (0, 1], 0.5 for CPT(50 %).

    Returns:
        Share of the cost between the ends, linear between points; NaN if PGR does not exist.

    Source: RouteLLM (arXiv 2406.18665), equation 5.
    """
    share, scores = _shares(tokens, accuracy, ends, fixed)
    gain = recovered_gain(scores, *fixed)
    if np.isnan(gain).any():
        return float("nan")
    # Never the first point: the cheapest end has 0, and `wanted` is above that.
    first = int(np.argmax(gain >= wanted))  # the largest end has 1
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
    # Corners outside the range fall on its ends; beyond the hull np.interp is flat.
    at = np.unique(np.r_[ends, cost.clip(*ends)])
    return float(np.trapezoid(np.interp(at, cost, score), at) / (ends[1] - ends[0]))


def front_area(tokens: FloatArray, accuracy: FloatArray, ends: Ends) -> float:
    """Give the average of the Pareto front, a staircase, over the range of costs (nAUC).

    Args:
        tokens: mean costs [q].
        accuracy: accuracies there [q].
        ends: least and greatest cost of the range.

    Source: MMR-Bench (arXiv 2601.17814).
    """
    # The last key counts first: by cost, and of equals the best one first.
    order = np.lexsort((-np.asarray(accuracy), np.asarray(tokens)))
    cost = np.asarray(tokens, np.float64)[order]
    best = np.maximum.accumulate(np.asarray(accuracy, np.float64)[order])
    starts = np.clip(cost, *ends)
    widths = np.diff(np.r_[starts, ends[1]])  # how far each step reaches [q]
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


def brier_score(probabilities: FloatArray, scores: FloatArray) -> float:
    """Give the mean squared distance of probabilities from what happened.

    Args:
        probabilities: P(correct) [n].
        scores: what happened [n], in [0, 1].

    Returns:
        The score; 0 is perfect, 1/4 is what "one half" always gets on right and wrong.

    Source: Brier 1950.
    """
    return float(np.mean((np.asarray(probabilities) - np.asarray(scores)) ** 2))


def reliability(
    probabilities: FloatArray, scores: FloatArray, bins: int = 15
) -> list[dict[str, Any]]:
    """Compare probabilities with what happened, in bins of equal width.

    Args:
        probabilities: P(correct) [n].
        scores: what happened [n].
        bins: number of bins of [0, 1]; 1 belongs to the last.

    Returns:
        `n`, mean `probability` and mean `score` of every bin that is not empty.
    """
    p, y = np.asarray(probabilities, np.float64), np.asarray(scores, np.float64)
    number = np.minimum((p * bins).astype(np.int64), bins - 1)
    parts = [number == k for k in np.unique(number)]
    return [
        {"n": int(part.sum()), "probability": float(p[part].mean()), "score": float(y[part].mean())}
        for part in parts
    ]


def calibration_error(probabilities: FloatArray, scores: FloatArray, bins: int = 15) -> float:
    """Give the expected calibration error (ECE).

    Args:
        probabilities: P(correct) [n].
        scores: what happened [n].
        bins: number of bins of equal width.

    Returns:
        Mean distance of probability and score over the bins, by their sizes.

    Source: Naeini et al. 2015; Guo et al. 2017 (arXiv 1706.04599), equation 3.
    """
    parts = reliability(probabilities, scores, bins)
    apart = sum(part["n"] * abs(part["probability"] - part["score"]) for part in parts)
    return float(apart / len(probabilities))


def token_regret(scores: FloatArray, tokens: FloatArray, chosen: IntArray) -> dict[str, float]:
    """Compare a choice with the cheapest scale that is right, where there is one.

    Args:
        scores: scores [n, s], scales in ascending order of cost.
        tokens: visual tokens [n, s].
        chosen: index of the chosen scale [n].

    Returns:
        `token_regret`, mean tokens spent beyond the cheapest right scale, negative where too few
        were; `over` and `under`, the shares that got more and fewer than that; NaN if no question
        has a right scale.
    """
    best = minimal_correct(scores, wrong="drop")
    rows = np.flatnonzero(best != DROPPED)
    if len(rows) == 0:
        return dict.fromkeys(("token_regret", "over", "under"), float("nan"))
    extra = tokens[rows, chosen[rows]] - tokens[rows, best[rows]]
    return {
        "token_regret": float(extra.mean()),
        "over": float((extra > 0).mean()),
        "under": float((extra < 0).mean()),
    }


def dataset_gain(
    scores: FloatArray, tokens: FloatArray, groups: NameArray, chosen: IntArray
) -> dict[str, float]:
    """Compare a choice with the best fixed scale of each data set or family.

    Args:
        scores: scores [n, s].
        tokens: visual tokens [n, s].
        groups: data set or family of each question [n].
        chosen: index of the chosen scale [n].

    Returns:
        `dataset_oracle` and `dataset_tokens`, accuracy and mean tokens of the best scale of each
        group, the cheaper of equals, and `dataset_gain`, the choice's accuracy minus that.

    Source: LLMRouterBench (arXiv 2601.07206): at 0 or below, a router has only learned which data
        set it is on. The best scale is picked on these outcomes, which flatters it.
    """
    names, owner = np.unique(np.asarray(groups).astype(str), return_inverse=True)
    picked = np.empty(len(scores), np.int64)  # the group's best scale for every question [n]
    for index in range(len(names)):
        rows = owner == index
        cost, accuracy = fixed_points(scores[rows], tokens[rows])
        picked[rows] = np.lexsort((cost, -accuracy))[0]
    rows = np.arange(len(scores))
    oracle = float(scores[rows, picked].mean())
    return {
        "dataset_oracle": oracle,
        "dataset_tokens": float(tokens[rows, picked].mean()),
        "dataset_gain": float(scores[rows, chosen].mean()) - oracle,
    }
