"""The omniscient router: what a router could do that knew the questions and the generator.

A limit has to be at least as able as what it limits. So it gets all that is known of a question,
the family and the metadata, is tuned like the router, and learns from all labelled images but those
it is asked about: every image fold is predicted by trees that have seen the others, whatever split
they are of. What it does not know is what the model makes of a picture, and luck.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from predictor.data import FloatArray, NameArray, TrainData, image_folds
from predictor.evaluation.runs import Splits
from predictor.routers.base import Router
from predictor.routers.boosted import BoostedRouter, BoostedSettings
from predictor.routers.calibration import Calibrator
from predictor.training.train import TrainSettings
from predictor.training.tuning import GRIDS, Change, tune

FOLDS = 4

GRID: tuple[Change, ...] = (
    *GRIDS["boosted"],
    # Metadata are few columns without noise, which bear freer trees than features do.
    {"trees": 300, "leaves": 31, "shared_trees": 300, "min_rows": 20, "feature_share": 0.8},
)


def tune_limit(splits: Splits, settings: TrainSettings) -> TrainSettings:
    """Choose the settings of the trees, if the router's are chosen too.

    Args:
        splits: the data.
        settings: the router's settings, before they are tuned.
    """
    if settings.tuning is None or splits.train.meta is None:
        return replace(settings, tuning=None)

    def build(change: Change) -> Router:
        return BoostedRouter(splits.train.scales, replace(boosted, **change))

    boosted = replace(settings.boosted, seed=settings.seed)
    train = splits.train
    rows = (_list_rows(splits)[0], train.scores, train.clusters)
    tried = tune(build, GRID, rows, replace(settings.tuning, seed=settings.seed))
    best: BoostedSettings = replace(settings.boosted, **tried[0].change)
    return replace(settings, boosted=best, tuning=None)


def predict_limit(splits: Splits, settings: TrainSettings) -> tuple[FloatArray, FloatArray]:
    """Predict every question of the calibration and the test split.

    Args:
        splits: the data; all of it is learnt from.
        settings: settings of the trees.

    Returns:
        Calibrated P(correct) on the calibration [n, s] and on the test split [m, s].
    """
    rows = np.concatenate(_list_rows(splits))
    scores = np.concatenate([split.scores for split in splits.in_order])
    images = np.concatenate([split.clusters for split in splits.in_order])
    boosted = replace(settings.boosted, seed=settings.seed)
    count = min(FOLDS, len(np.unique(images)))
    fold = image_folds(images, count, np.random.default_rng(settings.seed))
    raw = np.empty(scores.shape)
    for held in range(count):
        out = fold == held
        router = BoostedRouter(splits.train.scales, boosted).fit(rows[~out], scores[~out])
        raw[out] = router.predict_proba(rows[out])
    ends = np.cumsum([len(split) for split in splits.in_order[:2]])
    known, calibration, test = np.split(raw, ends)
    calibrator = Calibrator(splits.train.scales, settings.calibration)
    # Not on the test split: what is learnt from all rows alike needs no more than these.
    calibrator.fit(np.concatenate((known, calibration)), scores[: ends[1]])
    return calibrator.transform(calibration), calibrator.transform(test)


def _list_rows(splits: Splits) -> list[FloatArray]:
    """List family and metadata of every split [n, d]; NaN where a number does not apply."""
    families = sorted(set(np.asarray(splits.train.groups).astype(str).tolist()))
    return [_describe(split, families) for split in splits.in_order]


def _describe(split: TrainData, families: Sequence[str]) -> FloatArray:
    groups: NameArray = np.asarray(split.groups).astype(str)
    one_hot = (groups[:, None] == np.array(families)[None]).astype(np.float64)  # [n, families]
    meta = np.empty((len(split), 0)) if split.meta is None else split.meta  # [n, m]
    return np.hstack((one_hot, meta))
