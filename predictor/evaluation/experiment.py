"""Train the router, its baselines and its controls over several seeds, and measure them.

The whole protocol of a report in one call: everything is learnt on the training split, lambda is
solved on the calibration split, and no outcome of the test split is used but for measuring. Not a
tuner: the settings come in, or are tuned once on the training split, and are the same for every
seed.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import OPTIONS, Results, TrainData
from predictor.evaluation.evaluate import evaluate
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
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, SeedRun, Splits
from predictor.evaluation.sections.ablation import AblationSettings, ablate
from predictor.evaluation.sections.attainable import bound_gaps
from predictor.evaluation.sections.cascade import describe_cascade
from predictor.evaluation.sections.certificates import study_certificates
from predictor.evaluation.sections.growth import measure_growth
from predictor.evaluation.sections.kinds import TrainedKind, describe_kinds
from predictor.evaluation.sections.transfer import leave_one_out
from predictor.evaluation.sweeps import SweepSettings, choose_all, shuffle_run
from predictor.policy.budgets import choose
from predictor.policy.spending import spend
from predictor.routing_metrics.regressions import luck_floor
from predictor.training.cross_validation import measure_gap
from predictor.training.train import TrainSettings, fit_features, tune_settings

_LOG = logging.getLogger(__name__)

ABLATION_SEEDS = 2
"""Trainings without each block and with it alone; there are eleven such choices of blocks."""

TIMED_CALLS = 25
"""Timed calls of the router of the report; of the other kinds, a fifth of them."""

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
        studies: whether every kind of router is trained, and blocks and families are left out in
            turn: dozens of trainings.
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


def run_experiment(
    train: TrainData,
    calibration: TrainData,
    test: TrainData,
    settings: ExperimentSettings | None = None,
    progress: Progress | None = None,
) -> Results:
    """Make results.json, all but the gallery and what only the caller knows (hardware, command).

    Args:
        train: rows to learn from.
        calibration: rows for calibration and for solving lambda, on other images.
        test: rows to report, on yet other images.
        settings: what to train and report; the defaults if left out.
        progress: called after each training.

    Returns:
        The results, numbers and arrays as they are; `write_json` makes JSON of them.

    Raises:
        ValueError: if the splits share images, or there is no seed or no job.
    """
    settings = settings or ExperimentSettings()
    if not settings.seeds or settings.jobs < 1:
        raise ValueError(
            "an experiment needs at least one seed and one job, got seeds "
            f"{settings.seeds} and {settings.jobs} jobs"
        )
    splits = Splits(train, calibration, test)
    evaluation = settings.evaluate_on(calibration)
    start = time.perf_counter()
    plans = _plan_all(splits, settings)
    trained = _train_all(splits, plans, settings, progress or _log_progress)
    done = time.perf_counter()
    runs = {name: [one.run for one in trainings] for name, trainings in trained.items()}
    runs["shuffled_routing"] = [shuffle_run(run, test.tokens) for run in runs[ROUTER]]
    prepared = PreparedSplit.prepare(test, evaluation)
    results = evaluate(prepared, runs)
    kinds = _list_kinds(trained, plans, test)
    results["zoo"] = describe_kinds(prepared, kinds, results)
    results["headline"].update(kinds[0].measured)
    results["settings"].update(router=settings.train.kind)
    results["luck_floor"] = _guess(test)
    results["attainable"] = bound_gaps(prepared, runs[ROUTER])
    results["cascade"] = describe_cascade(calibration, test, evaluation.targets)
    enough = min(calibration.n_images, test.n_images) >= evaluation.fewest
    if enough and (bundle := trained[ROUTER][0].bundle):
        results["certified"] = _study_certificates(bundle, splits, settings.tested)
    evaluated = time.perf_counter()
    if settings.studies:
        results.update(_leave_out(splits, plans[ROUTER].settings, runs[ROUTER][0], settings))
    results["meta"] = _describe_splits(splits, settings)
    results["meta"]["timings"] = {
        "train_router_s": kinds[0].seconds,
        "train_all_s": done - start,
        "evaluate_s": evaluated - done,
        "studies_s": time.perf_counter() - evaluated,
    }
    return results


def _describe_splits(splits: Splits, settings: ExperimentSettings) -> Results:
    names = ("train", "calibration", "test")
    return {
        "n_questions": len(splits.test),
        "n_images": splits.test.n_images,
        "seeds": list(settings.seeds),
        "splits": {
            name: _describe(data) for name, data in zip(names, splits.in_order, strict=True)
        },
    }


@dataclass(frozen=True)
class _Plan:
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

    def with_seed(self, seed: int, fitted: FittedFeatures) -> "_Plan":
        """Fix the seed, and for a kind of router the fitted features that all kinds share."""
        train = partial(train_router, fitted=fitted) if self.is_router else self.train
        return replace(self, settings=replace(self.settings, seed=seed), train=train)


@dataclass(frozen=True)
class _Training:
    """One training of a method: what it chooses, its time [s], and, of a router, what it learnt."""

    run: SeedRun
    seconds: float
    bundle: RouterBundle | None = None
    gap: float = float("nan")  # closed on the calibration split at the headline budget


def _plan_all(splits: Splits, settings: ExperimentSettings) -> dict[str, _Plan]:
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
        name: _Plan(name, known.get(name, known[ROUTER]), train, is_router=name in kinds)
        for name, train in methods.items()
    }


def _train_all(
    splits: Splits, plans: Mapping[str, _Plan], settings: ExperimentSettings, progress: Progress
) -> dict[str, list[_Training]]:
    """Train every method with every seed."""
    trained: dict[str, list[_Training]] = {name: [] for name in plans}
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
    plans: Mapping[str, _Plan],
    settings: ExperimentSettings,
) -> Iterator[tuple[str, _Training]]:
    """Train every method with one seed, in the order of the plans."""
    # Made once for all kinds of router.
    fitted = fit_features(splits.train, replace(plans[ROUTER].settings, seed=seed))
    tasks = [plan.with_seed(seed, fitted) for plan in plans.values()]
    # `map` gives the trainings in the order of the tasks, whichever ends first.
    return zip(plans, pool.map(partial(_train, splits, settings), tasks), strict=True)


def _train(splits: Splits, settings: ExperimentSettings, plan: _Plan) -> _Training:
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
        return _Training(run, seconds)
    known = splits.calibration
    spent = spend(estimate.calibration, known.tokens, [evaluation.headline])
    return _Training(run, seconds, estimate.bundle, measure_gap(known, spent))


def _list_kinds(
    trained: Mapping[str, list[_Training]], plans: Mapping[str, _Plan], test: TrainData
) -> list[TrainedKind]:
    """Join the trainings of each kind of router, that of the report first."""
    kinds = []
    for name, trainings in trained.items():
        bundle = trainings[0].bundle
        if bundle is None:
            continue
        repeats = TIMED_CALLS if name == ROUTER else TIMED_CALLS // 5
        kinds.append(
            TrainedKind(
                name=name,
                settings=plans[name].settings,
                runs=[one.run for one in trainings],
                gaps=[one.gap for one in trainings],
                seconds=float(np.mean([one.seconds for one in trainings])),
                measured=measure_router(bundle, test, repeats),
            )
        )
    return kinds


def _leave_out(
    splits: Splits, settings: TrainSettings, run: SeedRun, experiment: ExperimentSettings
) -> Results:
    """Leave out every feature block, if there are several, every family, and training images."""
    evaluation = experiment.evaluate_on(splits.calibration)
    budget = evaluation.headline
    jobs = experiment.jobs
    seeds = min(len(experiment.seeds), ABLATION_SEEDS)
    of_blocks = AblationSettings(
        budget=budget, seeds=seeds, jobs=jobs, extras_ms=experiment.extras_ms
    )
    usual = run.at.chosen[:, evaluation.headline_column]
    all_images = run.compared.column(evaluation.headline_column)
    studies: Results = {
        "leave_one_out": leave_one_out(splits.in_order, settings, usual, budget, jobs=jobs),
        "growth": measure_growth(splits.in_order, settings, all_images, budget, jobs=jobs),
    }
    # A router of one block has nothing to be compared without it.
    if len(settings.features.blocks) > 1:
        studies["ablation"] = ablate(splits.in_order, settings, of_blocks)
    return studies


def _study_certificates(bundle: RouterBundle, splits: Splits, tested: int) -> Results:
    """Measure certificates of one training, chosen from the candidates that its router carries."""
    calibration, test = (
        (bundle.predict_raw(split.coarse, split.question, split.extras), split)
        for split in (splits.calibration, splits.test)
    )
    if bundle.candidates is None:
        return {}
    return study_certificates(calibration, test, bundle.candidates, tested=tested)


def _log_progress(name: str, done: int, total: int) -> None:
    _LOG.info("trained %s (%d of %d)", name, done, total)


def _guess(test: TrainData) -> float | None:
    """Give the luck floor, None where the number of options is not known."""
    if test.meta is None or OPTIONS not in test.meta_names:
        return None
    options = np.asarray(test.meta[:, test.meta_names.index(OPTIONS)], np.float64)
    has = options >= 1  # NaN: an open answer, which is not guessed
    rates = np.where(has, 1 / np.where(has, options, 1.0), 0.0)  # [n]
    return luck_floor(rates, len(test.scales))


def _describe(split: TrainData) -> Results:
    return {
        "questions": len(split),
        "images": split.n_images,
        "fingerprint": split.fingerprint(),
    }


def measure_router(
    bundle: RouterBundle, data: TrainData, repeats: int = TIMED_CALLS
) -> dict[str, float]:
    """Measure how long a router takes and how large it is.

    Args:
        bundle: the router.
        data: rows to route.
        repeats: timed calls of each kind; the median counts.

    Returns:
        `router_ms` per question in a batch of 64 and `router_ms_single` alone, features and
        choice included [milliseconds], `router_mb` saved [1e6 bytes].
    """
    single = _time_calls(bundle, data.take(np.arange(1)), repeats)
    batch = _time_calls(bundle, data.take(np.arange(64) % len(data)), repeats)
    return {
        "router_ms": round(batch / 64, 4),
        "router_ms_single": round(single, 4),
        "router_mb": round(bundle.size_bytes() / 1e6, 4),
    }


def _time_calls(bundle: RouterBundle, data: TrainData, repeats: int) -> float:
    seconds = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        choose(bundle.predict_proba(data.coarse, data.question, data.extras), data.tokens, 1e-3)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[3:]) * 1000)  # the first calls warm caches up
