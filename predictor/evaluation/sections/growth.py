"""Whether more labels would help: the same router from fewer training images, section `growth`."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from predictor.data import IntArray, Results, TrainData
from predictor.policy.spending import spend
from predictor.routing_metrics.bootstrap import draw_resamples
from predictor.routing_metrics.mixing import Mixture
from predictor.training.cross_validation import compare_gaps, measure_gap
from predictor.training.train import TrainSettings, train_bundle

SHARES = (1 / 8, 1 / 4, 1 / 2)
"""Shares of the training images; each holds those of the one before."""

LEVEL = 0.95
"""Share of the draws inside an interval."""


def measure_growth(
    splits: tuple[TrainData, TrainData, TrainData],
    settings: TrainSettings,
    usual: Mixture,
    budget: float,
    jobs: int = 2,
) -> list[Results]:
    """Train on parts of the training images, and compare with the usual router.

    All are calibrated on the whole calibration split, and all spend the budget.

    Args:
        splits: training, calibration and test split.
        settings: what to train.
        usual: what the usual router chooses on the test split, one column.
        budget: mean visual tokens.
        jobs: trainings at a time.

    Returns:
        For each number of images, the fewest first and all of them last, `images`, `questions` and
        the gap closed; `behind` is how far it is behind the usual router, with its interval. A part
        of too few images to train on is left out.
    """
    train, calibration, test = splits
    draws = draw_resamples(test.clusters, 1000, settings.seed)
    key = f"ogc_{budget:g}"

    def measure(rows: IntArray) -> Results:
        part = train.take(rows)
        bundle = train_bundle(part, calibration, settings)
        p = bundle.predict_proba(test.coarse, test.question, test.extras)  # [n, s]
        chosen = spend(p, test.tokens, [budget], bundle.policy.paying)
        behind, low, high = compare_gaps(test, usual, chosen, draws, LEVEL)
        return {
            **_count(part),
            key: measure_gap(test, chosen),
            "behind": behind,
            "behind_low": low,
            "behind_high": high,
        }

    with ThreadPoolExecutor(jobs) as pool:
        parts = list(pool.map(measure, _cut(train, settings)))
    return [*parts, {**_count(train), key: measure_gap(test, usual)}]


def _cut(train: TrainData, settings: TrainSettings) -> list[IntArray]:
    """Give the rows of each share of the images, as drawn once."""
    images, owner = np.unique(train.clusters, return_inverse=True)
    place = np.random.default_rng(settings.seed).permutation(len(images))[owner]  # [n]
    counts = [int(len(images) * share) for share in SHARES]
    return [np.flatnonzero(place < count) for count in counts if count >= settings.features.folds]


def _count(train: TrainData) -> Results:
    return {"images": train.n_images, "questions": len(train)}
