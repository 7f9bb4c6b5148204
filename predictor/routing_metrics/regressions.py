"""Right and wrong on an outcome table: oracle rules, minimal scales, regressions, luck.

Everything here asks whether a scale was right (score of at least `CORRECT`), scale by scale. What a
choice costs and how far it is from the oracle at that cost is in `curves.py`.

Source: the rule names are those of the project's list of oracle labels; "minimal-correct" is the
    oracle of M3 (arXiv 2405.17430), which does not say what an always-wrong question costs.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from predictor.data import FloatArray, IntArray

CORRECT: Final = 0.5
"""A score of at least this counts as right [score in 0..1]."""


NEVER: Final = -1
"""Index that stands for "no scale" in the answers of `minimal_index`."""


ORACLE_RULES: Final = {
    "minimal-correct": "the cheapest scale whose answer is right",
    "stable": "the cheapest scale that is right and all larger ones are right too",
}


def minimal_index(scores: FloatArray, rule: str = "minimal-correct") -> IntArray:
    """Return the scale that an oracle rule picks for every question.

    Args:
        scores: scores [n, s], scales in ascending order of cost.
        rule: a key of `ORACLE_RULES`.

    Returns:
        Index of the scale [n], `NEVER` where the rule finds none.

    Raises:
        ValueError: if there is no such rule.
    """
    if rule not in ORACLE_RULES:
        raise ValueError(f"expected an oracle rule of {', '.join(ORACLE_RULES)}, got {rule!r}")
    right = np.asarray(scores) >= CORRECT
    if rule == "stable":
        right = np.logical_and.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    return np.where(right.any(axis=1), right.argmax(axis=1), NEVER).astype(np.int64)


def oracle_summary(scores: FloatArray, tokens: FloatArray, rule: str) -> dict[str, float]:
    """Return accuracy and mean tokens of an oracle rule under three always-wrong conventions.

    Args:
        scores: scores [n, s].
        tokens: visual tokens [n, s].
        rule: a key of `ORACLE_RULES`.

    Returns:
        `accuracy` and `tokens` with always-wrong questions at the cheapest scale, `tokens_dearest`
        with them at the largest, `tokens_drop` over the other questions only, `never` their share.
    """
    picked = minimal_index(scores, rule)
    rows, never = np.arange(len(scores)), picked == NEVER
    cheap = np.where(never, 0, picked)
    dear = np.where(never, scores.shape[1] - 1, picked)
    kept = tokens[rows, cheap][~never]
    return {
        "accuracy": float(scores[rows, cheap].mean()),
        "tokens": float(tokens[rows, cheap].mean()),
        "tokens_dearest": float(tokens[rows, dear].mean()),
        "tokens_drop": float(kept.mean()) if len(kept) else float("nan"),
        "never": float(never.mean()),
    }


def index_shares(
    index: IntArray, scales: Sequence[int], never: str | None = None
) -> dict[str, float]:
    """Return how often each scale occurs.

    Args:
        index: index of a scale per question [n], or `NEVER`.
        scales: the scales [s].
        never: name under which the share of `NEVER` is given; left out by default.

    Returns:
        Scale as text to its share, in the order of `scales`.
    """
    shares = {str(scale): float((index == k).mean()) for k, scale in enumerate(scales)}
    return shares if never is None else {**shares, never: float((index == NEVER).mean())}


def regressed(scores: FloatArray, chosen: IntArray) -> NDArray[np.bool_]:
    """Mark the questions that the largest scale gets right and the chosen one does not.

    Args:
        scores: scores [n, s], largest scale last.
        chosen: index of the chosen scale [n].

    Returns:
        True where routing lost an answer [n]; its mean is the regression rate.
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


def non_monotone_share(scores: FloatArray) -> float:
    """Return the share of questions that some scale gets right and a larger one wrong.

    Args:
        scores: scores [n, s].

    Returns:
        Share in [0, 1].
    """
    right = np.asarray(scores) >= CORRECT
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
