"""Oracle rules: which scale a question needed, read off its scores afterwards.

What this is not: a router. A rule looks at the answers' scores, which nobody has beforehand.
Every rule needs a convention for questions that no scale gets right, and the convention moves
the mean cost a lot, so it is an argument and belongs in every report.

Source: routing literature, minimal-correct as in M3 (arXiv 2405.17430, section 4.3).
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from labels.metrics.score import normalise_text

AlwaysWrong = Literal["cheapest", "dearest", "drop"]


ALWAYS_WRONG: tuple[AlwaysWrong, ...] = ("cheapest", "dearest", "drop")


DROPPED = -1


RULES = ("minimal-correct", "stable", "reference-match", "utility")
"""Rules that a table of outcomes can answer; `loss_ranking` wants losses besides."""


def minimal_correct(
    scores: NDArray[np.float64], threshold: float = 0.5, wrong: AlwaysWrong = "cheapest"
) -> NDArray[np.int64]:
    """Find the smallest scale that is right. One lucky answer is enough, so it flatters.

    Args:
        scores: score of every scale, ascending scales [n, s], each in [0, 1].
        threshold: scores of at least this much count as right.
        wrong: what a question gets that no scale answers: the cheapest scale, the largest, or
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
            the largest, or `DROPPED`.

    Returns:
        Index of the scale [n], or `DROPPED`.
    """
    right = _find_right(scores, threshold)
    right_from_here_on = np.logical_and.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    return _first_true(right_from_here_on, wrong)


def reference_match(answers: NDArray[np.object_]) -> NDArray[np.int64]:
    """Find the smallest scale that says what the largest says: needs no right answer.

    Args:
        answers: text of every scale's answer, ascending scales [n, s].

    Returns:
        Index of the scale [n]; always defined, as the largest scale agrees with itself.
    """
    texts = np.array([[normalise_text(text) for text in row] for row in answers], dtype=object)
    return _first_true(texts == texts[:, -1:], "dearest")


def utility(
    scores: NDArray[np.float64], costs: NDArray[np.float64], price: float
) -> NDArray[np.int64]:
    """Find the scale with the most score after its cost is paid; for graded scores.

    Args:
        scores: score of every scale, ascending scales [n, s], each in [0, 1].
        costs: cost of every scale [n, s] or [s], in any unit.
        price: score that one unit of cost is worth, at least 0.

    Returns:
        Index of the scale [n], ties to the cheaper. A question that no scale answers gets the
        cheapest, since paying more buys nothing.

    Raises:
        ValueError: if the price is negative.
    """
    if price < 0:
        raise ValueError(f"expected a price of at least 0, got {price}")
    return _first_best(scores - price * np.asarray(costs))


def loss_ranking(
    losses: NDArray[np.float64], costs: NDArray[np.float64], price: float = 0.0
) -> NDArray[np.int64]:
    """Find the scale at which the model finds the right answer least surprising.

    Args:
        losses: mean loss of the reference answer's tokens at every scale [n, s], in nats.
        costs: cost of every scale [n, s] or [s], in any unit.
        price: nats that one unit of cost is worth, at least 0; 0 ranks by loss alone.

    Returns:
        Index of the scale [n], ties to the cheaper; defined for all, right or wrong.

    Raises:
        ValueError: if a loss is not a number or the price is negative.

    Source: the ranking target of AVG-LLaVA (arXiv 2410.02745), with a price added.
    """
    if not np.isfinite(losses).all():
        raise ValueError("expected finite losses, got NaN or infinity: score those answers again")
    return utility(-np.asarray(losses), costs, price)


def pick_by_rules(
    scores: NDArray[np.float64],
    tokens: NDArray[np.float64],
    answers: NDArray[np.object_],
    wrong: AlwaysWrong = "cheapest",
    price: float = 0.0,
    losses: NDArray[np.float64] | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Apply each of `RULES`, and `loss_ranking` where there are losses.

    Args:
        scores: scores [n, s].
        tokens: visual tokens [n, s].
        answers: text of every scale's answer [n, s].
        wrong: what minimal-correct and stable do with a question that no scale answers.
        price: score that a visual token is worth, for utility.
        losses: mean loss of the reference answer [n, s], in nats, for loss-ranking.

    Returns:
        Rule to index of the scale [n], or `DROPPED`.
    """
    picked = (
        minimal_correct(scores, wrong=wrong),
        stable(scores, wrong=wrong),
        reference_match(answers),
        utility(scores, tokens, price),
    )
    ranked = {} if losses is None else {"loss-ranking": loss_ranking(losses, tokens)}
    return {**dict(zip(RULES, picked, strict=True)), **ranked}


def summarise_picks(
    picked: NDArray[np.int64], scores: NDArray[np.float64], tokens: NDArray[np.float64]
) -> dict[str, float | None]:
    """Measure what a rule's scales score and cost.

    Args:
        picked: index of the scale [n], or `DROPPED`.
        scores: scores [n, s].
        tokens: visual tokens [n, s].

    Returns:
        `accuracy` and mean `tokens` over the questions that are not dropped, and their share
        `kept`; None where all are dropped.
    """
    rows = np.flatnonzero(picked != DROPPED)
    if not len(rows):
        return {"accuracy": None, "tokens": None, "kept": 0.0}
    return {
        "accuracy": float(scores[rows, picked[rows]].mean()),
        "tokens": float(tokens[rows, picked[rows]].mean()),
        "kept": len(rows) / len(picked),
    }


def granularity(
    scores: NDArray[np.float64], tokens: NDArray[np.float64], scales: Sequence[int]
) -> dict[str, float]:
    """Tell how many tokens questions need: where the smallest right scale lies.

    Args:
        scores: scores [n, s].
        tokens: visual tokens [n, s].
        scales: the scales [s].

    Returns:
        Share of the questions by smallest right scale, of those `never` right, and the mean
        `tokens` of the others (NaN if there are none).
    """
    first = minimal_correct(scores, wrong="drop")
    mean = summarise_picks(first, scores, tokens)["tokens"]
    return {
        **{str(scale): float((first == column).mean()) for column, scale in enumerate(scales)},
        "never": float((first == DROPPED).mean()),
        "tokens": float("nan") if mean is None else mean,
    }


def _first_best(values: NDArray[np.float64]) -> NDArray[np.int64]:
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"expected one row a question, one column a scale, got {values.shape}")
    best: NDArray[np.int64] = values.argmax(axis=1).astype(np.int64)
    return best


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
