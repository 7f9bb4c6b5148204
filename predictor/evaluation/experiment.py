"""Train the router, its baselines and its controls over several seeds, and measure them.

The whole protocol of a report in one call: everything is learnt on the training split, lambda is
solved on the calibration split, and no outcome of the test split is used but for measuring. Not a
tuner: the settings come in, or are tuned once on the training split, and are the same for every
seed.
"""

import logging
import time
from collections.abc import Mapping

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import OPTIONS, Results, TrainData
from predictor.evaluation.evaluate import evaluate
from predictor.evaluation.methods import ROUTER
from predictor.evaluation.runs import PreparedSplit, SeedRun, Splits
from predictor.evaluation.sections.ablation import AblationSettings, ablate
from predictor.evaluation.sections.attainable import bound_gaps
from predictor.evaluation.sections.cascade import describe_cascade
from predictor.evaluation.sections.certificates import study_certificates
from predictor.evaluation.sections.kinds import TrainedKind, describe_kinds
from predictor.evaluation.sections.learning_curve import measure_learning_curve
from predictor.evaluation.sections.timing import TIMED_CALLS, measure_router
from predictor.evaluation.sections.transfer import leave_one_out
from predictor.evaluation.sweeps import shuffle_run
from predictor.evaluation.trainings import (
    ExperimentSettings,
    Plan,
    Progress,
    Training,
    plan_all,
    train_all,
)
from predictor.routing_metrics.regressions import luck_floor
from predictor.training.train import TrainSettings

_LOG = logging.getLogger(__name__)

STUDY_SEEDS = 2
"""Trainings of each choice of blocks, of which there are eleven, and of each number of images."""


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
    plans = plan_all(splits, settings)
    trained = train_all(splits, plans, settings, progress or _log_progress)
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
        results["learning_curve"] = measure_learning_curve(
            prepared, splits, plans[ROUTER].settings, runs[ROUTER][:STUDY_SEEDS], settings.jobs
        )
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


def _list_kinds(
    trained: Mapping[str, list[Training]], plans: Mapping[str, Plan], test: TrainData
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
    """Leave every feature block out, if there are several, and every family."""
    evaluation = experiment.evaluate_on(splits.calibration)
    budget = evaluation.headline
    jobs = experiment.jobs
    seeds = min(len(experiment.seeds), STUDY_SEEDS)
    of_blocks = AblationSettings(
        budget=budget, seeds=seeds, jobs=jobs, extras_ms=experiment.extras_ms
    )
    usual = run.at.chosen[:, evaluation.headline_column]
    studies = {"leave_one_out": leave_one_out(splits.in_order, settings, usual, budget, jobs=jobs)}
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
