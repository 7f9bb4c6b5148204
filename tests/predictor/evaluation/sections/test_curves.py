"""Curves and parity points of four questions, every number worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, Sweep
from predictor.evaluation.sections.curves import measure_curve, measure_parity


@pytest.fixture
def prepared():
    data = TrainData(
        sample_ids=np.array(list("abcd")),
        image_ids=np.array(list("ppqq")),
        groups=np.array(["g"] * 4),
        coarse=np.zeros((4, 2, 1)),
        question=np.zeros((4, 1)),
        scores=np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [1, 0, 0]], dtype=float),
        tokens=np.tile([1.0, 9.0, 36.0], (4, 1)),
        scales=(1, 9, 36),
        costs={"ms": np.tile([10.0, 11.0, 40.0], (4, 1))},
    )
    return PreparedSplit.prepare(data, EvaluationSettings((9.0,), 9.0, n_resamples=20, fewest=2))


def sweep(*columns):
    return Sweep((9.0,) * len(columns), np.zeros(len(columns)), np.array(columns).T)


def test_a_curve_is_averaged_over_the_trainings(prepared):
    first = sweep([0, 0, 0, 0], [0, 1, 2, 0])
    second = sweep([1, 1, 1, 1], [0, 1, 2, 0])
    curve = measure_curve(prepared, [first, second])
    assert curve.cost.tolist() == [(1 + 9) / 2, (1 + 9 + 36 + 1) / 4]
    assert curve.accuracy.tolist() == [0.5, 1.0]
    # Always 1 token loses two and wins one of the largest scale, always 9 tokens loses one.
    assert curve.regression_rate.tolist() == [(2 / 4 + 1 / 4) / 2, 0]
    assert curve.rescue_rate.tolist() == [(1 / 4 + 0) / 2, 1 / 4]
    assert curve.scores.tolist() == [[1, 1], [0.5, 1], [0, 1], [0.5, 1]]


def test_another_unit_changes_costs_alone(prepared):
    sweeps = [sweep([0, 1, 2, 0])]
    tokens = measure_curve(prepared, sweeps)
    times = measure_curve(prepared.in_unit("ms"), sweeps)
    assert (tokens.cost[0], times.cost[0]) == (47 / 4, 71 / 4)
    assert tokens.accuracy[0] == times.accuracy[0]


def test_parity_is_measured_beside_the_largest_scale(prepared):
    parity = measure_parity(prepared, [sweep([1, 1, 1, 1]), sweep([2, 2, 2, 2])])
    assert (parity.cost, parity.share) == (22.5, 22.5 / 36)
    assert (parity.accuracy, parity.largest, parity.drop) == (5 / 8, 6 / 8, 1 / 8)
    # A column per training: always 36 tokens loses nothing in any resample.
    assert parity.cost_draws.shape == parity.drop_draws.shape == (20, 2)
    assert np.all(parity.cost_draws == [9, 36]) and np.all(parity.drop_draws[:, 1] == 0)
    assert parity.established


@pytest.mark.parametrize(("shown", "fewest"), [(False, 2), (True, 3)])
def test_parity_is_not_established_where_nothing_shows_it(prepared, shown, fewest):
    """One training shows none on its calibration split; or two test images are too few."""
    small = replace(prepared, settings=replace(prepared.settings, fewest=fewest))
    sweeps = [sweep([1, 1, 1, 1]), replace(sweep([2, 2, 2, 2]), established=shown)]
    assert not measure_parity(small, sweeps).established
