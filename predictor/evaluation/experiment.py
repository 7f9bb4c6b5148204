"""Train the router, its baselines and its controls over several seeds, and measure them.

The whole protocol of a report in one call: everything is learnt on the training split, lambda is
solved on the calibration split, and the test split is only looked at. Not a tuner: the settings
come in, or are tuned once on the training split, and are the same for every seed.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from m3_backbone.files import plain
from predictor.bundle.bundle import RouterBundle
from predictor.data import OPTIONS, TrainData
from predictor.evaluation.contestants import (
    ROUTER,
    Splits,
    contestants,
    list_zoo,
    plan,
    train_router,
)
from predictor.evaluation.evaluate import evaluate
from predictor.evaluation.runs import EvaluationSettings, SeedRun
from predictor.evaluation.sections.ablation import AblationSettings, ablate
from predictor.evaluation.sections.cascade import describe_cascade
from predictor.evaluation.sections.certificates import study_certificates
from predictor.evaluation.sections.transfer import leave_one_out
from predictor.evaluation.sections.zoo import Entry, describe_zoo
from predictor.evaluation.sweeps import SweepSettings, choose_all, shuffle_run
from predictor.policy.budgets import choose
from predictor.policy.certificates import candidate_lambdas
from predictor.routing_metrics.regressions import luck_floor
from predictor.training.cross_validation import cross_choose, measure_gap
from predictor.training.train import TrainSettings, fit_features, tune_settings

_LOG = logging.getLogger(__name__)


ABLATION_SEEDS = 2
"""Trainings without each block and with it alone: there are eleven of them in all."""


Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ExperimentSettings:
    """What is trained and how it is measured.

    Attributes:
        seeds: one training of everything for each.
        train: the router's settings; the baselines differ in one thing each.
        evaluation: what is reported.
        curve_points: budgets on a router's curve, evenly spread on a logarithmic axis.
        parity_slack: loss of accuracy that the parity point may show on the calibration split;
            half of what counts as parity on the test split, because it is chosen there.
        studies: whether every kind of router is trained, and blocks and families are left out in
            turn: dozens of trainings.
        tested: kinds of router among which this one was picked on the calibration split.
        jobs: trainings at a time, each on one thread; the results do not depend on it.
    """

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    train: TrainSettings = field(default_factory=TrainSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    curve_points: int = 48
    parity_slack: float = 0.0025
    studies: bool = True
    tested: int = 1
    jobs: int = 2


def run_experiment(
    train: TrainData,
    calibration: TrainData,
    test: TrainData,
    settings: ExperimentSettings | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Make results.json, all but the gallery and what only the caller knows (hardware, command).

    Args:
        train: rows to learn from.
        calibration: rows for calibration and for solving lambda, on other images.
        test: rows to report, on yet other images.
        settings: what to train and report; the defaults if left out.
        progress: called after each training with its name, the trainings done and all of them.

    Returns:
        The results, ready for JSON.

    Raises:
        ValueError: if the splits share images, or there is no seed or no job.
    """
    settings = settings or ExperimentSettings()
    if not settings.seeds or settings.jobs < 1:
        raise ValueError(
            "an experiment needs at least one seed and one job, got seeds "
            f"{settings.seeds} and {settings.jobs} jobs"
        )
    splits, start = Splits(train, calibration, test), time.perf_counter()
    plans = _plan_all(splits, settings)
    runs, trained = _train_all(splits, plans, settings, progress or _log_progress)
    done = time.perf_counter()
    results = evaluate(test, runs, settings.evaluation)
    entries = [_enter(name, plans[name], runs[name], trained[name], test) for name in trained]
    results["zoo"] = plain(describe_zoo(test, entries, results, settings.evaluation))
    results["headline"].update(entries[0].measured)
    results["settings"].update(router=settings.train.kind, parity_slack=settings.parity_slack)
    results["luck_floor"] = plain(_guess(test))
    results["cascade"] = plain(describe_cascade(calibration, test, settings.evaluation.targets))
    results["certified"] = plain(_study(trained[ROUTER][0].bundle, splits, settings.tested))
    evaluated = time.perf_counter()
    if settings.studies:
        results.update(plain(_leave_out(splits, plans[ROUTER], runs[ROUTER][0], settings)))
    timings = {
        "train_router_s": entries[0].seconds,
        "train_all_s": done - start,
        "evaluate_s": evaluated - done,
        "studies_s": time.perf_counter() - evaluated,
    }
    parts = {"train": train, "calibration": calibration, "test": test}
    results["meta"] = {
        "n_questions": len(test),
        "n_images": len(set(map(str, test.image_ids))),
        "seeds": list(settings.seeds),
        "splits": {name: _describe(part) for name, part in parts.items()},
        "timings": plain(timings),
    }
    return results


@dataclass(frozen=True)
class _Trained:
    """One training of a router: the router, its gap closed on the calibration split, its time."""

    bundle: RouterBundle
    gap: float
    seconds: float


def _plan_all(splits: Splits, settings: ExperimentSettings) -> dict[str, TrainSettings]:
    """Give every contestant its settings, tuned once for all seeds."""
    # Two trainings of one thread each are faster than one of two: small trees share work badly,
    # and LightGBM's threads spin while they wait for each other.
    base = replace(settings.train, boosted=replace(settings.train.boosted, threads=1))
    names = list(contestants(splits, base.kind, settings.studies))
    zoo = [ROUTER, *list_zoo(base.kind, settings.studies)]
    with ThreadPoolExecutor(settings.jobs) as pool:
        tuned = pool.map(lambda name: tune_settings(splits.train, plan(base, name)), zoo)
        found = dict(zip(zoo, tuned, strict=True))
    return {name: found.get(name, found[ROUTER]) for name in names}


def _train_all(
    splits: Splits,
    plans: dict[str, TrainSettings],
    settings: ExperimentSettings,
    progress: Progress,
) -> tuple[dict[str, list[SeedRun]], dict[str, list[_Trained]]]:
    """Train everything for every seed; give the runs of all and the trainings of the routers."""
    trainers = contestants(splits, settings.train.kind, settings.studies)
    at = SweepSettings(settings.evaluation.targets, settings.curve_points, settings.parity_slack)
    routers = [ROUTER, *list_zoo(settings.train.kind, settings.studies)]
    # All kinds of router of a seed see the same feature rows, which are made once.
    fitted = {
        seed: fit_features(splits.train, replace(plans[ROUTER], seed=seed))
        for seed in settings.seeds
    }

    def train(seed: int, name: str) -> tuple[str, SeedRun, _Trained | None]:
        start = time.perf_counter()
        seeded = replace(plans[name], seed=seed)
        if name in routers:
            estimate = train_router(splits, seeded, fitted[seed])
        else:
            estimate = trainers[name](splits, seeded)
        seconds = time.perf_counter() - start
        run = choose_all(estimate, splits, at, seed)
        if estimate.bundle is None or name not in routers:
            return name, run, None
        chosen = cross_choose(
            estimate.calibration, splits.calibration, settings.evaluation.headline
        )
        gap = measure_gap(splits.calibration, chosen)
        return name, run, _Trained(estimate.bundle, gap, seconds)

    runs: dict[str, list[SeedRun]] = {name: [] for name in (*trainers, "shuffled_routing")}
    trained: dict[str, list[_Trained]] = {name: [] for name in routers}
    tasks = [(seed, name) for seed in settings.seeds for name in trainers]
    with ThreadPoolExecutor(settings.jobs) as pool:
        for done, found in enumerate(pool.map(lambda task: train(*task), tasks), start=1):
            name, run, one = found
            runs[name].append(run)
            if one is not None:
                trained[name].append(one)
            if name == ROUTER:
                runs["shuffled_routing"].append(shuffle_run(run))
            progress(name, done, len(tasks))
    return runs, trained


def _enter(
    name: str,
    settings: TrainSettings,
    runs: list[SeedRun],
    trained: list[_Trained],
    test: TrainData,
) -> Entry:
    gaps, seconds = [one.gap for one in trained], float(np.mean([one.seconds for one in trained]))
    measured = measure_router(trained[0].bundle, test, 25 if name == ROUTER else 5)
    return Entry(name, settings, runs, gaps, seconds, measured)


def _leave_out(
    splits: Splits, settings: TrainSettings, run: SeedRun, experiment: ExperimentSettings
) -> dict[str, Any]:
    """Leave every feature block out, and every family."""
    parts, budget = (splits.train, splits.calibration, splits.test), experiment.evaluation.headline
    seen = run.at.chosen[:, experiment.evaluation.targets.index(budget)]
    seeds, jobs = min(len(experiment.seeds), ABLATION_SEEDS), experiment.jobs
    of_blocks = AblationSettings(budget=budget, seeds=seeds, jobs=jobs)
    return {
        "ablation": ablate(parts, settings, of_blocks),
        "leave_one_out": leave_one_out(parts, settings, seen, budget, jobs=jobs),
    }


def _study(bundle: RouterBundle, splits: Splits, tested: int) -> dict[str, Any]:
    """Measure the certificates of one training."""
    parts = (splits.train, splits.calibration, splits.test)
    train, calibration, test = (
        bundle.predict_raw(part.coarse, part.question, part.extras) for part in parts
    )
    lambdas = candidate_lambdas(train, splits.train)
    known, unseen = (calibration, splits.calibration), (test, splits.test)
    return study_certificates(known, unseen, lambdas, tested=tested)


def _log_progress(name: str, done: int, total: int) -> None:
    _LOG.info("trained %s (%d of %d)", name, done, total)


def _guess(test: TrainData) -> float | None:
    """Give the luck floor, None where the number of options is not known."""
    if test.meta is None or OPTIONS not in test.meta_names:
        return None
    options = np.asarray(test.meta[:, test.meta_names.index(OPTIONS)], np.float64)
    has = options >= 1  # NaN, no options: an open answer
    return luck_floor(np.where(has, 1 / np.where(has, options, 1.0), 0.0), len(test.scales))


def _describe(part: TrainData) -> dict[str, Any]:
    return {
        "questions": len(part),
        "images": len(set(map(str, part.image_ids))),
        "fingerprint": part.fingerprint(),
    }


def measure_router(bundle: RouterBundle, data: TrainData, repeats: int = 25) -> dict[str, float]:
    """Measure how long a router takes and how large it is.

    Args:
        bundle: the router.
        data: rows to ask it about.
        repeats: timed calls of each kind; the median counts.

    Returns:
        `router_ms` a question in a batch of 64 and `router_ms_single` alone, features and choice
        included [milliseconds], `router_mb` saved [1e6 bytes].
    """
    single = _time_calls(bundle, data.take(np.arange(1)), repeats)
    batch = _time_calls(bundle, data.take(np.arange(64) % len(data)), repeats)
    return {
        "router_ms": round(batch / 64, 4),
        "router_ms_single": round(single, 4),
        "router_mb": round(bundle.size_bytes() / 1e6, 4),
    }


def _time_calls(bundle: RouterBundle, data: TrainData, repeats: int) -> float:
    taken = []
    for _ in range(repeats + 3):
        start = time.perf_counter()
        choose(bundle.predict_proba(data.coarse, data.question, data.extras), data.tokens, 1e-3)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken[3:]) * 1000)  # the first calls warm caches up
