"""Oracle rules: which scale a question needed, read off its scores afterwards.

What this is not: a router. A rule looks at the answers' scores, which nobody has beforehand.
Every rule needs a convention for questions that no scale gets right, and the convention moves
the mean cost a lot, so it is an argument and belongs in every report.

Source: routing literature, minimal-correct as in M3 (arXiv 2405.17430, section 4.3).
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

AlwaysWrong = Literal["cheapest", "dearest", "drop"]
ALWAYS_WRONG: tuple[AlwaysWrong, ...] = ("cheapest", "dearest", "drop")
DROPPED = -1


def minimal_correct(
    scores: NDArray[np.float64], threshold: float = 0.5, wrong: AlwaysWrong = "cheapest"
) -> NDArray[np.int64]:
    """Find the smallest scale that is right. One lucky answer is enough, so it flatters.

    Args:
        scores: score of every scale, ascending scales [n, s], each in [0, 1].
        threshold: scores of at least this much count as right.
        wrong: what a question gets that no scale answers: the cheapest scale, the dearest, or
            `DROPPED`.

    Returns:
        Index of the scale [n], or `DROPPED`.
    """
    return _first_true(_find_right(scores, threshold), wrong)


def stable(
    scores: NDArray[np.float64], threshold: float = 0.5, wrong: AlwaysWrong = "cheapest"
) -> NDArray[np.int64]:
    """Find the smallest scale from which on every scale is right: robust to lucky answers.

    Args:
        scores: score of every scale, ascending scales [n, s], each in [0, 1].
        threshold: scores of at least this much count as right.
        wrong: what a question gets that the largest scale does not answer: the cheapest scale,
            the dearest, or `DROPPED`.

    Returns:
        Index of the scale [n], or `DROPPED`.
    """
    right = _find_right(scores, threshold)
    right_from_here_on = np.logical_and.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    return _first_true(right_from_here_on, wrong)


def _find_right(scores: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(f"expected scores [n, s] with at least one scale, got {scores.shape}")
    return scores >= threshold


def _first_true(right: NDArray[np.bool_], wrong: AlwaysWrong) -> NDArray[np.int64]:
    if wrong not in ALWAYS_WRONG:
        raise ValueError(f"unknown always-wrong convention {wrong!r}; known: {ALWAYS_WRONG}")
    instead = {"cheapest": 0, "dearest": right.shape[1] - 1, "drop": DROPPED}[wrong]
    first: NDArray[np.int64] = right.argmax(axis=1).astype(np.int64)
    first[~right.any(axis=1)] = instead
    return first
