"""Losses of the small network: each row's loss and its slope in the logits.

Scores [n, s] are in [0, 1]; what AVG-LLaVA calls the loss of a scale is 1 - score here. A scale
that was not tried has no part in the row's loss.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from predictor.data import FloatArray
from predictor.routers.base import sigmoid

LOSSES: Final = ("bce", "rank", "cost")


Mask = NDArray[np.bool_]


def softmax(logits: FloatArray) -> FloatArray:
    """Turn logits into shares.

    Args:
        logits: any numbers [..., s].

    Returns:
        Positive shares that sum to 1 in each row [..., s].
    """
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def cross_entropy(
    logits: FloatArray, scores: FloatArray, known: Mask
) -> tuple[FloatArray, FloatArray]:
    """Measure how well sigmoid(logits) predicts every scale's score.

    Args:
        logits: log-odds [n, s].
        scores: scores [n, s].
        known: whether a scale was tried [n, s].

    Returns:
        Loss [n] and its slope in the logits [n, s].
    """
    loss = np.logaddexp(0.0, logits) - scores * logits
    return (loss * known).sum(axis=1), (sigmoid(logits) - scores) * known


def ranking(
    logits: FloatArray, scores: FloatArray, known: Mask, margin: float, choice_weight: float
) -> tuple[FloatArray, FloatArray]:
    """Measure whether better scales are ranked above worse ones, by how much they are better.

    Ranks follow the score, the cheaper scale first among equals; pairs of equals do not count.

    Args:
        logits: any numbers [n, s].
        scores: scores [n, s].
        known: whether a scale was tried [n, s]; at least one of each row.
        margin: margin for neighbouring ranks whose scores differ by 1.
        choice_weight: weight of the cross-entropy with the first rank.

    Returns:
        Loss [n] and its slope in the logits [n, s].

    Source: AVG-LLaVA (arXiv 2410.02745): sum over i < j of max(0, s_j - s_i + m (j - i)(l_j - l_i))
        plus 0.1 times the cross-entropy with the scale of the smallest loss l.
    """
    rows = np.arange(len(scores))
    ranks = np.argsort(np.argsort(np.where(known, -scores, np.inf), axis=1, kind="stable"), axis=1)
    # [n, better, worse]
    lead = (scores[:, :, None] - scores[:, None, :]) * (known[:, :, None] & known[:, None, :])
    steps = ranks[:, None, :] - ranks[:, :, None]
    short = logits[:, None, :] - logits[:, :, None] + margin * steps * lead
    wrong = (lead > 0) & (short > 0)
    shares, first = _shares(logits, known), ranks.argmin(axis=1)
    loss = (short * wrong).sum(axis=(1, 2)) - choice_weight * np.log(shares[rows, first] + 1e-12)
    slope = wrong.sum(axis=1) - wrong.sum(axis=2) + choice_weight * shares
    slope[rows, first] -= choice_weight
    return loss, slope


def weighted_choice(
    logits: FloatArray, scores: FloatArray, known: Mask, costs: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Measure whether the scale of the best utility is chosen, by what is at stake.

    Args:
        logits: any numbers [n, s].
        scores: scores [n, s].
        known: whether a scale was tried [n, s]; at least one of each row.
        costs: what each scale costs, in units of score [s].

    Returns:
        Loss [n], the cross-entropy with the best scale times the mean utility lost elsewhere, and
        its slope in the logits [n, s].
    """
    utility, rows = np.where(known, scores - costs, -1e9), np.arange(len(scores))
    best = utility.argmax(axis=1)
    lost = np.where(known, utility.max(axis=1, keepdims=True) - utility, 0.0)
    stake = lost.sum(axis=1, keepdims=True) / max(scores.shape[1] - 1, 1)
    shares = _shares(logits, known)
    slope = stake * shares
    slope[rows, best] -= stake[:, 0]
    return -stake[:, 0] * np.log(shares[rows, best] + 1e-12), slope


def _shares(logits: FloatArray, known: Mask) -> FloatArray:
    return softmax(np.where(known, logits, -1e9))
