"""Right and wrong on an outcome table: regressions (negative flips), rescues, luck.

A scale is right where it scores at least `CORRECT`. Oracle rules are in `labels.oracle`; what a
choice costs and how far it is from the oracle at that cost is in `gap.py`.
"""

import numpy as np
from numpy.typing import NDArray

from labels.oracle import CORRECT
from predictor.data import FloatArray, IntArray, Results, TrainData


def regressed(scores: FloatArray, chosen: IntArray) -> NDArray[np.bool_]:
    """Mark the questions that the largest scale gets right and the chosen one does not.

    Args:
        scores: scores [n, s], largest scale last.
        chosen: index of the chosen scale [n].

    Returns:
        True where routing lost an answer [n]; its mean is the regression rate.

    >>> regressed(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]), chosen=np.array([0, 0, 0]))
    array([ True, False, False])
    """
    routed = scores[np.arange(len(scores)), chosen]
    return np.asarray((scores[:, -1] >= CORRECT) & (routed < CORRECT))


def rescued(scores: FloatArray, chosen: IntArray) -> NDArray[np.bool_]:
    """Mark the questions that the largest scale gets wrong and the chosen one right.

    Args:
        scores: scores [n, s], largest scale last.
        chosen: index of the chosen scale [n].

    Returns:
        True where routing won an answer [n]; its mean is the rescue rate.
    """
    routed = scores[np.arange(len(scores)), chosen]
    return np.asarray((scores[:, -1] < CORRECT) & (routed >= CORRECT))


def measure_choice(data: TrainData, chosen: IntArray) -> Results:
    """Give mean `tokens`, `accuracy` and `regression_rate` of the chosen scales [n]."""
    rows = np.arange(len(data))
    return {
        "tokens": data.tokens[rows, chosen].mean(),
        "accuracy": data.scores[rows, chosen].mean(),
        "regression_rate": regressed(data.scores, chosen).mean(),
    }


def non_monotone_share(scores: FloatArray) -> float:
    """Return the share of questions that some scale gets right and a larger one wrong.

    Args:
        scores: scores [n, s].

    Returns:
        Share in [0, 1].
    """
    right = np.asarray(scores) >= CORRECT
    # Right at some smaller scale, and wrong here [n, s].
    return float((np.maximum.accumulate(right, axis=1) & ~right).any(axis=1).mean())


def luck_floor(guess_rates: FloatArray, n_scales: int) -> float:
    """Return the oracle accuracy that independent guessing at every scale would reach.

    Args:
        guess_rates: chance of guessing each question right [n]; 1 / options, 0 for open answers.
        n_scales: number of scales that each get a guess.

    Returns:
        Mean of 1 - (1 - g)^s over the questions.

    Raises:
        ValueError: if a rate is not a probability.
    """
    rates = np.asarray(guess_rates, np.float64)
    if not np.all((rates >= 0) & (rates <= 1)):
        raise ValueError("expected guess rates in [0, 1] without NaN; use 0 for open answers")
    return float(np.mean(1.0 - (1.0 - rates) ** n_scales))
