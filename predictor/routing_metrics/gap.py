"""Metrics of a choice of scale: fixed points, their hull, the oracle, gap closed, regressions.

Pure arithmetic on an outcome table: scores [n, s] in [0, 1] and visual tokens [n, s], scales in
ascending order of cost. It trains nothing, draws nothing and knows nothing of resampling (that is
`bootstrap.py`).

Source: the project's list of formulas; RouterBench (arXiv 2403.12031) for the hull of fixed arms,
    the multiple-choice knapsack relaxation (Sinha and Zoltners 1979) for the oracle at a cost.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from predictor.data import FloatArray, IntArray


def check_table(scores: npt.ArrayLike, tokens: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return an outcome table as float arrays of one shape.

    Args:
        scores: score of every question at every scale [n, s].
        tokens: visual tokens of every question at every scale [n, s], or of every scale [s].

    Returns:
        Scores and tokens, both float64 [n, s].

    Raises:
        ValueError: if the shapes do not fit, a value is not finite, or the table is empty.
    """
    score = np.asarray(scores, dtype=np.float64)
    if score.ndim != 2 or score.size == 0:
        raise ValueError(f"expected scores [n, s] with at least one row, got shape {score.shape}")
    cost = np.asarray(tokens, dtype=np.float64)
    if cost.shape not in (score.shape, score.shape[1:]):
        raise ValueError(f"expected tokens of shape {score.shape}, got {cost.shape}")
    if not (np.isfinite(score).all() and np.isfinite(cost).all()):
        raise ValueError("expected finite scores and tokens, got NaN or infinity: check the table")
    return score, np.broadcast_to(cost, score.shape)


def fixed_points(
    scores: npt.ArrayLike, tokens: npt.ArrayLike, weights: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return mean tokens and accuracy of always using one scale.

    Args:
        scores: scores [n, s].
        tokens: visual tokens [n, s] or [s].
        weights: how often each row counts [n]; all once by default.

    Returns:
        Mean tokens [s] and accuracy [s].
    """
    score, cost = check_table(scores, tokens)
    return np.average(cost, axis=0, weights=weights), np.average(score, axis=0, weights=weights)


def hull_points(tokens: FloatArray, accuracy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the corners of the upper hull of fixed scales, cheapest first.

    Every point of the hull is reachable without a router, by mixing two scales at random. The hull
    ends at the best accuracy: a larger scale that is no better is not part of it.

    Args:
        tokens: mean tokens of the fixed scales [s].
        accuracy: their accuracies [s].

    Returns:
        Tokens and accuracy of the corners [h], strictly ascending in both.

    Mixing 36 and 576 tokens beats 144, which therefore is no corner:

    >>> hull_points(np.array([36.0, 144.0, 576.0]), np.array([0.80, 0.81, 0.98]))
    (array([ 36., 576.]), array([0.8 , 0.98]))
    """
    corners: list[tuple[float, float]] = []
    for t, a in sorted(zip(tokens.tolist(), accuracy.tolist(), strict=True)):
        # No cheaper and no better: part of no mixture.
        if corners and a <= corners[-1][1]:
            continue
        # As dear as the last corner and better: it takes that place.
        if corners and t == corners[-1][0]:
            corners.pop()
        # Andrew's monotone chain: corners that the new line passes above are none.
        while len(corners) > 1 and _below(corners[-2], corners[-1], (t, a)):
            corners.pop()
        corners.append((t, a))
    points = np.array(corners, dtype=np.float64)
    return points[:, 0], points[:, 1]


def _below(
    left: tuple[float, float], middle: tuple[float, float], right: tuple[float, float]
) -> bool:
    """Tell whether `middle` lies on or below the line from `left` to `right`."""
    # Slopes multiplied out, so that nothing is divided by a small difference of costs.
    rise = (right[1] - left[1]) * (middle[0] - left[0])
    return (middle[1] - left[1]) * (right[0] - left[0]) <= rise


def hull_at(tokens: FloatArray, accuracy: FloatArray, at: FloatArray) -> FloatArray:
    """Return the accuracy of the hull of fixed scales at given mean costs.

    Works on many tables at once, which the bootstrap needs: the hull is the best mixture of any
    two scales around the cost, or of one scale at no more than the cost. Below the cheapest scale
    the cheapest scale's accuracy is returned.

    Args:
        tokens: mean tokens of the fixed scales [..., s].
        accuracy: their accuracies [..., s].
        at: mean costs [..., q].

    Returns:
        Accuracy of the hull [..., q].
    """
    shape = np.broadcast_shapes(tokens.shape[:-1], at.shape[:-1])  # of the tables, without s or q
    budgets = np.broadcast_to(at, shape + at.shape[-1:])  # [..., q]
    cheapest = np.take_along_axis(accuracy, tokens.argmin(-1)[..., None], -1)  # [..., 1]
    best = np.broadcast_to(cheapest, budgets.shape).astype(np.float64)
    n_scales = tokens.shape[-1]
    # All pairs and not corners: each draw has corners of its own, and scales are few.
    for i in range(n_scales):
        t_i, a_i = tokens[..., i, None], accuracy[..., i, None]  # [..., 1]
        best = np.maximum(best, np.where(t_i <= budgets, a_i, -np.inf))
        for j in range(n_scales):
            t_j, a_j = tokens[..., j, None], accuracy[..., j, None]  # [..., 1]
            # A coin between the two scales that spends just the budget [..., q].
            inside = (t_i <= budgets) & (budgets < t_j)
            share = (budgets - t_i) / np.where(inside, t_j - t_i, 1.0)
            best = np.maximum(best, np.where(inside, a_i + share * (a_j - a_i), -np.inf))
    return best


def find_cost(cost: FloatArray, accuracy: FloatArray, wanted: float) -> float | None:
    """Find the least cost at which a curve has an accuracy; None if it never has.

    Between two points of the curve, cost and accuracy are those of mixing them.

    Args:
        cost: costs of the curve, ascending [q].
        accuracy: accuracy at each [q].
        wanted: the accuracy to reach.
    """
    enough = np.flatnonzero(accuracy >= wanted - 1e-12)  # the slack forgives the rounding of a mean
    if len(enough) == 0:
        return None
    # The last point below the accuracy and the first that has it; one point where that is first.
    ends = slice(max(enough[0] - 1, 0), enough[0] + 1)
    return float(np.interp(wanted, accuracy[ends], cost[ends]))


def random_mixing(
    tokens: FloatArray, accuracy: FloatArray, n_points: int = 25
) -> tuple[FloatArray, FloatArray]:
    """Return the line of tossing a coin between the cheapest and the largest scale.

    Args:
        tokens: mean tokens of the fixed scales [s].
        accuracy: their accuracies [s].
        n_points: points on the line, evenly spread on a logarithmic axis of tokens.

    Returns:
        Mean tokens [n_points] and expected accuracy [n_points].
    """
    low, high = int(tokens.argmin()), int(tokens.argmax())
    at = np.geomspace(max(tokens[low], 1e-9), tokens[high], n_points)
    # The ends are the two scales themselves, also where the cheapest costs nothing.
    at[0], at[-1] = tokens[low], tokens[high]
    share = (at - tokens[low]) / max(tokens[high] - tokens[low], 1e-12)
    return at, accuracy[low] + share * (accuracy[high] - accuracy[low])


@dataclass(frozen=True)
class OracleSteps:
    """The oracle's upgrades of single questions, best gain per token first.

    Attributes:
        base_tokens: tokens of each question at its cheapest scale [n].
        base_scores: its score there [n].
        rows: the question each upgrade belongs to [m].
        cost: visual tokens the upgrade adds [m].
        gain: score it adds [m]; may be negative where it was chosen by other scores.
    """

    base_tokens: FloatArray
    base_scores: FloatArray
    rows: IntArray
    cost: FloatArray
    gain: FloatArray


def oracle_steps(
    scores: npt.ArrayLike, tokens: npt.ArrayLike, credited: npt.ArrayLike | None = None
) -> OracleSteps:
    """Sort every useful upgrade of every question by score gained per visual token.

    A question's upgrades are the edges of its own concave hull, so a later edge never has a better
    ratio than an earlier one of the same question and the sorted order can be taken greedily. The
    order does not depend on how often a question counts, so a bootstrap sorts once.

    Args:
        scores: scores by which it chooses [n, s].
        tokens: visual tokens [n, s] or [s].
        credited: scores that the choices earn [n, s], where these are others.

    Returns:
        The starting point and the sorted upgrades.
    """
    score, cost = check_table(scores, tokens)
    earned = score if credited is None else check_table(credited, tokens)[0]
    rows = np.arange(len(score))
    # lexsort goes by its last key first: the cheapest scale, the best of equals [n].
    at = np.lexsort((-score, cost), axis=1)[:, 0]
    base = (cost[rows, at].copy(), earned[rows, at].copy())
    edges: list[tuple[IntArray, FloatArray, FloatArray, FloatArray]] = []
    # A hull over s scales has at most s - 1 edges; one pass also for s = 1, which finds none.
    for _ in range(max(score.shape[1] - 1, 1)):
        more = cost - cost[rows, at][:, None]  # [n, s], beyond the scale reached so far
        gain = score - score[rows, at][:, None]
        useful = (more > 0) & (gain > 0)
        slope = np.where(useful, gain / np.where(useful, more, 1.0), -np.inf)
        go = np.flatnonzero(useful.any(axis=1))  # questions not at their last corner yet
        # The steepest edge, and the longest of those on one line [n].
        to = np.lexsort((-more, -slope), axis=1)[:, 0]
        won = earned[go, to[go]] - earned[go, at[go]]
        edges.append((go, more[go, to[go]], slope[go, to[go]], won))
        at = np.where(useful.any(axis=1), to, at)
    # From one array per pass to one of all upgrades [m].
    index, added, ratio, gained = (np.concatenate(part) for part in zip(*edges, strict=True))
    # Stable: of equal ratios the earlier pass comes first, so no question skips an edge.
    order = np.argsort(-ratio, kind="stable")
    return OracleSteps(*base, rows=index[order], cost=added[order], gain=gained[order])


def oracle_at(scores: npt.ArrayLike, tokens: npt.ArrayLike, at: npt.ArrayLike) -> FloatArray:
    """Return the best accuracy any choice per question can reach at given mean costs.

    Starts with every question at its cheapest scale and buys the upgrade with the best gain per
    token until the budget is spent. The last upgrade may be bought in part (taken with that
    probability), as the hull of fixed scales mixes two scales; a choice without chance stays
    within 1/n of it. Below the cheapest cost the cheapest choice is returned.

    Args:
        scores: scores [n, s].
        tokens: visual tokens [n, s] or [s].
        at: mean visual tokens per question [q].

    Returns:
        Accuracy [q].
    """
    steps = oracle_steps(scores, tokens)
    return oracle_from_steps(steps, np.ones(len(steps.base_tokens)), np.atleast_1d(at))


def oracle_from_steps(steps: OracleSteps, weights: FloatArray, at: npt.ArrayLike) -> FloatArray:
    """Return the oracle's accuracy where each question counts `weights` times.

    Args:
        steps: sorted upgrades of the table.
        weights: how often each question counts [n].
        at: mean visual tokens per question [q].

    Returns:
        Accuracy [q].
    """
    total = weights.sum()
    of_step = weights[steps.rows]  # [m]
    # Mean cost and accuracy after each upgrade [m + 1]; between two, the next is bought in part.
    spent = np.concatenate(([0.0], np.cumsum(of_step * steps.cost))) / total
    won = np.concatenate(([0.0], np.cumsum(of_step * steps.gain))) / total
    left = np.asarray(at, dtype=np.float64) - weights @ steps.base_tokens / total
    return np.asarray(weights @ steps.base_scores / total + np.interp(left, spent, won))


def gap_closed(router: FloatArray, hull: FloatArray, oracle: FloatArray) -> FloatArray:
    """Return the share of the gap between hull and oracle that a router closes (OGC).

    0 is no better than mixing fixed scales at random, 1 is the oracle; it may be negative.

    Args:
        router: accuracy of the router [...].
        hull: accuracy of the hull at the router's mean cost [...].
        oracle: accuracy of the oracle at the router's mean cost [...].

    Returns:
        OGC [...], NaN where there is no gap to close.

    >>> gap_closed(np.array([0.95]), hull=np.array([0.90]), oracle=np.array([0.98])).round(3)
    array([0.625])
    """
    gap = np.asarray(oracle - hull, dtype=np.float64)
    open_gap = gap > 1e-9  # a smaller one is rounding
    return np.where(open_gap, (router - hull) / np.where(open_gap, gap, 1.0), np.nan)
