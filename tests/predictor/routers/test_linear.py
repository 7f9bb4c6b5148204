import numpy as np
import pytest
from scipy.special import expit

from predictor.routers.arrays import pack_arrays
from predictor.routers.linear import LinearRouter, LinearSettings, fit_logistic


def test_logistic_regression_meets_its_own_optimality():
    rng = np.random.default_rng(0)
    x, y, w = rng.normal(size=(200, 3)), rng.random(200), rng.random(200)
    beta = fit_logistic(x, y, w, LinearSettings(l2=2.0))
    # At the optimum the penalty balances the weighted residuals, column by column.
    residual = w * (expit(x @ beta[:3] + beta[3]) - y)
    assert x.T @ residual == pytest.approx(-2.0 * beta[:3], abs=1e-5)
    assert residual.sum() == pytest.approx(0.0, abs=1e-4)


def test_separable_rows_still_converge():
    x = np.linspace(-1, 1, 50)[:, None]
    beta = fit_logistic(x, (x[:, 0] > 0).astype(float), np.ones(50), LinearSettings(l2=1e-4))
    assert np.all(np.isfinite(beta))
    assert beta[0] > 10


def test_an_intercept_alone_is_the_mean():
    beta = fit_logistic(np.zeros((10, 1)), np.full(10, 0.3), np.ones(10), LinearSettings())
    assert expit(beta[1]) == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_without_anything_to_tell_apart_the_mean_is_left(value):
    x = np.random.default_rng(0).normal(size=(20, 2))
    beta = fit_logistic(x, np.full(20, value), np.ones(20), LinearSettings())
    assert beta[:2].tolist() == [0, 0]
    assert expit(beta[2]) == pytest.approx(value, abs=2e-6)


def test_columns_of_any_size_are_treated_alike():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    y = (x[:, :1] + x[:, 1:] > 0).astype(float)
    plain = LinearRouter((1,)).fit(x, y).predict_proba(x)
    blown = x * np.array([1e4, 1e-4]) + 7
    assert LinearRouter((1,)).fit(blown, y).predict_proba(blown) == pytest.approx(plain, abs=1e-6)


def test_missing_features_are_refused():
    with pytest.raises(ValueError, match="takes no NaN"):
        LinearRouter((1,)).fit(np.full((2, 1), np.nan), np.ones((2, 1)))


@pytest.mark.parametrize("arrays", [{}, {"coefficients": np.ones((1, 3))}])
def test_other_weights_are_refused(arrays):
    with pytest.raises(ValueError, match="not a linear router: .*coefficients"):
        LinearRouter.from_files({"router.npz": pack_arrays(arrays)}, (1, 9))


def test_missing_weights_are_refused():
    with pytest.raises(ValueError, match="not a linear router: File is not a zip"):
        LinearRouter.from_files({}, (1, 9))
