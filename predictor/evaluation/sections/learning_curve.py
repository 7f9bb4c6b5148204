"""Whether more labels would help: the router from fewer training images."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from predictor.data import IntArray, Results, TrainData
from predictor.evaluation.runs import PreparedSplit, SeedRun, Splits
from predictor.evaluation.sweeps import spend_with
from predictor.routing_metrics.bootstrap import interval, mean_known
from predictor.routing_metrics.mixing import Mixture
from predictor.training.train import TrainSettings, train_bundle

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the training images."""


def measure_learning_curve(
    prepared: PreparedSplit,
    splits: Splits,
    settings: TrainSettings,
    runs: Sequence[SeedRun],
    jobs: int = 2,
) -> Results:
    """Train on parts of the training images, and compare with routers trained on all of them.

    Every seed draws parts of its own. All are calibrated on the whole calibration split, and all
    spend the headline's budget.

    Args:
        prepared: the prepared test split.
        splits: all three splits.
        settings: what to train.
        runs: trainings on all images, one per seed.
        jobs: trainings at a time.

    Returns:
        Section `learning_curve` of results.json. `rows` are numbers of images, the fewest first and
        all of them last, with the gap closed and how far it is `behind` the last row; parts of too
        few images to train on are left out.
    """
    evaluation, train = prepared.settings, splits.train
    images = np.unique(train.clusters)
    counts = [int(len(images) * share) for share in SHARES]
    counts = [count for count in counts if count >= settings.features.folds]

    def choose(task: tuple[int, int]) -> Mixture:
        count, seed = task
        part = train.take(_draw(train, count, seed))
        bundle = train_bundle(part, splits.calibration, replace(settings, seed=seed))
        return spend_with(bundle, prepared.test, [evaluation.headline])

    tasks = [(count, run.seed) for count in counts for run in runs]
    with ThreadPoolExecutor(jobs) as pool:
        chosen = list(pool.map(choose, tasks))  # in the order of the tasks
    usual = Mixture.join([run.compared.column(evaluation.headline_column) for run in runs])
    drawn = prepared.draws(usual).ogc  # [r, seeds]
    key, reached = evaluation.headline_key, _gap(prepared, usual)
    rows = []
    for place, count in enumerate(counts):
        part = Mixture.join(chosen[place * len(runs) : (place + 1) * len(runs)])
        low, high = interval(drawn - prepared.draws(part).ogc, evaluation.level)
        gap = _gap(prepared, part)
        row = {"images": count, key: gap, "behind": reached - gap}
        rows.append({**row, "behind_low": low, "behind_high": high})
    return {"seeds": len(runs), "rows": [*rows, {"images": len(images), key: reached}]}


def _draw(train: TrainData, count: int, seed: int) -> IntArray:
    """Give the rows of so many images; those of fewer are among those of more."""
    images, owner = np.unique(train.clusters, return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(images))[owner]  # [n]
    return np.flatnonzero(place < count)


def _gap(prepared: PreparedSplit, chosen: Mixture) -> float:
    return float(mean_known(prepared.points(chosen).ogc)[0])
