"""Oracle rules: which scale a question needed, read off its scores afterwards.

What this is not: a router. A rule looks at the scores of the answers, which nobody has beforehand.
A rule needs a convention for questions that no scale gets right. The convention moves the mean cost
a lot, so it is an argument and belongs in every report.

Source: routing literature; minimal-correct is the oracle of M3 (arXiv 2405.17430, section 4.3),
    which counts always-wrong questions at the cheapest scale.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]

CORRECT: Final = 0.5
"""A score of at least this counts as right [score in 0..1]."""

DROPPED: Final = -1
"""Index that stands for "no scale"."""

AlwaysWrong = Literal["cheapest", "largest", "drop"]
"""What a question gets for which a rule finds no scale: a scale, or `DROPPED`."""

ALWAYS_WRONG: Final[tuple[AlwaysWrong, ...]] = ("cheapest", "largest", "drop")

ORACLE_RULES: Final = {
    "minimal-correct": "the cheapest scale whose answer is right",
    "stable": "the cheapest scale that is right and all larger ones are right too",
}
"""Rules that need nothing but scores, and what they mean."""


def minimal_correct(
    scores: FloatArray, threshold: float = CORRECT, wrong: AlwaysWrong = "cheapest"
) -> NDArray[np.int64]:
    """Find the smallest scale that is right. One lucky answer is enough, so it flatters.

    Args:
        scores: score of every scale, ascending scales [n, s], each in [0, 1].
        threshold: scores of at least this much count as right.
        wrong: what a question gets that no scale answers.

    Returns:
        Index of the scale [n], or `DROPPED`.

    >>> scores = np.array([[0, 1, 1], [1, 0, 1], [0, 0, 0]])  # three questions at three scales
    >>> minimal_correct(scores, wrong="drop").tolist()
    [1, 0, -1]
    >>> stable(scores, wrong="largest").tolist()
    [1, 2, 2]
    """
    return _first_true(_find_right(scores, threshold), wrong)


def stable(
    scores: FloatArray, threshold: float = CORRECT, wrong: AlwaysWrong = "cheapest"
) -> NDArray[np.int64]:
    """Find the smallest scale from which on every scale is right: robust to lucky answers.

    Args:
        scores: score of every scale, ascending scales [n, s], each in [0, 1].
        threshold: scores of at least this much count as right.
        wrong: what a question gets that the largest scale does not answer.

    Returns:
        Index of the scale [n], or `DROPPED`.
    """
    right = _find_right(scores, threshold)
    # True where this scale and all to its right are right [n, s]: a running "and" from the end.
    right_from_here_on = np.logical_and.accumulate(right[:, ::-1], axis=1)[:, ::-1]
    return _first_true(right_from_here_on, wrong)


def reference_match(texts: NDArray[np.object_]) -> NDArray[np.int64]:
    """Find the smallest scale that says what the largest says: needs no right answer.

    Args:
        texts: every scale's answer, ascending scales [n, s], in a form in which equal answers are
            equal texts (see `labels.metrics.score.normalise_text`).

    Returns:
        Index of the scale [n]; always defined, as the largest scale agrees with itself.
    """
    # [n, s] against [n, 1]: every scale beside the largest one
    return _first_true(texts == texts[:, -1:], "largest")


def utility(scores: FloatArray, costs: FloatArray, price: float) -> NDArray[np.int64]:
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
    values = scores - price * np.asarray(costs)  # [n, s]; costs [s] are those of every question
    if values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"expected one row per question, one column per scale, got {values.shape}")
    # Of equal values argmax takes the first, which is the cheapest scale.
    # [n]
    best: NDArray[np.int64] = values.argmax(axis=1).astype(np.int64)
    return best


def loss_ranking(losses: FloatArray, costs: FloatArray, price: float = 0.0) -> NDArray[np.int64]:
    """Find the scale at which the right answer has the lowest negative log-likelihood.

    Args:
        losses: mean negative log-likelihood of the reference answer's tokens [n, s], in nats.
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
    # The lower the loss, the better: its negative takes the place of a score.
    return utility(-np.asarray(losses), costs, price)


def pick_by_rules(
    scores: FloatArray,
    tokens: FloatArray,
    texts: NDArray[np.object_],
    wrong: AlwaysWrong = "cheapest",
    price: float = 0.0,
    losses: FloatArray | None = None,
) -> dict[str, NDArray[np.int64]]:
    """Apply every rule that the outcomes allow; `loss_ranking` wants losses.

    Args:
        scores: scores [n, s].
        tokens: visual tokens [n, s].
        texts: answers as `reference_match` compares them [n, s].
        wrong: what minimal-correct and stable do with a question that no scale answers.
        price: score that a visual token is worth, for utility.
        losses: mean negative log-likelihood of the reference answer [n, s], in nats.

    Returns:
        Rule to index of the scale [n], or `DROPPED`.
    """
    picked = {
        "minimal-correct": minimal_correct(scores, wrong=wrong),
        "stable": stable(scores, wrong=wrong),
        "reference-match": reference_match(texts),
        "utility": utility(scores, tokens, price),
    }
    if losses is not None:
        picked["loss-ranking"] = loss_ranking(losses, tokens)
    return picked


def summarise_picks(
    picked: NDArray[np.int64], scores: FloatArray, tokens: FloatArray
) -> dict[str, float | None]:
    """Measure score and cost of the scales that a rule picked.

    Args:
        picked: index of the scale [n], or `DROPPED`.
        scores: scores [n, s].
        tokens: visual tokens [n, s].

    Returns:
        `accuracy` and mean `tokens` over the questions that are not dropped, and their share
        `kept`; None where all are dropped.
    """
    kept = picked != DROPPED
    if not kept.any():
        return {"accuracy": None, "tokens": None, "kept": 0.0}
    return {
        "accuracy": _mean_at(picked, scores),
        "tokens": _mean_at(picked, tokens),
        "kept": float(kept.mean()),
    }


def oracle_summary(scores: FloatArray, tokens: FloatArray, rule: str) -> dict[str, float]:
    """Measure accuracy and mean tokens of an oracle rule under all always-wrong conventions.

    Args:
        scores: scores [n, s].
        tokens: visual tokens [n, s].
        rule: a key of `ORACLE_RULES`.

    Returns:
        `accuracy` and `tokens` with always-wrong questions at the cheapest scale, `tokens_dearest`
        with them at the largest, `tokens_drop` over the other questions only (NaN if there are
        none), `never` their share.

    Raises:
        ValueError: if there is no such rule.
    """
    if rule not in ORACLE_RULES:
        raise ValueError(f"expected an oracle rule of {', '.join(ORACLE_RULES)}, got {rule!r}")
    pick = stable if rule == "stable" else minimal_correct
    cheapest = pick(scores, wrong="cheapest")
    dropped = pick(scores, wrong="drop")
    return {
        "accuracy": _mean_at(cheapest, scores),
        "tokens": _mean_at(cheapest, tokens),
        "tokens_dearest": _mean_at(pick(scores, wrong="largest"), tokens),
        "tokens_drop": _mean_at(dropped, tokens),
        "never": float((dropped == DROPPED).mean()),
    }


def index_shares(
    index: NDArray[np.int64], scales: Sequence[int], never: str | None = None
) -> dict[str, float]:
    """Count how often each scale was picked.

    Args:
        index: index of the scale of each question [n], or `DROPPED`.
        scales: the scales [s].
        never: name under which the share of `DROPPED` is given; left out by default.

    Returns:
        Scale as text to its share, in the order of `scales`.
    """
    shares = {str(scale): float((index == k).mean()) for k, scale in enumerate(scales)}
    return shares if never is None else {**shares, never: float((index == DROPPED).mean())}


def granularity(scores: FloatArray, tokens: FloatArray, scales: Sequence[int]) -> dict[str, float]:
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
    shares = index_shares(first, scales, never="never")
    return {**shares, "tokens": _mean_at(first, tokens)}


def _mean_at(picked: NDArray[np.int64], values: FloatArray) -> float:
    rows = np.flatnonzero(picked != DROPPED)
    # One entry for each question that is not dropped.
    return float(values[rows, picked[rows]].mean()) if len(rows) else float("nan")


def _find_right(scores: FloatArray, threshold: float) -> NDArray[np.bool_]:
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(f"expected scores [n, s] with at least one scale, got {scores.shape}")
    return scores >= threshold


def _first_true(right: NDArray[np.bool_], wrong: AlwaysWrong) -> NDArray[np.int64]:
    if wrong not in ALWAYS_WRONG:
        raise ValueError(f"unknown always-wrong convention {wrong!r}; known: {ALWAYS_WRONG}")
    instead = {"cheapest": 0, "largest": right.shape[1] - 1, "drop": DROPPED}[wrong]
    # Of booleans argmax finds the first True [n].
    first: NDArray[np.int64] = right.argmax(axis=1).astype(np.int64)
    first[~right.any(axis=1)] = instead  # argmax gives 0 where nothing is true
    return first
