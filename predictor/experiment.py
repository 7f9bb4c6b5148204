"""Train the router, its baselines and its controls over several seeds, and measure them.

The whole protocol of a report in one call: everything is learnt on the training split, lambda is
solved on the calibration split, and the test split is only looked at. Not a tuner: the settings
come in and are the same for every seed.
"""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from predictor.bench import EvaluationSettings, SeedRun
from predictor.cascade import describe_cascade
from predictor.certify import candidate_lambdas
from predictor.certify_study import study_certificates
from predictor.contestants import Splits, contestants
from predictor.data import TrainData
from predictor.describe import plain
from predictor.evaluate import evaluate
from predictor.policy import choose
from predictor.rules import luck_floor
from predictor.store import RouterBundle
from predictor.sweeps import SweepSettings, choose_all, shuffle_run
from predictor.train import TrainSettings

_LOG = logging.getLogger(__name__)

OPTIONS = "options"
"""Name of the column of `TrainData.meta` that holds the number of options, if there is one."""

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
        jobs: trainings at a time, each on one thread; the results do not depend on it.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    train: TrainSettings = field(default_factory=TrainSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    curve_points: int = 48
    parity_slack: float = 0.0025
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
    runs, seconds, bundle = _train_all(splits, settings, progress or _log_progress)
    trained = time.perf_counter()
    results = evaluate(test, runs, settings.evaluation)
    results["headline"].update(measure_router(bundle, test))
    results["settings"].update(router=settings.train.kind, parity_slack=settings.parity_slack)
    results["luck_floor"] = plain(_guess(test))
    results["cascade"] = plain(describe_cascade(calibration, test, settings.evaluation.targets))
    results["certified"] = plain(_study(bundle, splits))
    timings = {
        "train_router_s": seconds,
        "train_all_s": trained - start,
        "evaluate_s": time.perf_counter() - trained,
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


def _train_all(
    splits: Splits, settings: ExperimentSettings, progress: Progress
) -> tuple[dict[str, list[SeedRun]], float, RouterBundle]:
    """Train everything for every seed; give the runs, the router's seconds and its first bundle."""
    trainers = contestants(splits)
    at = SweepSettings(settings.evaluation.targets, settings.curve_points, settings.parity_slack)
    # Two trainings of one thread each are faster than one of two: small trees share work badly,
    # and LightGBM's threads spin while they wait for each other.
    one_thread = replace(settings.train, boosted=replace(settings.train.boosted, threads=1))

    def train(seed: int, name: str) -> tuple[str, SeedRun, RouterBundle | None, float]:
        start = time.perf_counter()
        estimate = trainers[name](splits, replace(one_thread, seed=seed))
        run = choose_all(estimate, splits, at, seed)
        return name, run, estimate.bundle, time.perf_counter() - start

    runs: dict[str, list[SeedRun]] = {name: [] for name in (*trainers, "shuffled_routing")}
    seconds, bundles = [], []
    tasks = [(seed, name) for seed in settings.seeds for name in trainers]
    with ThreadPoolExecutor(settings.jobs) as pool:
        for done, found in enumerate(pool.map(lambda task: train(*task), tasks), start=1):
            name, run, bundle, taken = found
            runs[name].append(run)
            if name == "router" and bundle is not None:
                seconds.append(taken)
                bundles.append(bundle)
                runs["shuffled_routing"].append(shuffle_run(run))
            progress(name, done, len(tasks))
    return runs, float(np.mean(seconds)), bundles[0]


def _study(bundle: RouterBundle, splits: Splits) -> dict[str, Any]:
    """Measure the certificates of one training."""
    parts = (splits.train, splits.calibration, splits.test)
    train, calibration, test = (bundle.predict_raw(part.coarse, part.question) for part in parts)
    lambdas = candidate_lambdas(train, splits.train)
    return study_certificates((calibration, splits.calibration), (test, splits.test), lambdas)


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
        choose(bundle.predict_proba(data.coarse, data.question), data.tokens, 1e-3)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken[3:]) * 1000)  # the first calls warm caches up
