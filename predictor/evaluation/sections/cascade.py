"""The confidence cascade: answer at the cheapest scale, go up while the answer is unsure.

The baseline that needs no router. Every scale that it ran is counted, so some questions cost more
than the largest scale alone. Its threshold is solved on the calibration split; at the budgets where
all contestants are compared, two neighbouring thresholds are mixed so that it spends just as much.
"""

from collections.abc import Sequence

import numpy as np

from predictor.data import FloatArray, IntArray, Results, TrainData
from predictor.routing_metrics.gap import fixed_points, gap_closed, hull_at, oracle_at


def run_cascade(
    confidence: FloatArray, tokens: FloatArray, threshold: float
) -> tuple[IntArray, FloatArray]:
    """Stop every question at the first scale whose answer is sure enough.

    Args:
        confidence: how sure the model was of its answer at each scale [n, s].
        tokens: visual tokens [n, s], scales in ascending order of cost.
        threshold: least confidence that is enough; at the largest scale any is.

    Returns:
        Index of the last scale that ran [n] and the visual tokens of all that ran [n].

    >>> confidence = np.array([[-0.1, -0.1, -0.1], [-2.0, -0.3, -0.1], [-2.0, -1.5, -1.2]])
    >>> last, paid = run_cascade(confidence, np.tile([1, 9, 36], (3, 1)), threshold=-1.0)
    >>> last.tolist(), paid.tolist()
    ([0, 1, 2], [1.0, 10.0, 46.0])
    """
    sure = np.asarray(confidence) >= threshold  # [n, s]
    sure[:, -1] = True  # there is no further scale to ask
    last = sure.argmax(axis=1)  # the first True of each row
    paid = np.cumsum(np.asarray(tokens, np.float64), axis=1)  # of all scales up to each [n, s]
    return last, paid[np.arange(len(last)), last]


def solve_threshold(confidence: FloatArray, tokens: FloatArray, budget: float) -> float:
    """Find the highest threshold whose mean cost stays within a budget.

    Args:
        confidence: as in `run_cascade`, of the calibration split [n, s].
        tokens: visual tokens [n, s].
        budget: largest mean visual tokens.

    Returns:
        The threshold; minus infinity, always the cheapest scale, if none does.
    """
    # Mean cost rises with the threshold, so the last one that is affordable is found by halving.
    thresholds = np.unique(np.asarray(confidence, np.float64))
    low, high = -1, len(thresholds) - 1  # -1: not even the lowest is affordable
    while low < high:
        middle = (low + high + 1) // 2
        _, paid = run_cascade(confidence, tokens, thresholds[middle])
        if paid.mean() <= budget:
            low = middle
        else:
            high = middle - 1
    return float(thresholds[low]) if low >= 0 else -np.inf


def describe_cascade(
    calibration: TrainData, test: TrainData, targets: Sequence[float], points: int = 25
) -> Results | None:
    """Make section `cascade`; None where the labels do not say how sure the model was.

    Args:
        calibration: the split that thresholds are solved on.
        test: the split that is reported.
        targets: mean budgets to report at [visual tokens].
        points: budgets on the curve.
    """
    known = calibration.confidence
    confidence = test.confidence
    if known is None or confidence is None:
        return None

    def measure(budget: float, spend: bool = False) -> Results:
        threshold = solve_threshold(known, calibration.tokens, budget)
        runs = _bracket(confidence, test.tokens, budget) if spend else (threshold, threshold)
        both = [_follow(test, confidence, one) for one in runs]
        return {"target": budget, "threshold": threshold, **_measure(test, both, budget)}

    # From always the cheapest scale to a run of all scales.
    largest = np.cumsum(calibration.tokens, axis=1)[:, -1].mean()
    budgets = np.geomspace(calibration.tokens[:, 0].mean(), largest, points)
    return {
        "curve": [measure(budget) for budget in budgets],
        "at": {f"{target:g}": measure(target, spend=True) for target in targets},
    }


def _bracket(confidence: FloatArray, tokens: FloatArray, budget: float) -> tuple[float, float]:
    """Find the two neighbouring thresholds between whose costs on a split a budget lies."""
    low = solve_threshold(confidence, tokens, budget)
    higher = confidence[confidence > low]
    return low, float(higher.min()) if len(higher) else low


def _follow(
    test: TrainData, confidence: FloatArray, threshold: float
) -> tuple[FloatArray, FloatArray]:
    """Give scores [n] and the tokens of all scales that ran [n] at a threshold."""
    last, paid = run_cascade(confidence, test.tokens, threshold)
    return np.asarray(test.scores, np.float64)[np.arange(len(test)), last], paid


def _measure(
    test: TrainData, both: Sequence[tuple[FloatArray, FloatArray]], budget: float
) -> Results:
    """Measure two runs, mixed so that they spend a budget if they can."""
    (low_accuracy, low), (high_accuracy, high) = (
        (scores.mean(), paid.mean()) for scores, paid in both
    )
    share = float(np.clip((budget - low) / (high - low), 0, 1)) if high > low else 0.0
    at = np.array([low + share * (high - low)])
    accuracy = np.array([low_accuracy + share * (high_accuracy - low_accuracy)])
    hull = hull_at(*fixed_points(test.scores, test.tokens), at)
    oracle = oracle_at(test.scores, test.tokens, at)
    return {
        "tokens": at[0],
        "tokens_p95": np.quantile(both[0][1], 0.95),
        "accuracy": accuracy[0],
        "ogc": gap_closed(accuracy, hull, oracle)[0],
    }
