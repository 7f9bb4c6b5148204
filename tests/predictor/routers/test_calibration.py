import numpy as np
import pytest
from scipy.special import expit

from predictor.routers.base import log_odds
from predictor.routers.calibration import Calibrator

SCALES = (1, 9)


@pytest.fixture
def skewed():
    """Probabilities that are twice as sure of themselves as they may be, in log-odds."""
    rng = np.random.default_rng(0)
    true = rng.uniform(0.05, 0.95, (4000, 2))
    happened = (rng.random(true.shape) < true).astype(float)
    return expit(2 * log_odds(true) + 0.5), happened, true


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_calibration_moves_probabilities_to_what_happens(skewed, method):
    claimed, happened, true = skewed
    moved = Calibrator(SCALES, method).fit(claimed, happened).transform(claimed)
    assert np.abs(claimed - true).mean() > 0.1
    assert np.abs(moved - true).mean() < 0.03


def test_platt_recovers_slope_and_offset(skewed):
    claimed, happened, _ = skewed
    # true log-odds = (claimed log-odds - 0.5) / 2, so the slope is 1/2 and the offset -1/4.
    for slope, offset in Calibrator(SCALES).fit(claimed, happened).maps_:
        assert slope == pytest.approx(0.5, abs=0.05)
        assert offset == pytest.approx(-0.25, abs=0.08)


def test_isotonic_pools_what_falls():
    claimed = np.array([[0.1], [0.2], [0.3], [0.4]])
    happened = np.array([[0.0], [1.0], [0.0], [1.0]])
    moved = Calibrator((1,), "isotonic").fit(claimed, happened).transform(claimed)
    # 1 and 0 in the middle fall, so the two rows share their mean.
    assert moved[:, 0].tolist() == [0.0, 0.5, 0.5, 1.0]


def test_isotonic_shares_a_level_among_equal_probabilities():
    claimed = np.array([[0.5], [0.5], [0.5], [0.5]])
    happened = np.array([[0.0], [1.0], [1.0], [1.0]])
    moved = Calibrator((1,), "isotonic").fit(claimed, happened).transform(np.array([[0.1], [0.9]]))
    assert moved[:, 0].tolist() == [0.75, 0.75]


def test_platt_never_turns_the_order_round():
    claimed = np.array([[0.2], [0.2], [0.8], [0.8]])
    happened = np.array([[1.0], [1.0], [0.0], [0.0]])
    moved = Calibrator((1,)).fit(claimed, happened).transform(claimed)
    assert moved[:, 0] == pytest.approx([0.5] * 4)


@pytest.mark.parametrize(("spread", "n"), [(0.01, 4), (0.01, 400), (1.0, 4)])
def test_platt_leaves_a_router_that_is_right_as_it_is(spread, n):
    """However little its probabilities differ, and however few rows say so."""
    claimed = expit(np.tile([[-spread], [spread]], (n // 2, 1)))
    [(slope, offset)] = Calibrator((1,)).fit(claimed, claimed).maps_
    assert (slope, offset) == (pytest.approx(1, abs=1e-3), pytest.approx(0, abs=1e-3))


@pytest.mark.parametrize("claimed", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_an_offset_in_the_data_leaves_platts_slope_alone(claimed, value):
    """Rows that are all alike tell nothing of a slope; their offset is Platt's target for 20."""
    told = np.full((20, 1), value)
    [(slope, offset)] = Calibrator((1,)).fit(np.full((20, 1), claimed), told).maps_
    assert slope == pytest.approx(1, abs=1e-3)
    right = 21 / 22 if value else 1 / 22
    assert offset == pytest.approx(log_odds(right) - log_odds(claimed), abs=1e-3)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_platt_keeps_a_scale_that_is_always_alike_off_the_edge(value):
    claimed = np.full((8, 1), 0.5)
    moved = Calibrator((1,)).fit(claimed, np.full((8, 1), value)).transform(claimed)
    # Platt's targets for 8 rows are 1/10 and 9/10.
    assert moved[:, 0] == pytest.approx(np.full(8, 0.9 if value else 0.1), abs=1e-3)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_saved_calibration_gives_the_same_numbers(skewed, method):
    claimed, happened, _ = skewed
    calibrator = Calibrator(SCALES, method).fit(claimed, happened)
    loaded = Calibrator.from_bytes(calibrator.to_bytes(), SCALES)
    assert loaded.method == method
    assert np.array_equal(loaded.transform(claimed), calibrator.transform(claimed))


def test_saved_calibration_must_fit_the_scales(skewed):
    content = Calibrator(SCALES).fit(*skewed[:2]).to_bytes()
    with pytest.raises(ValueError, match="one map for each of 3 scales"):
        Calibrator.from_bytes(content, (1, 9, 36))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="calibration must be one of .*got 'beta'"):
        Calibrator(SCALES, "beta")


@pytest.mark.parametrize("shape", [(0, 2), (4, 3), (4,)])
def test_fit_refuses_wrong_shapes(shape):
    with pytest.raises(ValueError, match=r"calibration needs two arrays \[n, 2\]"):
        Calibrator(SCALES).fit(np.zeros(shape), np.zeros(shape))


def test_transform_needs_a_fit():
    with pytest.raises(ValueError, match="not fitted"):
        Calibrator(SCALES).transform(np.zeros((1, 2)))


def test_transform_refuses_another_width(skewed):
    with pytest.raises(ValueError, match=r"probabilities must be \[n, 2\]"):
        Calibrator(SCALES).fit(*skewed[:2]).transform(np.zeros((1, 3)))
