"""Fewer training images, on a world in which only many of them tell what a question needs."""

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.sections.growth import measure_growth
from predictor.policy.spending import spend
from predictor.routing_metrics.mixing import Mixture
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


def route(train, calibration, test):
    bundle = train_bundle(train, calibration, LINEAR)
    p = bundle.predict_proba(test.coarse, test.question)
    return spend(p, test.tokens, [5.0], bundle.policy.paying)


@pytest.fixture(scope="module")
def splits():
    return make_world(160, 0), make_world(80, 1), make_world(80, 2)


def test_what_more_images_gain_is_measured(splits):
    usual = route(*splits)
    parts = measure_growth(splits, LINEAR, usual, 5.0)
    assert [part["images"] for part in parts] == [20, 40, 80, 160]
    assert [part["questions"] for part in parts] == [40, 80, 160, 320]
    gaps = [part["ogc_5"] for part in parts]
    assert gaps[0] < gaps[-1] - 0.1 and gaps[-1] == measure_gap(splits[2], usual)
    for part in parts[:-1]:
        assert part["behind"] == pytest.approx(gaps[-1] - part["ogc_5"])
        assert part["behind_low"] <= part["behind"] <= part["behind_high"]
    assert "behind" not in parts[-1]


def test_the_parts_hold_whole_images_and_each_the_one_before(splits, monkeypatch):
    seen = []

    def watch(part, *more):
        seen.append(part)
        return train_bundle(part, *more)

    monkeypatch.setattr("predictor.evaluation.sections.growth.train_bundle", watch)
    measure_growth(splits, LINEAR, Mixture.plain(np.ones((160, 1), int)), 5.0, jobs=1)
    assert [len(part) for part in seen] == [2 * part.n_images for part in seen]
    for few, more in zip(seen[:-1], seen[1:], strict=True):
        assert few.all_images < more.all_images


def test_parts_of_too_few_images_are_left_out(splits):
    few = make_world(24, 3), *splits[1:]
    parts = measure_growth(few, LINEAR, route(*few), 5.0)
    assert [part["images"] for part in parts] == [6, 12, 24]
