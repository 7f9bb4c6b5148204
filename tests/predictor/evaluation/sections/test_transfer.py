"""Other words and families that were left out, on a world whose answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.sections.transfer import leave_one_out, rephrase
from predictor.training.train import TrainSettings, train_bundle

QUICK = TrainSettings(kind="linear")


def make_world(n_images, seed):
    """Two families; a bit of the question says whether 9 tokens are needed."""
    rng = np.random.default_rng(seed)
    n = 4 * n_images
    need = rng.integers(0, 2, n)
    question = rng.normal(0, 0.3, (n, 4))
    question[:, 0] += 2 * need
    return TrainData(
        sample_ids=np.array([f"{seed}-{k}" for k in range(n)]),
        image_ids=np.array([f"{seed}-{k // 4}" for k in range(n)]),
        groups=np.where(rng.random(n) < 0.5, "a", "b"),
        coarse=rng.normal(size=(n_images, 10, 4))[np.arange(n) // 4],
        question=question,
        scores=(np.arange(2) >= need[:, None]).astype(float),
        tokens=np.tile([1.0, 9.0], (n, 1)),
        scales=(1, 9),
    )


@pytest.fixture(scope="module")
def splits():
    return make_world(60, 0), make_world(40, 1), make_world(40, 2)


def test_a_family_is_measured_with_a_router_that_was_not_trained_on_it(splits):
    usual = np.ones(160, np.int64)
    actual = leave_one_out(splits, QUICK, usual, 5.0)
    assert set(actual) == {"a", "b"}
    assert actual["a"]["n"] + actual["b"]["n"] == 160
    assert actual["a"]["ogc_5"] > 0.8  # the bit means the same in both families
    always = actual["b"]["seen"]
    assert always["tokens"] == 9 and always["accuracy"] == 1 and always["regression_rate"] == 0
    assert actual["b"]["fallback"]["regression_rate"] <= actual["b"]["regression_rate"]


def test_a_budget_that_the_other_families_cannot_meet_is_what_they_cost(splits):
    """Family b costs 100 times as much: its cheapest scale is dearer than the mean of both."""
    dear = [
        replace(part, tokens=np.where(part.groups == "b", 100.0, 1.0)[:, None] * part.tokens)
        for part in splits
    ]
    actual = leave_one_out(tuple(dear), QUICK, np.ones(160, np.int64), 60.0)
    assert set(actual) == {"a", "b"}
    # The price at which b stays at its cheapest scale, spent on a.
    assert 1 <= actual["a"]["tokens"] <= 9 and actual["a"]["n"] + actual["b"]["n"] == 160


def test_a_family_that_is_all_there_is_cannot_be_left_out(splits):
    alone = [replace(part, groups=np.full(len(part), "a")) for part in splits]
    assert leave_one_out(tuple(alone), QUICK, np.zeros(160, np.int64), 5.0) == {}


def test_other_words_change_what_the_router_reads_in_them(splits):
    train, calibration, test = splits
    bundle = train_bundle(train, calibration, QUICK)
    same = rephrase([bundle], test, test, 5.0)
    assert same["changed_5"] == same["moved_up"] == same["fixed_changed"] == 0
    assert same["accuracy"] == same["accuracy_rephrased"] and same["n"] == 160
    # The bit is turned round in the first forty questions, all else stays.
    turned = test.question.copy()
    turned[:40, 0] = 2 - turned[:40, 0]
    actual = rephrase([bundle, bundle], test, replace(test, question=turned), 5.0)
    assert 0.2 < actual["changed_5"] <= 0.26
    assert actual["moved_up"] + actual["moved_down"] == pytest.approx(actual["changed_5"])
    assert actual["changed_5_low"] <= actual["changed_5"] <= actual["changed_5_high"]
    assert actual["accuracy_rephrased"] < actual["accuracy"]


def test_only_questions_that_both_splits_have_are_compared(splits):
    train, calibration, test = splits
    bundle = train_bundle(train, calibration, QUICK)
    assert rephrase([bundle], test, test.take(np.arange(159, 100, -1)), 5.0)["n"] == 59
    with pytest.raises(ValueError, match="shares no sample_id"):
        rephrase([bundle], test, calibration, 5.0)
