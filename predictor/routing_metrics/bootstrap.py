"""Paired bootstrap by image of everything that is compared on one test split.

Images, not questions, are drawn with replacement, because questions of one image are not
independent. One draw weighs the router, the fixed scales and the oracle alike (paired), so their
differences are as certain as they really are. Nothing is trained again.

Source: Efron and Tibshirani (1993), chapter 8, for resampling whole clusters; percentile intervals.
"""

from dataclasses import dataclass

import numpy as np

from predictor.data import FloatArray, IntArray, NameArray
from predictor.routing_metrics.gap import (
    OracleSteps,
    check_table,
    gap_closed,
    hull_at,
    oracle_from_steps,
)
from predictor.routing_metrics.mixing import Mixture


@dataclass(frozen=True)
class Resamples:
    """Draws of whole images.

    Attributes:
        weights: how often each image was drawn [r, i].
        image_of_row: number of each question's image [n].
    """

    weights: FloatArray
    image_of_row: IntArray


def draw_resamples(image_ids: NameArray, n_resamples: int = 1000, seed: int = 0) -> Resamples:
    """Draw images with replacement, as many as there are, again and again.

    Args:
        image_ids: image of each question [n].
        n_resamples: number of draws r.
        seed: seed of the draws; the same seed and images give the same draws.

    Raises:
        ValueError: if there is no question or no draw.
    """
    if len(image_ids) == 0 or n_resamples < 1:
        raise ValueError(
            f"a bootstrap needs questions and draws, got {len(image_ids)} and {n_resamples}"
        )
    images, owner = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)
    count = len(images)
    # How often each image is drawn, without listing the draws themselves [r, i].
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), n_resamples)
    return Resamples(draws.astype(np.float64), owner.astype(np.int64))


def only_once(image_ids: NameArray) -> Resamples:
    """Give the one draw in which every image occurs once: it turns draws into point estimates.

    Args:
        image_ids: image of each question [n].
    """
    images, owner = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)
    return Resamples(np.ones((1, len(images))), owner.astype(np.int64))


def mean_draws(resamples: Resamples, values: FloatArray) -> FloatArray:
    """Return the mean over questions in every draw.

    Args:
        resamples: the draws.
        values: one column of numbers per quantity [n, q].

    Returns:
        Means [r, q].
    """
    # Sums by image first: the draws then need one small matrix product, not a pass over questions.
    sums = np.zeros((resamples.weights.shape[1], values.shape[1] + 1))
    rows = np.column_stack((values, np.ones(len(values))))  # [n, q + 1]
    # Not sums[...] += rows, which adds only one row of each image.
    np.add.at(sums, resamples.image_of_row, rows)
    totals = resamples.weights @ sums  # [r, q + 1], the last column counts questions
    return np.asarray(totals[:, :-1] / totals[:, -1:])


def oracle_draws(resamples: Resamples, steps: OracleSteps, at: FloatArray) -> FloatArray:
    """Return the oracle's accuracy at given mean costs in every draw.

    Args:
        resamples: the draws.
        steps: the table's upgrades, sorted once by `oracle_steps`.
        at: mean visual tokens per question, per draw [r, q].

    Returns:
        Accuracies [r, q].
    """
    answers = np.empty(at.shape)
    # Draw by draw: all at once would hold r times the upgrades of the table.
    for row, weights in enumerate(resamples.weights):
        answers[row] = oracle_from_steps(steps, weights[resamples.image_of_row], at[row])
    return answers


@dataclass(frozen=True)
class ChoiceDraws:
    """What q choices did in every draw; all arrays [r, q].

    Attributes:
        tokens: mean visual tokens.
        accuracy: mean score.
        hull: accuracy of the hull of fixed scales at those tokens.
        oracle: accuracy of the oracle at those tokens.
        ogc: share of the gap from hull to oracle that is closed, NaN where there is no gap.
    """

    tokens: FloatArray
    accuracy: FloatArray
    hull: FloatArray
    oracle: FloatArray
    ogc: FloatArray


def choice_draws(
    resamples: Resamples,
    scores: FloatArray,
    tokens: FloatArray,
    chosen: Mixture,
    steps: OracleSteps,
) -> ChoiceDraws:
    """Measure choices against the hull and the oracle, draw by draw.

    Args:
        resamples: the draws.
        scores: scores [n, s].
        tokens: visual tokens [n, s].
        chosen: choices of n questions, a column for each of q.
        steps: `oracle_steps(scores, tokens)`.

    Returns:
        The draws of all choices.
    """
    score, cost = check_table(scores, tokens)
    routed_cost, routed_score = chosen.pick(cost), chosen.pick(score)  # [n, q] each
    n_scales, n_choices = score.shape[1], routed_cost.shape[1]
    # One pass over the draws for all four tables.
    means = mean_draws(resamples, np.hstack((cost, score, routed_cost, routed_score)))
    ends = np.cumsum((n_scales, n_scales, n_choices))
    # [r, s] twice, then [r, q] twice.
    fixed_cost, fixed_score, at, accuracy = np.split(means, ends, axis=1)
    hull = hull_at(fixed_cost, fixed_score, at)
    oracle = oracle_draws(resamples, steps, at)
    return ChoiceDraws(at, accuracy, hull, oracle, gap_closed(accuracy, hull, oracle))


def interval(draws: FloatArray, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of draws, NaN draws left out.

    Args:
        draws: any shape; draws of several seeds are pooled.
        level: share of the draws inside.

    Returns:
        Lower and upper end; NaN if no draw is a number.

    Raises:
        ValueError: if `level` is not strictly between 0 and 1.

    Three images with two questions each; the accuracy over draws of whole images:

    >>> draws = draw_resamples(np.array(["a", "a", "b", "b", "c", "c"]), n_resamples=1000)
    >>> scores = np.array([[1.0], [1.0], [1.0], [0.0], [0.0], [0.0]])
    >>> interval(mean_draws(draws, scores), level=0.5)
    (0.3333333333333333, 0.6666666666666666)
    """
    if not 0 < level < 1:
        raise ValueError(f"expected a level strictly between 0 and 1, got {level}")
    # A draw in which hull and oracle meet has no gap, and says nothing of its share.
    finite = np.asarray(draws)[np.isfinite(draws)]
    if len(finite) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def mean_known(draws: FloatArray) -> FloatArray:
    """Average draws [r, q] over q, leaving out what does not exist; NaN where nothing does."""
    # Not np.nanmean, which warns where nothing exists.
    known = np.isfinite(draws)
    count = known.sum(axis=1)
    total = np.where(known, draws, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
