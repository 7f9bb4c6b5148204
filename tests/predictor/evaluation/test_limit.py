"""The omniscient router learns from all labelled images but those that it is asked about."""

from dataclasses import replace

import numpy as np
import pytest

from labels.scenes.benchmark import load_scenes
from labels.scenes.draws import SCENES_V1
from labels.scenes.geometry import describe_samples, name_facts
from predictor.data import TrainData
from predictor.evaluation.limit import predict_limit, tune_limit
from predictor.evaluation.runs import Splits
from predictor.policy.spending import spend
from predictor.routers.boosted import BoostedSettings
from predictor.routing_metrics.gap import gap_closed, hull_at, oracle_at
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


CELL_OF = {9: 64, 36: 32, 144: 16}
"""Side of what a token covers [pixels]; at 576 tokens all is read."""


def make_scenes(split, images, seed, placed):
    """Questions about scenes, right at a scale where the thing begins in a cell's first half.

    With `placed` off they are right as often, by a die.
    """
    questions = load_scenes(split, images, draw=SCENES_V1)
    facts = describe_samples(questions.name, list(questions))
    shifts = np.array(
        [[one.get(f"key_shift_across_{c}", 1) for c in CELL_OF.values()] for one in facts]
    )
    rng = np.random.default_rng(seed)
    right = shifts < 0.5 if placed else rng.random(shifts.shape) < (shifts < 0.5).mean(axis=0)
    right = right ^ (rng.random(right.shape) < 0.05)
    n = len(questions)
    usual = sorted({name for one in questions for name in one.meta})
    names = (*usual, *name_facts([facts]))
    every = [{**one.meta, **known} for one, known in zip(questions, facts, strict=True)]
    meta = np.array([[one.get(name, np.nan) for name in names] for one in every], np.float32)
    data = TrainData(
        sample_ids=np.array([one.sample_id for one in questions]),
        image_ids=np.array([one.image_id for one in questions]),
        groups=np.array([one.group for one in questions]),
        coarse=np.zeros((n, 10, 2), np.float32),
        question=np.zeros((n, 2), np.float32),
        scores=np.column_stack((right, np.ones(n))).astype(float),
        tokens=np.tile([9.0, 36.0, 144.0, 576.0], (n, 1)),
        scales=(9, 36, 144, 576),
        meta=meta,
        meta_names=names,
    )
    return data, len(usual)


@pytest.mark.parametrize(("placed", "least"), [(True, 0.3), (False, -0.1)])
def test_knowing_where_things_lie_makes_the_limit_higher_where_it_decides(placed, least):
    settings = replace(FAST, boosted=BoostedSettings(trees=80, shared_trees=80, min_rows=10))
    counts = {"router-train": 40, "calibration": 20, "test": 40}
    made = [make_scenes(name, n, k, placed) for k, (name, n) in enumerate(counts.items())]
    closed = []
    for columns in (slice(None), slice(made[0][1])):
        parts = [
            replace(one, meta=one.meta[:, columns], meta_names=one.meta_names[columns])
            for one, _ in made
        ]
        _, probabilities = predict_limit(Splits(*parts), settings)
        test = parts[2]
        chosen = spend(probabilities, test.tokens, [72.0])
        accuracy = chosen.pick(test.scores).mean(axis=0)
        at = chosen.pick(test.tokens).mean(axis=0)
        hull = hull_at(test.tokens.mean(axis=0), test.scores.mean(axis=0), at)
        oracle = oracle_at(test.scores, test.tokens, at)
        closed.append(float(gap_closed(accuracy, hull, oracle)[0]))
    with_places, without = closed
    # Columns that tell nothing hardly harm it: else it would be no limit.
    assert with_places - without > least
