import numpy as np
import pytest
from scipy.special import expit

from predictor.routers.arrays import pack_arrays
from predictor.routers.base import check_fit, log_odds
from predictor.routers.constant import ConstantRouter
from predictor.routers.neighbours import NeighbourRouter

SCALES = (1, 9)


def test_check_fit_fills_weights_in():
    x, y, w = check_fit(np.ones((3, 4), np.float32), np.ones((3, 2)), None, SCALES)
    assert x.dtype == y.dtype == np.float64
    assert w.tolist() == [[1, 1]] * 3


def test_check_fit_lets_a_missing_score_weigh_nothing():
    correct, weights = np.array([[1.0, np.nan], [0.0, 0.5]]), np.array([2.0, 3.0])
    _, y, w = check_fit(np.ones((2, 1)), correct, weights, SCALES)
    assert y.tolist() == [[1, 0], [0, 0.5]]
    assert w.tolist() == [[2, 0], [3, 3]]


def test_check_fit_needs_a_score_at_every_scale():
    with pytest.raises(ValueError, match="no row has a score at scale 9"):
        check_fit(np.ones((2, 1)), np.array([[1.0, np.nan], [1.0, np.nan]]), None, SCALES)
    with pytest.raises(ValueError, match="no row has a score at scale 1"):
        check_fit(np.ones((2, 1)), np.array([[1, 1], [np.nan, 1]]), np.array([0, 1]), SCALES)


@pytest.mark.parametrize("features", [np.ones(3), np.ones((0, 4))])
def test_check_fit_needs_feature_rows(features):
    with pytest.raises(ValueError, match=r"features must be \[n, d\]"):
        check_fit(features, np.ones((3, 2)), None, SCALES)


def test_check_fit_needs_a_score_a_scale():
    with pytest.raises(ValueError, match=r"correct must have shape \(3, 2\), got \(3, 5\)"):
        check_fit(np.ones((3, 4)), np.ones((3, 5)), None, SCALES)


@pytest.mark.parametrize("bad", [2.0, -1.0, np.inf])
def test_check_fit_needs_scores_between_0_and_1(bad):
    with pytest.raises(ValueError, match=r"correct must lie in \[0, 1\]"):
        check_fit(np.ones((3, 4)), np.full((3, 2), bad), None, SCALES)


@pytest.mark.parametrize(
    "weights", [np.ones(2), np.zeros(3), np.array([1, -1, 1]), np.full(3, np.nan)]
)
def test_check_fit_refuses_bad_weights(weights):
    with pytest.raises(ValueError, match="weights must be 3 numbers >= 0"):
        check_fit(np.ones((3, 4)), np.ones((3, 2)), weights, SCALES)


def test_prediction_needs_a_fit_and_the_same_width():
    router = ConstantRouter(SCALES)
    with pytest.raises(ValueError, match="not fitted"):
        router.predict_proba(np.ones((1, 2)))
    router.fit(np.ones((2, 3)), np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"features must have shape \[n, 3\], got \(1, 2\)"):
        router.predict_proba(np.ones((1, 2)))
    assert router.predict_proba(np.ones((1, 3), np.float32)).dtype == np.float64


@pytest.mark.parametrize("rates", [np.ones(3), np.ones((2, 1)), np.array(1.0)])
def test_saved_arrays_must_have_the_axes_that_the_router_says(rates):
    files = {"rates.npz": pack_arrays({"rates": rates, "width": np.array(3)})}
    with pytest.raises(ValueError, match="not a constant router: rates has shape .*; train"):
        ConstantRouter.from_files(files, SCALES)


def test_an_axis_is_as_long_in_one_saved_array_as_in_another():
    router = NeighbourRouter(SCALES).fit(np.ones((4, 3)), np.ones((4, 2)))
    files = {"neighbours.npz": pack_arrays({**router.arrays_, "center": np.ones(2)})}
    with pytest.raises(ValueError, match="not a knn router: .* has shape"):
        NeighbourRouter.from_files(files, SCALES)


def test_sigmoid_and_log_odds_undo_each_other():
    logits = np.array([-13.0, -1.0, 0.0, 2.0, 13.0])
    assert log_odds(expit(logits)) == pytest.approx(logits, abs=1e-6)
    assert expit(np.array([-1000.0, 1000.0])).tolist() == [0.0, 1.0]
    # 0 and 1 are clipped at one in a million: ln(1e6) = 13.8.
    assert log_odds(np.array([0.0, 1.0])) == pytest.approx([-13.8155, 13.8155], abs=1e-3)
