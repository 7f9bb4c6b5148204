"""Plans and trains every method with every seed, and lets it choose.

No outcome of the test split is looked at.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from predictor.bundle.bundle import RouterBundle
from predictor.data import TrainData
from predictor.evaluation.limit import tune_limit
from predictor.evaluation.methods import (
    LIMIT,
    ROUTER,
    FittedFeatures,
    Trainer,
    list_kinds,
    list_methods,
    method_settings,
    train_router,
)
from predictor.evaluation.runs import EvaluationSettings, SeedRun, Splits
from predictor.evaluation.sweeps import SweepSettings, choose_all
from predictor.policy.spending import spend
from predictor.training.cross_validation import measure_gap
from predictor.training.train import TrainSettings, fit_features, tune_settings

Progress = Callable[[str, int, int], None]
"""Called after each training with its name, the trainings done and all of them."""


@dataclass(frozen=True)
class ExperimentSettings:
    """What is trained and how it is measured.

    Attributes:
        seeds: one training of everything for each.
        train: the router's settings; the baselines differ in one thing each.
        evaluation: what is reported; what suits the ladder of scales if it is None.
        curve_points: budgets on a router's curve, evenly spread on a logarithmic axis.
        studies: whether every kind of router is trained, and blocks, families and images are
            left out in turn: dozens of trainings.
        tested: kinds of router among which this one was picked on the calibration split.
        jobs: trainings at a time, each on one thread; the results do not depend on it.
        extras_ms: what it takes to measure each optional block [ms per question].
        others: what other kinds of router, and the limit, are tuned from; `train` if it is None.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    train: TrainSettings = field(default_factory=TrainSettings)
    evaluation: EvaluationSettings | None = None
    curve_points: int = 48
    studies: bool = True
    tested: int = 1
    jobs: int = 2
    extras_ms: Mapping[str, float] = field(default_factory=dict)
    others: TrainSettings | None = None

    def evaluate_on(self, calibration: TrainData) -> EvaluationSettings:
        """Give what is reported of routers that are calibrated on a split."""
        return self.evaluation or EvaluationSettings.for_ladder(calibration)


@dataclass(frozen=True)
class Plan:
    """How a method is trained.

    Attributes:
        name: of the method.
        settings: what it is trained with, tuned once for all seeds.
        train: what trains it.
        is_router: whether it is a kind of router that is compared with the others.
    """

    name: str
    settings: TrainSettings
    train: Trainer
    is_router: bool

    def with_seed(self, seed: int, fitted: FittedFeatures) -> "Plan":
        """Fix the seed, and for a kind of router the fitted features that all kinds share."""
        train = partial(train_router, fitted=fitted) if self.is_router else self.train
        return replace(self, settings=replace(self.settings, seed=seed), train=train)


@dataclass(frozen=True)
class Training:
    """One training of a method: what it chooses, its time [s], and, of a router, what it learnt."""

    run: SeedRun
    seconds: float
    bundle: RouterBundle | None = None
    gap: float = float("nan")  # closed on the calibration split at the headline budget


def plan_all(splits: Splits, settings: ExperimentSettings) -> dict[str, Plan]:
    """Plan every method, by its name."""
    # Two trainings of one thread each are faster than one of two: small trees share work badly,
    # and LightGBM's threads spin while they wait for each other.
    base, others = (
        replace(one, boosted=replace(one.boosted, threads=1))
        for one in (settings.train, settings.others or settings.train)
    )
    kinds = [ROUTER, *list_kinds(base.kind, settings.studies)]
    with ThreadPoolExecutor(settings.jobs) as pool:
        plans = [base, *(method_settings(others, name) for name in kinds[1:])]
        tuned = list(pool.map(lambda plan: tune_settings(splits.train, plan), plans))
    known = dict(zip(kinds, tuned, strict=True))
    # Baselines and controls are trained like the router, whatever they see; the limit by its own.
    known[LIMIT] = tune_limit(splits, others)
    methods = list_methods(splits, base.kind, settings.studies)
    return {
        name: Plan(name, known.get(name, known[ROUTER]), train, is_router=name in kinds)
        for name, train in methods.items()
    }


def train_all(
    splits: Splits, plans: Mapping[str, Plan], settings: ExperimentSettings, progress: Progress
) -> dict[str, list[Training]]:
    """Train every method with every seed."""
    trained: dict[str, list[Training]] = {name: [] for name in plans}
    total = len(settings.seeds) * len(plans)
    with ThreadPoolExecutor(settings.jobs) as pool:
        # Seed after seed, since the features of all rows are large.
        for seed in settings.seeds:
            for name, training in _train_seed(pool, seed, splits, plans, settings):
                trained[name].append(training)
                progress(name, sum(map(len, trained.values())), total)
    return trained


def _train_seed(
    pool: ThreadPoolExecutor,
    seed: int,
    splits: Splits,
    plans: Mapping[str, Plan],
    settings: ExperimentSettings,
) -> Iterator[tuple[str, Training]]:
    """Train every method with one seed, in the order of the plans."""
    # Made once for all kinds of router.
    fitted = fit_features(splits.train, replace(plans[ROUTER].settings, seed=seed))
    tasks = [plan.with_seed(seed, fitted) for plan in plans.values()]
    # `map` gives the trainings in the order of the tasks, whichever ends first.
    return zip(plans, pool.map(partial(_train, splits, settings), tasks), strict=True)


def _train(splits: Splits, settings: ExperimentSettings, plan: Plan) -> Training:
    """Train a method once, and let it choose."""
    start = time.perf_counter()
    estimate = plan.train(splits, plan.settings)
    seconds = time.perf_counter() - start
    evaluation = settings.evaluate_on(splits.calibration)
    at = SweepSettings(evaluation.targets, settings.curve_points, evaluation.parity_drop)
    run = choose_all(estimate, splits, at, plan.settings.seed, units=plan.name in (ROUTER, LIMIT))
    if plan.name != ROUTER:
        # Nothing is measured by them, and they are kept to the end.
        run = replace(run, probabilities=None, raw=None)
    if not plan.is_router:
        return Training(run, seconds)
    known = splits.calibration
    spent = spend(estimate.calibration, known.tokens, [evaluation.headline])
    return Training(run, seconds, estimate.bundle, measure_gap(known, spent))
