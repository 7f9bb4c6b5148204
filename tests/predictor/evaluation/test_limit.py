"""The omniscient router learns from all labelled images but those that it is asked about."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.limit import predict_limit, tune_limit
from predictor.evaluation.runs import Splits
from predictor.routers.boosted import BoostedSettings
from predictor.training.train import TrainSettings
from predictor.training.tuning import TuningSettings

FAST = TrainSettings(boosted=BoostedSettings(trees=20, shared_trees=20, min_rows=5))


def make_split(name, images, seed):
    """Make questions whose need stands in the metadata, and nowhere else."""
    rng = np.random.default_rng(seed)
    n = images * 4
    need = rng.integers(0, 3, n)
    return TrainData(
        sample_ids=np.array([f"{name}{row}" for row in range(n)]),
        image_ids=np.array([f"{name}{row // 4}" for row in range(n)]),
        groups=np.full(n, "one"),
        coarse=np.zeros((n, 10, 2), np.float32),
        question=np.zeros((n, 2), np.float32),
        scores=(np.arange(3)[None] >= need[:, None]).astype(float),
        tokens=np.tile([1.0, 9.0, 36.0], (n, 1)),
        scales=(1, 9, 36),
        meta=np.column_stack((need, rng.normal(size=n))).astype(np.float32),
        meta_names=("need", "noise"),
    )


@pytest.fixture
def splits():
    return Splits(make_split("a", 5, 1), make_split("b", 40, 2), make_split("c", 80, 3))


def test_it_learns_from_all_splits(splits):
    """Five training images alone would not do."""
    test = splits.test
    _, probabilities = predict_limit(splits, FAST)
    assert probabilities[test.scores == 1].mean() > 0.85
    assert probabilities[test.scores == 0].mean() < 0.2


def test_outcomes_of_an_image_do_not_reach_its_own_predictions(splits):
    """Metadata that tell nothing but the image: who had seen its outcomes would know them."""
    rng = np.random.default_rng(4)
    parts = []
    for split in splits.in_order:
        _, image = np.unique(split.image_ids, return_inverse=True)
        right = rng.integers(0, 2, (image.max() + 1, 3)).astype(float)
        meta = np.column_stack((image, image)).astype(np.float32)
        parts.append(replace(split, scores=right[image], meta=meta))
    greedy = replace(FAST, boosted=replace(FAST.boosted, min_rows=2, trees=60, row_share=1.0))
    _, probabilities = predict_limit(Splits(*parts), greedy)
    scores = parts[2].scores
    assert abs(probabilities[scores == 1].mean() - probabilities[scores == 0].mean()) < 0.1


def test_it_is_tuned_where_the_router_is(splits):
    assert tune_limit(splits, FAST) == FAST
    tuned = tune_limit(splits, replace(FAST, tuning=TuningSettings(folds=2, most_rows=200)))
    assert tuned.tuning is None
    assert tune_limit(splits, replace(FAST, tuning=TuningSettings())).tuning is None
