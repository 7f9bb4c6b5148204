import numpy as np
import pytest

from predictor import rows
from predictor.data import image_folds
from predictor.features import projections
from predictor.features.projections import measure_columns


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def fit_pca(x, width, rng):
    def blocks():
        return ({"x": x[cut]} for cut in rows.cut_rows(len(x), x.shape[1]))

    return projections.fit_pca(blocks, measure_columns(blocks), {"x": width}, rng)["x"]


def fit_ridge(design, target, folds):
    return projections.fit_ridge(lambda cut: design[cut], target, folds)


def test_blocks_change_only_the_rounding(rng, monkeypatch):
    x = (rng.normal(size=(300, 8)) @ rng.normal(size=(8, 20)) + 3).astype(np.float32)
    design = np.column_stack([np.ones(300), x])
    target = rng.random((300, 2))
    folds = np.arange(300) % 3
    whole = [*fit_pca(x, 4, np.random.default_rng(1)), *fit_ridge(design, target, folds)]
    monkeypatch.setattr(rows, "BLOCK", 20 * 70)  # 5 blocks, the last one smaller
    cut = [*fit_pca(x, 4, np.random.default_rng(1)), *fit_ridge(design, target, folds)]
    assert len(list(rows.cut_rows(300, 20))) == 5
    for one, other in zip(cut, whole, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-5)


def test_pca_gives_uncorrelated_columns_of_unit_variance(rng):
    x = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 40)) * np.logspace(-2, 2, 40) + 5
    center, to = fit_pca(x, 3, rng)
    actual = (x - center) @ to
    assert actual.T @ actual / 500 == pytest.approx(np.eye(3), abs=0.02)
    # Three hidden directions are all there is: they give the standardised columns back.
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    back = actual @ np.linalg.lstsq(actual, z, rcond=None)[0]
    assert back == pytest.approx(z, abs=1e-2)


def test_pca_ignores_directions_and_columns_that_are_not_there(rng):
    x = np.column_stack([rng.normal(size=200), np.full(200, 3.0), np.zeros(200)])
    center, to = fit_pca(x, 10, rng)
    actual = (x - center) @ to
    assert actual.shape == (200, 3)
    assert actual.std(axis=0) == pytest.approx([1, 0, 0], abs=1e-3)


def test_pca_keeps_no_more_directions_than_rows(rng):
    assert fit_pca(rng.normal(size=(5, 30)), 16, rng)[1].shape == (30, 5)


def test_folds_keep_images_whole_and_even(rng):
    images = np.repeat(np.arange(20), 4)
    folds = image_folds(images, 5, rng)
    assert all(len(set(folds[images == image])) == 1 for image in range(20))
    assert np.bincount(folds).tolist() == [16] * 5


def test_folds_need_enough_images(rng):
    with pytest.raises(ValueError, match="training needs at least 5 images, got 2"):
        image_folds(np.array(["a", "b", "b"]), 5, rng)


def test_ridge_finds_a_line_and_predicts_out_of_fold(rng):
    slope = rng.normal(size=(400, 2))
    design = np.column_stack([np.ones(400), slope])
    target = np.column_stack([0.5 + 0.1 * slope[:, 0], 0.2 - 0.1 * slope[:, 1]])
    predicted, weights = fit_ridge(design, target, np.arange(400) % 4)
    # The smallest penalty, 30 against 400 rows of unit variance, shrinks slopes by 30 / 430.
    assert weights == pytest.approx(np.array([[0.5, 0.2], [0.093, 0], [0, -0.093]]), abs=0.01)
    assert np.abs(predicted - target).max() < 0.05


def test_ridge_on_noise_expects_the_mean(rng):
    design = np.column_stack([np.ones(300), rng.normal(size=(300, 50))])
    target = rng.integers(0, 2, size=(300, 1)).astype(float)
    predicted, _ = fit_ridge(design, target, np.arange(300) % 5)
    assert predicted.std() < 0.1
    assert abs(np.corrcoef(predicted[:, 0], target[:, 0])[0, 1]) < 0.2
