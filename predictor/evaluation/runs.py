"""A test split made ready for measuring, and what routers chose on it.

Holds the vocabulary that `experiment.py` (which trains and chooses) and `evaluate.py` (which
measures) share. Nothing here trains or decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from predictor.data import FloatArray, IntArray, TrainData
from predictor.routing_metrics.bootstrap import (
    ChoiceDraws,
    Resamples,
    choice_draws,
    draw_resamples,
    only_once,
)
from predictor.routing_metrics.gap import OracleSteps, oracle_steps


@dataclass(frozen=True)
class EvaluationSettings:
    """What is reported.

    Attributes:
        targets: mean budgets at which routers are compared [visual tokens].
        headline: the one of them that makes the headline [visual tokens].
        n_resamples: bootstrap draws.
        level: share of the draws inside an interval.
        seed: seed of the draws.
        parity_drop: largest loss of accuracy that still counts as parity [share of questions].
    """

    targets: tuple[float, ...] = (36.0, 72.0, 144.0)
    headline: float = 72.0
    n_resamples: int = 1000
    level: float = 0.95
    seed: int = 0
    parity_drop: float = 0.005

    def __post_init__(self) -> None:
        """Check that the headline is one of the targets.

        Raises:
            ValueError: if it is not.
        """
        if self.headline not in self.targets:
            raise ValueError(
                f"the headline budget must be one of {self.targets}, got {self.headline}"
            )


@dataclass(frozen=True)
class Sweep:
    """Choices of one router on the test split, a column per mean budget.

    Attributes:
        budgets: mean budgets on the calibration split [q], in the sweep's unit.
        lambdas: price of one unit that was solved for each [q].
        chosen: index of the chosen scale of every test question [n, q].
    """

    budgets: tuple[float, ...]
    lambdas: FloatArray
    chosen: IntArray


@dataclass(frozen=True)
class SeedRun:
    """One training of one router, seen on the test split.

    Attributes:
        seed: the training's seed.
        curve: a sweep of budgets, for drawing.
        at: the budgets of `EvaluationSettings.targets`, in that order.
        parity: the one budget at which the calibration split shows no loss of accuracy.
        probabilities: P(correct) on the test split [n, s], if it is to be judged.
        raw: the same before calibration.
        others: curve and parity with lambda solved in other units than visual tokens.
    """

    seed: int
    curve: Sweep
    at: Sweep
    parity: Sweep
    probabilities: FloatArray | None = None
    raw: FloatArray | None = None
    others: Mapping[str, tuple[Sweep, Sweep]] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    """A test split made ready for measuring: its oracle sorted, its resamples drawn.

    Attributes:
        test: the split.
        settings: what is reported.
        steps: the oracle's upgrades.
        resamples: draws of images, shared by everything measured (paired).
        once: the draw that holds every image once.
    """

    test: TrainData
    settings: EvaluationSettings
    steps: OracleSteps
    resamples: Resamples
    once: Resamples

    @classmethod
    def prepare(cls, test: TrainData, settings: EvaluationSettings) -> "Bench":
        """Sort the oracle and draw the resamples.

        Args:
            test: the test split.
            settings: what is reported.

        Returns:
            The bench.
        """
        draws = draw_resamples(test.image_ids, settings.n_resamples, settings.seed)
        steps = oracle_steps(test.scores, test.tokens)
        return cls(test, settings, steps, draws, only_once(test.image_ids))

    def points(self, chosen: IntArray) -> ChoiceDraws:
        """Measure choices [n, q] on the split as it is, arrays [1, q]."""
        return choice_draws(self.once, self.test.scores, self.test.tokens, chosen, self.steps)

    def draws(self, chosen: IntArray) -> ChoiceDraws:
        """Measure choices [n, q] in every resample, arrays [r, q]."""
        return choice_draws(self.resamples, self.test.scores, self.test.tokens, chosen, self.steps)
