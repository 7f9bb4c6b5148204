import lightgbm as lgb
import numpy as np
import pytest

from predictor.routers.boosted import BoostedSettings
from predictor.routers.crossed import CrossedRows


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(900, 4))


def test_every_row_comes_once_per_scale(x):
    rows = CrossedRows(x, 3)
    whole = np.column_stack([np.repeat(x, 3, axis=0), np.tile([0.0, 1, 2], 900)])
    assert len(rows) == len(whole)
    np.testing.assert_array_equal(rows[100:250], whole[100:250])
    np.testing.assert_array_equal(rows[7], whole[7])
    np.testing.assert_array_equal(rows[[3, 8]], whole[[3, 8]])


def test_lightgbm_learns_the_same_as_from_one_array(x):
    x[::5, 2] = 0  # many zeros and a missing value are treated apart
    x[7, 1] = np.nan
    rows = CrossedRows(x, 3)
    target = (x[np.arange(2700) // 3, 0] + np.arange(2700) % 3 > 1).astype(float)
    parameters = BoostedSettings().to_lightgbm()
    trees = [
        lgb.train(parameters, lgb.Dataset(data, target, params=parameters), 20).model_to_string()
        for data in (rows, rows[0:2700])
    ]
    assert trees[0] == trees[1]
