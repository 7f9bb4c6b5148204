"""Whether probabilities mean what they say: Brier score, calibration error, reliability."""

from typing import Any

import numpy as np

from predictor.data import FloatArray


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
    found = reliability(probabilities, scores, bins)
    apart = sum(part["n"] * abs(part["probability"] - part["score"]) for part in found)
    return float(apart / len(probabilities))
