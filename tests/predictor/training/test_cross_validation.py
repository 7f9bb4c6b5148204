import numpy as np
import pytest

from predictor.data import TrainData
from predictor.routing_metrics.bootstrap import draw_resamples
from predictor.routing_metrics.mixing import Mixture
from predictor.training.cross_validation import compare_gaps, measure_gap


@pytest.fixture
def data():
    """Ten questions about five images: even ones need 1 token, odd ones 9."""
    need = np.arange(10) % 2
    return TrainData(
        sample_ids=np.arange(10).astype(str),
        image_ids=np.repeat(np.arange(5), 2).astype(str),
        groups=np.full(10, "g"),
        coarse=np.zeros((10, 2, 1)),
        question=np.zeros((10, 1)),
        scores=(np.arange(2) >= need[:, None]).astype(float),
        tokens=np.tile([1.0, 9.0], (10, 1)),
        scales=(1, 9),
    )


def plain(chosen):
    """Choices [n], or of several trainings [n, r], as they are."""
    return Mixture.plain(np.asarray(chosen).reshape(10, -1))


def test_a_gap_by_hand(data):
    # Half of the questions at 9 tokens: mean 5. The hull has 3/4 there, the oracle all.
    perfect = np.arange(10) % 2
    assert measure_gap(data, plain(perfect)) == pytest.approx(1.0)
    assert measure_gap(data, plain(1 - perfect)) == pytest.approx((0.5 - 0.75) / 0.25)
    # One of the five that need it does without: 4 x 9 + 6 at ten, so 4.2; the hull has 0.7, the
    # oracle 0.9.
    one_less = perfect * (np.arange(10) != 1)
    assert measure_gap(data, plain(one_less)) == pytest.approx(1.0)
    assert np.isnan(measure_gap(data, plain(np.ones(10, np.int64))))


def test_choices_are_compared_in_the_same_draws(data):
    perfect = np.arange(10) % 2
    draws = draw_resamples(data.image_ids, 50)
    assert compare_gaps(data, plain(perfect), plain(perfect), draws, 0.95) == (0.0, 0.0, 0.0)
    ahead, low, high = compare_gaps(data, plain(perfect), plain(1 - perfect), draws, 0.95)
    assert ahead == pytest.approx(2.0) and low == pytest.approx(2.0) == high
    # Two trainings, one perfect and one perfectly wrong: the mean of 1 and -1 beside 1.
    both = np.column_stack((perfect, 1 - perfect))
    assert measure_gap(data, plain(both)) == pytest.approx(0.0)
    ahead, low, high = compare_gaps(data, plain(both), plain(perfect), draws, 0.95)
    assert ahead == pytest.approx(-1.0) and low == pytest.approx(-1.0) == high
    none = compare_gaps(data, plain(perfect), plain(np.ones(10, np.int64)), draws, 0.95)
    assert np.isnan(none).all()
