"""What is attainable where luck has a part in every outcome, and the share of it that is attained.

The oracle chooses after the dice have fallen, which nobody can. Here a choice knows at most the
probabilities: of a table with repeats the *noise ceiling* estimates the best that this attains, and
the cross-fitted oracle chooses by some repeats and is scored on the others, so that it is never
above the ceiling but for chance. A table without repeats bounds what is attainable: it is at least
what the classes of `luck.py` allow, and at most the oracle.

The ceiling is estimated, and its interval does not hold its bias, which `python -m
scripts.benchmarks.ceiling` measures in simulated tables: hardly any where outcomes flip with 5 or
10 %; where probabilities are of every size the ceiling is too low, the less the more repeats.
"""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from predictor.data import FloatArray, NameArray, Results
from predictor.routing_metrics.bootstrap import (
    Resamples,
    draw_resamples,
    interval,
    mean_draws,
    mean_known,
)
from predictor.routing_metrics.gap import (
    gap_closed,
    hull_at,
    oracle_at,
    oracle_from_steps,
    oracle_steps,
)
from predictor.routing_metrics.luck import (
    Classes,
    Patterns,
    climb,
    fit_classes,
    list_patterns,
    measure_spread,
)
from predictor.routing_metrics.mixing import Mixture

DRAWS = 200

MOST_NUMBERS = 30_000_000
"""Numbers of draws, classes, scales and rows that are held at a time."""

REFIT = 50, 1e-7
"""Rounds of EM in each draw, which starts at the fit of the whole table, and the least gain."""


def attainable(
    classes: Classes, patterns: Patterns, weights: FloatArray, at: FloatArray
) -> FloatArray:
    """Give the best accuracy of a choice that knows the class of each question, and no outcome.

    Args:
        classes: one set of classes.
        patterns: rows of the table.
        weights: how often each row counts [u].
        at: mean visual tokens per question [q].

    Returns:
        Accuracy [q].
    """
    costs, owner = np.unique(patterns.tokens, axis=0, return_inverse=True)  # [g, s]
    count = len(classes.share)
    members = np.zeros((len(costs), count))
    np.add.at(members, owner.ravel(), classes.weigh(patterns) * weights[:, None])
    # One row for each class at each cost; mostly there is one cost.
    right = np.tile(classes.right, (len(costs), 1))
    steps = oracle_steps(right, np.repeat(costs, count, axis=0))
    return oracle_from_steps(steps, members.ravel(), at)


def cross_fitted(
    outcomes: FloatArray, tokens: FloatArray, image_ids: NameArray, at: FloatArray
) -> FloatArray:
    """Let an oracle choose by all repeats but one, and score it on that one, each in turn.

    It takes the probabilities from classes that are fitted to what it may see: a question's own
    repeats are too few to count on.

    Args:
        outcomes: scores [n, k, s].
        tokens: visual tokens [n, s].
        image_ids: image of each question [n].
        at: mean visual tokens per question [q].

    Returns:
        Accuracy [q], the mean over the repeats.

    Raises:
        ValueError: if there is only one repeat.
    """
    repeats = outcomes.shape[1]
    if repeats < 2:
        raise ValueError(f"a cross-fitted oracle needs at least 2 repeats, got {repeats}")
    reached = []
    spread = measure_spread(outcomes)
    for held in range(repeats):
        seen = list_patterns(np.delete(outcomes, held, axis=1), tokens, spread)
        classes = fit_classes(seen, image_ids)
        expected = (classes.weigh(seen) @ classes.right)[seen.owner]  # [n, s]
        steps = oracle_steps(expected, tokens, credited=outcomes[:, held])
        reached.append(oracle_from_steps(steps, np.ones(len(outcomes)), at))
    return np.asarray(np.mean(reached, axis=0))


def measure_luck(
    outcomes: FloatArray,
    tokens: FloatArray,
    image_ids: NameArray,
    chosen: Mixture,
    trainings: int = 1,
) -> list[Results]:
    """Measure choices against what is attainable at their own cost.

    Args:
        outcomes: scores [n, k, s]; k is 1 for a table without repeats.
        tokens: visual tokens [n, s].
        image_ids: image of each question [n]; the bootstrap draws images.
        chosen: choices of n questions, a column for each of q.
        trainings: columns that are trainings of one router, beside each other; a number is their
            mean, an interval of the draws of all of them.

    Returns:
        For each router `tokens`, `accuracy`, `hull`, `oracle` (in hindsight, mean of the repeats),
        `ceiling` and `ogc` against it with their intervals, `ogc_oracle` against the oracle,
        `ceiling_ogc` (what the ceiling itself closes of the oracle's gap) and `repeats`; with
        repeats also `cross_fitted`. Without, the ceiling is a lower bound of what is attainable,
        the oracle an upper one, and the true share lies between both OGC.
    """
    patterns = list_patterns(outcomes, tokens)
    classes = fit_classes(patterns, image_ids)
    scores = outcomes.mean(axis=1)  # [n, s]
    costs = np.broadcast_to(tokens, scores.shape)
    columns = _Columns(costs, scores, chosen.pick(costs), chosen.pick(scores))
    whole = _compare(columns.mean(), classes, patterns, patterns.shares)
    draws = _draw(columns, classes, patterns, draw_resamples(image_ids, DRAWS))  # [r, 5, q]
    found = dict(zip(MEASURED, whole, strict=True))
    repeats = range(outcomes.shape[1])
    oracles = [oracle_at(outcomes[:, one], tokens, found["tokens"]) for one in repeats]
    found["oracle"] = np.mean(oracles, axis=0)
    found["ogc_oracle"] = gap_closed(found["accuracy"], found["hull"], found["oracle"])
    found["ceiling_ogc"] = gap_closed(found["ceiling"], found["hull"], found["oracle"])
    if len(repeats) > 1:
        found["cross_fitted"] = cross_fitted(outcomes, tokens, image_ids, found["tokens"])
    routers = np.arange(len(chosen.share)).reshape(-1, trainings)
    return [
        {
            "repeats": len(repeats),
            "trainings": trainings,
            "classes": len(classes.share),
            # A training that stays at the cheapest scale has no gap; the others count.
            **{name: float(mean_known(values[None, columns])[0]) for name, values in found.items()},
            **_ends("ceiling", draws[:, MEASURED.index("ceiling"), columns]),
            **_ends("ogc", draws[:, MEASURED.index("ogc"), columns]),
        }
        for columns in routers
    ]


def tell_shift(outcomes: FloatArray, tokens: FloatArray, image_ids: NameArray) -> str:
    """Say that repeats are answered otherwise than the questions as they stand, if they are.

    Then they change more than luck does, and a ceiling that they give is not that of the questions.

    Args:
        outcomes: scores [n, k, s], the questions as they stand first.
        tokens: visual tokens [n, s].
        image_ids: image of each question [n].

    Returns:
        A sentence; empty where nothing shows it.
    """
    if outcomes.shape[1] == 1:
        return ""
    first, again = outcomes[:, 0], outcomes[:, 1:].mean(axis=1)  # [n, s]
    lost = (first - again).mean(axis=0)  # [s]
    worst = int(np.abs(lost).argmax())
    owner = np.unique(np.asarray(image_ids).astype(str), return_inverse=True)[1]
    beyond = np.bincount(owner, first[:, worst] - again[:, worst] - lost[worst])
    error = np.sqrt((beyond**2).sum()) / len(first)
    if abs(lost[worst]) < max(SHIFT, SURELY * error):
        return ""
    right, before = again[:, worst].mean(), first[:, worst].mean()
    at = np.mean(tokens, axis=0)[worst]
    return (
        f"Repeats are answered otherwise than the questions as they stand, {right:.3f} right "
        f"instead of {before:.3f} at {at:g} tokens: what they change is more than luck. Ask again "
        "with a smaller --jitter, closer words or a lower --sample-temperature"
    )


SHIFT: Final = 0.02
"""Accuracy that repeats may lose or win on average before it is told."""

SURELY: Final = 3.0
"""Standard errors that it has to be beyond chance."""

MEASURED: Final = ("tokens", "accuracy", "hull", "ceiling", "ogc")


class _Columns(NamedTuple):
    """What scales and choices cost and score: in every question, or on average [..., s or q].

    Attributes:
        cost: visual tokens of each scale [n, s].
        score: score of each scale [n, s].
        spent: visual tokens of each choice [n, q].
        reached: score of each choice [n, q].
    """

    cost: FloatArray
    score: FloatArray
    spent: FloatArray
    reached: FloatArray

    def mean(self) -> "_Columns":
        """Average over the questions."""
        return _Columns._make(part.mean(axis=0) for part in self)

    def draw(self, resamples: Resamples) -> "list[_Columns]":
        """Average over the questions of every draw."""
        drawn = [mean_draws(resamples, part) for part in self]  # [r, s or q] each
        return [_Columns._make(means) for means in zip(*drawn, strict=True)]


def _compare(
    means: _Columns, classes: Classes, patterns: Patterns, weights: FloatArray
) -> FloatArray:
    """Measure choices by means; rows as in `MEASURED` [5, q]."""
    hull = hull_at(means.cost, means.score, means.spent)
    ceiling = np.maximum(attainable(classes, patterns, weights, means.spent), hull)
    if patterns.repeats == 1:
        # A lower bound, and what was attained is attainable.
        ceiling = np.maximum(ceiling, means.reached)
    closed = gap_closed(means.reached, hull, ceiling)
    return np.stack((means.spent, means.reached, hull, ceiling, closed))


def _draw(
    columns: _Columns, classes: Classes, patterns: Patterns, resamples: Resamples
) -> FloatArray:
    """Measure the same in every draw of images, the classes fitted anew [r, 5, q]."""
    # As many draws at a time as memory holds: where images cost what they cost, hardly any two rows
    # are the same.
    step = max(MOST_NUMBERS // classes.right.size // len(patterns.counts), 1)
    compared = []
    for first in range(0, len(resamples.weights), step):
        some = replace(resamples, weights=resamples.weights[first : first + step])
        weights = patterns.weigh_draws(some)
        refitted = climb(patterns, classes, weights, *REFIT)
        drawn = zip(columns.draw(some), refitted, weights, strict=True)
        compared += [_compare(means, one, patterns, weight) for means, one, weight in drawn]
    return np.array(compared)


def _ends(name: str, draws: FloatArray) -> Results:
    low, high = interval(draws)
    return {f"{name}_low": low, f"{name}_high": high}
