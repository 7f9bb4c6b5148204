"""Whether scales are worth routing over: what a choice per question gains over fixed scales.

The oracle cannot tell: it chooses after the dice have fallen, so scales that guess look as if they
complemented each other. What counts is what can be attained beforehand. Where a router's choices
are known, made without the outcomes that they are scored on, that is what they gain. Where there is
only the table, it is what knowing each question's class gains (`luck.py`), which is nothing where
the outcomes at the scales are independent.

Source: the always-better-to-mix test of RouterBench (arXiv 2403.12031), here without hindsight.
"""

from typing import Final

import numpy as np

from labels.oracle import CORRECT
from predictor.data import FloatArray, IntArray, NameArray, Results
from predictor.routing_metrics.bootstrap import draw_resamples, interval, mean_draws
from predictor.routing_metrics.ceiling import (
    DRAWS,
    REFIT,
    attainable,
    cross_fitted,
    measure_luck,
    tell_shift,
)
from predictor.routing_metrics.gap import (
    check_table,
    fixed_points,
    hull_at,
    hull_points,
    oracle_at,
    oracle_from_steps,
    oracle_steps,
)
from predictor.routing_metrics.luck import (
    Classes,
    Patterns,
    climb,
    draw_outcomes,
    fit_classes,
    is_graded,
    list_patterns,
)
from predictor.routing_metrics.mixing import Mixture
from predictor.routing_metrics.regressions import non_monotone_share
from predictor.routing_metrics.verdict import decide

POINTS: Final = 25
"""Mean costs at which a gain is looked for, evenly in the logarithm."""

TABLES: Final = 20
"""Tables that are drawn to see what luck alone gives an oracle."""


def measure_headroom(
    scores: FloatArray,
    tokens: FloatArray,
    image_ids: NameArray,
    chosen: IntArray | None = None,
    repeats: FloatArray | None = None,
) -> Results:
    """Measure what choosing a scale per question gains, and how much of the oracle may be luck.

    Args:
        scores: scores [n, s], scales in ascending order of cost.
        tokens: visual tokens [n, s].
        image_ids: image of each question [n]; the bootstrap draws images.
        chosen: index of the scale that a router chose for each question [n], which has seen no
            outcome on its image; None where there is no router.
        repeats: scores of k repeats [n, k, s], where questions were asked again: they show the
            probabilities, which one run does not.

    Returns:
        `n`, `images`, `repeats`, `graded` (whether some scores are partial), `fixed`, `hull`,
        `headroom` (oracle above hull at the cost of each fixed scale, with repeats also the
        cross-fitted one), `attainable` (what the router, or knowing the class, gains over the
        hull), `luck` (what an oracle gains by luck alone), shares of questions, and `verdict` with
        `sentence`; with a router and repeats also `ceiling`, which is what `measure_luck` gives for
        its choices. `shift` says whether repeats change more than luck does.
    """
    score, cost = check_table(scores, tokens)
    at, accuracy = fixed_points(score, cost)
    hull = hull_at(at, accuracy, at)
    oracle = oracle_at(score, cost, at)
    right = score >= CORRECT
    # The same costs for all questions: a class knows nothing of the sizes of images.
    outcomes = score[:, None] if repeats is None else repeats
    patterns = list_patterns(outcomes, at)
    classes = fit_classes(patterns, image_ids)
    section: Results = {
        "n": len(score),
        "images": len(np.unique(image_ids)),
        "repeats": outcomes.shape[1],
        "graded": is_graded(outcomes),
        "fixed": [{"tokens": t, "accuracy": a} for t, a in zip(at, accuracy, strict=True)],
        "hull": [list(corner) for corner in zip(*hull_points(at, accuracy), strict=True)],
        "headroom": [
            {"tokens": t, "hull": h, "oracle": o, "headroom": o - h}
            for t, h, o in zip(at, hull, oracle, strict=True)
        ],
        "attainable": _gain_of_classes(classes, patterns, image_ids)
        if chosen is None
        else _gain_of_router(score, cost, image_ids, chosen),
        "luck": _gain_of_luck(classes, at, at[(oracle - hull).argmax()], len(score)),
        "oracle_accuracy": score.max(axis=1).mean(),
        "always_right": right.all(axis=1).mean(),
        "always_wrong": (~right).all(axis=1).mean(),
        "non_monotone": non_monotone_share(score),
    }
    section["shift"] = tell_shift(outcomes, cost, image_ids)
    if repeats is not None:
        crossed = cross_fitted(repeats, cost, image_ids, at)
        for point, reached in zip(section["headroom"], crossed, strict=True):
            point["cross_fitted"] = reached
        if chosen is not None:
            [section["ceiling"]] = measure_luck(
                repeats, cost, image_ids, Mixture.plain(chosen[:, None])
            )
    verdict, sentence = decide(section)
    return {**section, "verdict": verdict, "sentence": sentence}


def _gain_of_router(
    scores: FloatArray, tokens: FloatArray, image_ids: NameArray, chosen: IntArray
) -> Results:
    """Measure what choices gain over the hull at their own cost."""
    picked = [np.take_along_axis(table, chosen[:, None], axis=1) for table in (tokens, scores)]
    columns = np.hstack((tokens, scores, *picked))  # [n, 2s + 2]
    s = tokens.shape[1]

    def gain(means: FloatArray) -> FloatArray:
        cost, accuracy, at, reached = np.split(means, (s, 2 * s, 2 * s + 1), axis=1)
        return np.asarray((reached - hull_at(cost, accuracy, at))[:, 0])

    mean = columns.mean(axis=0)[None]  # a table of one draw [1, 2s + 2]
    low, high = interval(gain(mean_draws(draw_resamples(image_ids), columns)))
    at, reached = mean[0, -2:]
    return _describe("router", at, reached, gain(mean)[0], (low, high))


def _gain_of_classes(classes: Classes, patterns: Patterns, image_ids: NameArray) -> Results:
    """Measure what knowing the class gains over the hull, at the mean cost where that is most."""
    cost = patterns.tokens[0]

    def reach(weights: FloatArray, one: Classes, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        accuracy = weights @ patterns.counts / weights.sum() / patterns.repeats
        reached = attainable(one, patterns, weights, at)
        if patterns.repeats == 1:
            # More than the best scale scores would come from scales that complement each other,
            # which one run does not tell from luck.
            reached = np.minimum(reached, accuracy.max())
        return reached, reached - hull_at(cost, accuracy, at)

    at = np.geomspace(max(cost.min(), 1e-9), max(cost.max(), 1e-9), POINTS)
    reached, gains = reach(patterns.shares, classes, at)
    best = int(gains.argmax())
    weights = patterns.weigh_draws(draw_resamples(image_ids, DRAWS))
    refitted = climb(patterns, classes, weights, *REFIT)
    drawn = [
        reach(weight, one, at[[best]])[1] for weight, one in zip(weights, refitted, strict=True)
    ]
    found = _describe("table", at[best], reached[best], gains[best], interval(np.array(drawn)))
    return {**found, "classes": len(classes.share)}


def _describe(
    source: str, tokens: float, accuracy: float, gain: float, ends: tuple[float, float]
) -> Results:
    return {
        "from": source,
        "tokens": tokens,
        "accuracy": accuracy,
        "hull": accuracy - gain,
        "gain": gain,
        "gain_low": ends[0],
        "gain_high": ends[1],
    }


def _gain_of_luck(classes: Classes, cost: FloatArray, at: float, size: int) -> Results:
    """Draw tables in which luck decides within the classes, and let an oracle choose in them."""
    random = np.random.default_rng(0)
    gains = []
    for _ in range(TABLES):
        table = list_patterns(draw_outcomes(classes, size, random)[:, None], cost)
        steps = oracle_steps(table.counts, table.tokens)
        oracle = oracle_from_steps(steps, table.shares, np.array([at]))
        gains.append(oracle - hull_at(cost, table.shares @ table.counts, np.array([at])))
    mean, spread = float(np.mean(gains)), float(np.std(gains))
    return {
        "tokens": at,
        "gain": mean,
        "gain_low": mean - 2 * spread,
        "gain_high": mean + 2 * spread,
    }
