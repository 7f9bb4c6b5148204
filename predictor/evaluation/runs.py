"""The words that training and measuring share: splits, sweeps, runs and a prepared test split.

`experiment.py` trains and chooses, `evaluate.py` measures; nothing here does either.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from predictor.data import FloatArray, IntArray, TrainData
from predictor.policy.shares import pick_headline, share_budgets
from predictor.routing_metrics.bootstrap import (
    ChoiceDraws,
    Resamples,
    choice_draws,
    draw_resamples,
    only_once,
)
from predictor.routing_metrics.gap import OracleSteps, oracle_steps
from predictor.routing_metrics.mixing import Mixture
from predictor.routing_metrics.verdict import FEWEST


@dataclass(frozen=True)
class Splits:
    """The three splits of an experiment; no image of the test split is in another.

    Attributes:
        train: rows to learn from.
        calibration: rows for calibration and for solving lambda.
        test: rows to report.
    """

    train: TrainData
    calibration: TrainData
    test: TrainData

    def __post_init__(self) -> None:
        """Check that training and calibration have no image of the test split.

        Raises:
            ValueError: if they have one.
        """
        known = self.train.all_images | self.calibration.all_images
        shared = known & self.test.all_images
        if shared:
            raise ValueError(
                f"the test split shares {len(shared)} images with training or calibration (one is "
                f"{min(shared)}); split by image, or leave them out with --drop-shared"
            )

    @property
    def in_order(self) -> tuple[TrainData, TrainData, TrainData]:
        """Training, calibration and test split."""
        return self.train, self.calibration, self.test


@dataclass(frozen=True)
class EvaluationSettings:
    """What is reported.

    Attributes:
        targets: mean costs at which all contestants are compared [visual tokens].
        headline: the one of them that makes the headline [visual tokens].
        n_resamples: bootstrap draws.
        level: share of the draws inside an interval.
        seed: seed of the draws.
        parity_drop: largest loss of accuracy that still counts as parity [share of questions].
        fewest: images below which nothing is said of quality.
    """

    targets: tuple[float, ...]
    headline: float
    n_resamples: int = 1000
    level: float = 0.95
    seed: int = 0
    parity_drop: float = 0.005
    fewest: int = FEWEST

    @classmethod
    def for_ladder(cls, calibration: TrainData) -> "EvaluationSettings":
        """Take the budgets that suit the scales of a calibration split."""
        fixed = np.asarray(calibration.tokens, np.float64).mean(axis=0)  # [s]
        budgets = share_budgets(float(fixed.min()), float(fixed[-1]))
        return cls(budgets, pick_headline(budgets))

    def __post_init__(self) -> None:
        """Check that the headline is one of the targets.

        Raises:
            ValueError: if it is not.
        """
        if self.headline not in self.targets:
            raise ValueError(
                f"the headline budget must be one of {self.targets}, got {self.headline}"
            )

    @property
    def headline_column(self) -> int:
        """Column of `SeedRun.at.chosen` that holds the choices at the headline budget."""
        return self.targets.index(self.headline)

    @property
    def headline_key(self) -> str:
        """Key of the gap closed at the headline budget, such as `ogc_72`."""
        return f"ogc_{self.headline:g}"


@dataclass(frozen=True)
class Sweep:
    """Choices of one router on the test split, a column per mean budget.

    Attributes:
        budgets: mean budgets on the calibration split [q], in the sweep's unit.
        lambdas: price of one unit that was solved for each [q].
        chosen: index of the chosen scale of every test question [n, q].
        established: whether the calibration split shows what the sweep is for.
    """

    budgets: tuple[float, ...]
    lambdas: FloatArray
    chosen: IntArray
    established: bool = True


@dataclass(frozen=True)
class SeedRun:
    """What one training of one method chooses on the test split.

    Attributes:
        seed: the training's seed.
        curve: a sweep of budgets, for drawing.
        at: the budgets of `EvaluationSettings.targets`, in that order.
        parity: the one budget at which the calibration split shows no loss of accuracy.
        probabilities: P(correct) on the test split [n, s], if its calibration is to be measured.
        raw: the same before calibration.
        others: curve and parity with lambda solved in other units than visual tokens.
        equal: the budgets of `at`, spent exactly on the test split; None where `at` spends them.
    """

    seed: int
    curve: Sweep
    at: Sweep
    parity: Sweep
    probabilities: FloatArray | None = None
    raw: FloatArray | None = None
    others: Mapping[str, tuple[Sweep, Sweep]] = field(default_factory=dict)
    equal: Mixture | None = None

    @property
    def compared(self) -> Mixture:
        """What is compared at each of the targets."""
        return Mixture.plain(self.at.chosen) if self.equal is None else self.equal


@dataclass(frozen=True)
class PreparedSplit:
    """A test split made ready for measuring: the oracle's upgrades sorted, the resamples drawn.

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
    def prepare(cls, test: TrainData, settings: EvaluationSettings) -> "PreparedSplit":
        """Sort the oracle's upgrades and draw the resamples, once for all methods."""
        draws = draw_resamples(test.clusters, settings.n_resamples, settings.seed)
        steps = oracle_steps(test.scores, test.tokens)
        # `once` lets point estimates take the way of the draws, so that both agree.
        return cls(test, settings, steps, draws, only_once(test.clusters))

    def in_unit(self, unit: str) -> "PreparedSplit":
        """Count another cost in the place of visual tokens, in the same resamples.

        Args:
            unit: a unit that the split knows the costs in, see `TrainData.cost`.
        """
        # Whoever measures reads costs from `tokens`.
        priced = replace(self.test, tokens=self.test.cost(unit), costs={})
        return replace(self, test=priced, steps=oracle_steps(priced.scores, priced.tokens))

    def points(self, chosen: Mixture) -> ChoiceDraws:
        """Measure choices of q columns on the split as it is, arrays [1, q]."""
        return choice_draws(self.once, self.test.scores, self.test.tokens, chosen, self.steps)

    def draws(self, chosen: Mixture) -> ChoiceDraws:
        """Measure choices of q columns in every resample, arrays [r, q]."""
        return choice_draws(self.resamples, self.test.scores, self.test.tokens, chosen, self.steps)
