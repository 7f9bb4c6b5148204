import numpy as np
import pytest

from predictor.routing_metrics.published import brier_score, calibration_error, reliability

P = np.array([0.1, 0.3, 0.8, 1.0])
Y = np.array([0.0, 1.0, 1.0, 1.0])


def test_brier_by_hand():
    assert brier_score(P, Y) == pytest.approx((0.01 + 0.49 + 0.04 + 0) / 4)


def test_reliability_by_hand():
    low, high = reliability(P, Y, bins=2)
    assert low == {"n": 2, "probability": pytest.approx(0.2), "score": 0.5}
    assert high == {"n": 2, "probability": pytest.approx(0.9), "score": 1.0}


def test_calibration_error_by_hand():
    # Half of the rows are off by 0.3, half by 0.1.
    assert calibration_error(P, Y, bins=2) == pytest.approx(0.5 * 0.3 + 0.5 * 0.1)


def test_true_probabilities_have_no_error_and_their_own_brier_score():
    rng = np.random.default_rng(0)
    p = rng.random(100_000)
    y = (rng.random(100_000) < p).astype(float)
    assert calibration_error(p, y) < 0.01
    assert brier_score(p, y) == pytest.approx(1 / 6, abs=0.003)  # mean of p (1 - p)
