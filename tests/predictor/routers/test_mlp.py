import numpy as np
import pytest

from predictor.routers.mlp import MlpRouter, MlpSettings


@pytest.fixture(scope="module")
def ring():
    """Right at 9 tokens outside of a circle: no line tells."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(800, 2))
    outside = ((x**2).sum(axis=1) > 1.4).astype(float)
    return x, np.column_stack([outside, np.ones(800)])


def test_it_learns_what_no_line_can(ring):
    x, y = ring
    probabilities = MlpRouter((9, 36)).fit(x[:600], y[:600]).predict_proba(x[600:])
    assert ((probabilities[:, 0] > 0.5) == y[600:, 0]).mean() > 0.9


@pytest.mark.parametrize("loss", ["rank", "cost"])
def test_the_other_losses_order_the_scales(ring, loss):
    x, y = ring
    router = MlpRouter((9, 36), MlpSettings(loss=loss, price=0.4)).fit(x[:600], y[:600])
    probabilities = router.predict_proba(x[600:])
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(200))
    # The cheaper scale is first among equals, and the other one where it alone is right.
    assert ((probabilities[:, 0] > probabilities[:, 1]) == y[600:, 0]).mean() > 0.85
    loaded = MlpRouter.from_files(router.to_files(), (9, 36))
    assert np.array_equal(loaded.predict_proba(x), router.predict_proba(x))


def test_it_stops_when_held_out_rows_get_no_better(ring):
    x, _ = ring
    noise = np.random.default_rng(1).integers(0, 2, (800, 2)).astype(float)
    probabilities = MlpRouter((9, 36)).fit(x, noise).predict_proba(x)
    assert np.abs(probabilities - 0.5).max() < 0.3


def test_it_learns_from_a_data_set_that_comes_last(ring):
    """In the last fifth of the rows what is right is turned round, and a third feature says so."""
    x, y = ring
    last = np.arange(800) >= 640
    x = np.column_stack([x, last])
    y = np.where(last[:, None] & [True, False], 1 - y, y)
    probabilities = MlpRouter((9, 36)).fit(x, y).predict_proba(x)
    assert ((probabilities[last, 0] > 0.5) == y[last, 0]).mean() > 0.8


def test_no_cluster_is_parted():
    """Four rows of each of 25 images; those of weight 0 are on neither side."""
    clusters = np.tile(np.arange(25), 4)
    weights = np.ones((100, 2))
    weights[clusters == 3] = 0
    for seed in range(3):
        router = MlpRouter((9, 36), MlpSettings(seed=seed))
        learn, held = router._part(clusters, weights)
        assert sorted([*learn, *held]) == np.flatnonzero(clusters != 3).tolist()
        assert len(held) == 20 and not set(clusters[learn]) & set(clusters[held])
        assert held.min() < 80  # not the last rows of the table
        again = router._part(clusters, weights)
        assert all(map(np.array_equal, (learn, held), again))
    alone, same = router._part(np.zeros(100), weights)
    assert np.array_equal(alone, same) and len(alone) == 96


def test_networks_start_differently_and_are_averaged(ring):
    x, y = ring
    alone = MlpRouter((9, 36), MlpSettings(networks=1, epochs=3)).fit(x, y)
    pair = MlpRouter((9, 36), MlpSettings(networks=2, epochs=3)).fit(x, y)
    first, second = pair.arrays_["in"]
    assert np.array_equal(first, alone.arrays_["in"][0]) and not np.allclose(first, second)
    names = ("in", "in.bias", "out", "out.bias")
    each = []
    for network in range(2):
        only = {name: pair.arrays_[name][[network]] for name in names}
        alone.arrays_ = {**pair.arrays_, **only}
        each.append(alone.predict_proba(x))
    assert pair.predict_proba(x) == pytest.approx(np.mean(each, axis=0))


def test_no_network_is_refused():
    with pytest.raises(ValueError, match="networks must be at least 1, got 0"):
        MlpSettings(networks=0)


def test_one_row_is_enough():
    probabilities = MlpRouter((9, 36)).fit(np.ones((1, 2)), np.array([[0.0, 1.0]]))
    assert probabilities.predict_proba(np.ones((1, 2))).shape == (1, 2)


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss must be one of .*got 'hinge'"):
        MlpSettings(loss="hinge")


def test_nan_is_refused():
    with pytest.raises(ValueError, match="takes no NaN"):
        MlpRouter((9,)).fit(np.full((2, 1), np.nan), np.ones((2, 1)))
