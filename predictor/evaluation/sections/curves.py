"""Curves over budgets, and the parity point, in visual tokens or in any other unit of cost.

The one place where sweeps become numbers: a `PreparedSplit` says in which unit costs are counted
(`in_unit`), and the sections that use the numbers give them their names.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from predictor.data import FloatArray, IntArray, Results
from predictor.evaluation.runs import PreparedSplit, Sweep
from predictor.routing_metrics.bootstrap import mean_draws
from predictor.routing_metrics.regressions import regressed, rescued


@dataclass(frozen=True)
class Curve:
    """What a method does at q budgets, averaged over its trainings.

    Attributes:
        cost: mean cost of a question [q].
        accuracy: mean score [q].
        regression_rate: share of questions that only the largest scale gets right [q].
        rescue_rate: share of questions that only the chosen scale gets right [q].
        scores: score of every question, mean of the trainings [n, q].
    """

    cost: FloatArray
    accuracy: FloatArray
    regression_rate: FloatArray
    rescue_rate: FloatArray
    scores: FloatArray


def measure_curve(prepared: PreparedSplit, sweeps: Sequence[Sweep]) -> Curve:
    """Measure sweeps of the same budgets, one per training, in the unit of the split.

    They are averaged budget by budget, not lambda by lambda: a budget means the same in all of
    them, a lambda does not.
    """
    test = prepared.test
    choices = [sweep.chosen for sweep in sweeps]
    # Averages of the trainings.
    costs = np.mean([_take(test.tokens, chosen) for chosen in choices], axis=0)  # [n, q]
    scores = np.mean([_take(test.scores, chosen) for chosen in choices], axis=0)  # [n, q]
    rates = np.mean([measure_rates(test.scores, chosen) for chosen in choices], axis=0)  # [2, q]
    return Curve(costs.mean(axis=0), scores.mean(axis=0), rates[0], rates[1], scores)


def measure_rates(scores: FloatArray, chosen: IntArray) -> FloatArray:
    """Measure regression rates and rescue rates [2, q] of choices [n, q] on scores [n, s]."""
    lost = [regressed(scores, column).mean() for column in chosen.T]
    won = [rescued(scores, column).mean() for column in chosen.T]
    return np.array([lost, won])


@dataclass(frozen=True)
class Parity:
    """The point that the calibration split calls as good as the largest scale.

    Attributes:
        cost: mean cost of a question.
        share: that cost as a share of what the largest scale costs.
        accuracy: mean score.
        largest: mean score of always the largest scale.
        cost_draws: cost in every resample, a column per training [r, q].
        drop_draws: drop in every resample [r, q].
        established: whether every training's point is shown to be as good as the largest scale,
            and the split is large enough to measure it.
    """

    cost: float
    share: float
    accuracy: float
    largest: float
    cost_draws: FloatArray
    drop_draws: FloatArray
    established: bool

    @property
    def drop(self) -> float:
        """How far the accuracy is below that of the largest scale."""
        return self.largest - self.accuracy

    def tell(self, values: Results) -> Results:
        """Give what is said of the point, None for each value where none is established."""
        return values if self.established else dict.fromkeys(values)


def measure_parity(prepared: PreparedSplit, sweeps: Sequence[Sweep]) -> Parity:
    """Measure the parity points of q trainings, sweeps of one budget, in the unit of the split."""
    test = prepared.test
    chosen = np.hstack([sweep.chosen for sweep in sweeps])  # [n, q]
    costs = _take(test.tokens, chosen)
    scores = _take(test.scores, chosen)
    largest = np.asarray(test.scores, np.float64)[:, -1:]  # [n, 1]
    means = mean_draws(prepared.resamples, np.hstack((costs, scores, largest)))  # [r, 2q + 1]
    cost_draws, score_draws, largest_draws = np.split(means, (len(sweeps), 2 * len(sweeps)), axis=1)
    return Parity(
        cost=float(costs.mean()),
        share=float(costs.mean() / np.mean(test.tokens[:, -1])),
        accuracy=float(scores.mean()),
        largest=float(largest.mean()),
        cost_draws=cost_draws,
        drop_draws=largest_draws - score_draws,
        established=all(sweep.established for sweep in sweeps)
        and test.n_images >= prepared.settings.fewest,
    )


def list_points(columns: Mapping[str, Iterable[float]]) -> list[Results]:
    """Turn columns of q numbers into q points, as a figure reads them.

    >>> list_points({"tokens": [1.0, 9.0], "accuracy": [0.5, 0.75]})
    [{'tokens': 1.0, 'accuracy': 0.5}, {'tokens': 9.0, 'accuracy': 0.75}]
    """
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _take(table: FloatArray, chosen: IntArray) -> FloatArray:
    """Give every question the number of its chosen scales, [n, s] to [n, q]."""
    return np.take_along_axis(np.asarray(table, np.float64), chosen, axis=1)
