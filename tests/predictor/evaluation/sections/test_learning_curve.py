"""Fewer training images, on a world in which only many of them tell what a question needs."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, SeedRun, Splits, Sweep
from predictor.evaluation.sections.learning_curve import measure_learning_curve
from predictor.evaluation.sweeps import spend_with
from predictor.training.cross_validation import measure_gap
from predictor.training.train import TrainSettings, train_bundle

LINEAR = TrainSettings(kind="linear")
WIDTH = 24


def make_world(n_images, seed):
    """Many columns of the question each tell a little of whether 9 tokens are needed."""
    rng = np.random.default_rng(seed)
    n = 2 * n_images
    question = rng.normal(size=(n, WIDTH))
    need = (question.sum(axis=1) > 0).astype(int)
    return TrainData(
        sample_ids=np.array([f"{seed}-{k}" for k in range(n)]),
        image_ids=np.array([f"{seed}-{k // 2}" for k in range(n)]),
        groups=np.full(n, "a"),
        coarse=np.zeros((n, 10, WIDTH)),
        question=question,
        scores=(np.arange(2) >= need[:, None]).astype(float),
        tokens=np.tile([1.0, 9.0], (n, 1)),
        scales=(1, 9),
    )


@pytest.fixture(scope="module")
def splits():
    return Splits(make_world(160, 0), make_world(80, 1), make_world(80, 2))


def make_run(splits, seed):
    """Train on all images, and spend 5 tokens on the test split."""
    bundle = train_bundle(splits.train, splits.calibration, replace(LINEAR, seed=seed))
    equal = spend_with(bundle, splits.test, [5.0])
    sweep = Sweep((5.0,), np.zeros(1), equal.first)
    return SeedRun(seed, sweep, sweep, sweep, equal=equal)


def measure(splits, *seeds, jobs=2):
    prepared = PreparedSplit.prepare(splits.test, EvaluationSettings((5.0,), 5.0, n_resamples=200))
    runs = [make_run(splits, seed) for seed in seeds]
    return measure_learning_curve(prepared, splits, LINEAR, runs, jobs)


def test_what_more_images_gain_is_measured(splits):
    study = measure(splits, 0, 1)
    assert study["seeds"] == 2
    rows = study["rows"]
    assert [row["images"] for row in rows] == [20, 40, 80, 160]
    gaps = [row["ogc_5"] for row in rows]
    runs = [make_run(splits, seed).equal for seed in (0, 1)]
    assert gaps[-1] == pytest.approx(np.mean([measure_gap(splits.test, run) for run in runs]))
    assert gaps[0] < gaps[-1] - 0.1
    for row in rows[:-1]:
        assert row["behind"] == pytest.approx(gaps[-1] - row["ogc_5"])
        assert row["behind_low"] <= row["behind"] <= row["behind_high"]
    assert rows[0]["behind_low"] > 0 and "behind" not in rows[-1]


def test_the_parts_hold_whole_images_and_each_the_one_before(splits, monkeypatch):
    seen = {}

    def watch(part, calibration, settings):
        assert calibration is splits.calibration
        seen.setdefault(settings.seed, []).append(part)
        return train_bundle(part, calibration, settings)

    monkeypatch.setattr("predictor.evaluation.sections.learning_curve.train_bundle", watch)
    measure(splits, 3, 4, jobs=1)
    for parts in seen.values():
        assert [len(part) for part in parts] == [40, 80, 160]
        assert [part.n_images for part in parts] == [20, 40, 80]
        for few, more in itertools.pairwise(parts):
            assert few.all_images < more.all_images
    # Every seed draws its own.
    assert seen[3][0].all_images != seen[4][0].all_images


def test_parts_of_too_few_images_are_left_out(splits):
    few = Splits(make_world(24, 3), splits.calibration, splits.test)
    assert [row["images"] for row in measure(few, 0)["rows"]] == [6, 12, 24]
