"""Four questions, every number worked by hand; see test_evaluate.py for the same table."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, SeedRun, Sweep
from predictor.evaluation.sections.metrics import (
    curve_metrics,
    describe_calibration,
    describe_waste,
)


@pytest.fixture
def data():
    return TrainData(
        sample_ids=np.array(list("abcd")),
        image_ids=np.array(list("ppqq")),
        groups=np.array(["g"] * 4),
        coarse=np.zeros((4, 2, 1)),
        question=np.zeros((4, 1)),
        scores=np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=float),
        tokens=np.tile([1.0, 11.0, 21.0], (4, 1)),
        scales=(1, 11, 21),
    )


def test_curve_metrics_by_hand(data):
    prepared = PreparedSplit.prepare(data, EvaluationSettings((1.0,), 1.0, n_resamples=1))
    # Fixed: 1/4 at 1, 2/4 at 11, 3/4 at 21. The curve has 3/4 half way.
    actual = curve_metrics(prepared, np.array([1.0, 11.0]), np.array([0.25, 0.75]))
    assert actual["apgr"] == pytest.approx(0.5 * 0.5 + 0.5 * 1)
    assert (actual["cpt_50"], actual["cpt_80"]) == (pytest.approx(0.25), pytest.approx(0.4))
    assert actual["aiq"] == pytest.approx((10 * 0.5 + 10 * 0.75) / 20)
    assert actual["nauc"] == pytest.approx((10 * 0.25 + 10 * 0.75) / 20)
    assert actual["qnc"] == pytest.approx(11 / 21)


def test_waste_is_averaged_over_trainings(data):
    actual = describe_waste(data, np.array([[0, 2], [1, 2], [2, 2], [0, 2]]))
    # The first wastes nothing, the second (20 + 10 + 0) / 3. Always 21 is the family's best.
    assert actual["token_regret"] == pytest.approx(5)
    assert actual["over"] == pytest.approx((0 + 2 / 3) / 2)
    assert actual["dataset_gain"] == 0 and actual["dataset_oracle"] == 0.75


def test_calibration_by_scale(data):
    sweep = Sweep((1.0,), np.zeros(1), np.zeros((4, 1), int))
    belief = np.tile([0.25, 0.5, 1.0], (4, 1))
    actual = describe_calibration(data, [SeedRun(0, sweep, sweep, sweep, belief)] * 2)
    assert [actual[scale]["ece"] for scale in ("1", "11", "21")] == [0, 0, 0.25]
    assert actual["21"]["brier"] == 0.25 and actual["11"]["brier"] == 0.25
    assert actual["1"]["reliability"] == [{"n": 8, "probability": 0.25, "score": 0.25}]
    assert describe_calibration(data, [SeedRun(0, sweep, sweep, sweep)]) == {}


def test_one_scale_has_no_range_of_costs(data):
    one = replace(data, scores=data.scores[:, :1], tokens=data.tokens[:, :1], scales=(1,))
    prepared = PreparedSplit.prepare(one, EvaluationSettings((1.0,), 1.0, n_resamples=1))
    actual = curve_metrics(prepared, np.ones(1), np.ones(1))
    assert set(actual.values()) == {None} and "apgr" in actual
