"""What is attainable under luck, against truths that the simulation knows."""

import numpy as np
import pytest

from predictor.routing_metrics.ceiling import cross_fitted, measure_luck, tell_shift
from predictor.routing_metrics.gap import hull_at, oracle_at
from predictor.routing_metrics.mixing import Mixture

TOKENS = np.array([1.0, 9.0, 36.0, 144.0, 576.0])
N = 1200
IMAGES = np.arange(N) // 3


@pytest.fixture
def need():
    """The scale from which on each question is right [n]."""
    return np.random.default_rng(0).choice(5, size=N, p=(0.5, 0.2, 0.15, 0.1, 0.05))


def flip(need, rate, repeats):
    """Outcomes of which a share is turned round, and the probabilities that this gives."""
    right = np.arange(5) >= need[:, None]
    random = np.random.default_rng(1)
    turned = random.random((N, repeats, 5)) < rate
    return (right[:, None] ^ turned).astype(float), np.where(right, 1 - rate, rate)


def choose(need):
    """A router that is wrong about every fifth question."""
    return np.where(np.arange(N) % 5 == 0, 1, need)[:, None]


@pytest.mark.parametrize("rate", [0.05, 0.1])
@pytest.mark.parametrize("repeats", [2, 4])
def test_the_ceiling_is_what_knowing_the_probabilities_gives(need, rate, repeats):
    outcomes, truth = flip(need, rate, repeats)
    chosen = choose(need)
    [measured] = measure_luck(outcomes, TOKENS, IMAGES, Mixture.plain(chosen))
    at = np.array([measured["tokens"]])
    ceiling = oracle_at(truth, TOKENS, at)[0]
    assert measured["ceiling"] == pytest.approx(ceiling, abs=0.03)
    assert measured["oracle"] > ceiling + 0.05  # what hindsight adds is more
    assert measured["cross_fitted"] < ceiling + 0.02
    assert measured["cross_fitted"] > measured["hull"]
    hull = hull_at(TOKENS, truth.mean(axis=0), at)[0]
    reached = np.take_along_axis(truth, chosen, axis=1).mean()
    closed = (reached - hull) / (ceiling - hull)
    assert measured["ogc_low"] <= closed <= measured["ogc_high"]
    assert measured["ogc_oracle"] < min(closed, measured["ogc"]) - 0.05


@pytest.mark.parametrize("spread", [0, 0.1])
def test_partial_scores_that_hardly_vary_are_no_luck(spread):
    kinds = np.array([[0.3] * 4 + [0.9], [0.9] * 5, [0.3] * 5, [0.6, 0.6, 0.9, 0.9, 0.9]])
    truth = kinds[np.arange(N) % 4]
    random = np.random.default_rng(0)
    outcomes = truth[:, None] + random.uniform(-spread, spread, (N, 3, 5))
    chosen = (truth - 0.001 * TOKENS).argmax(axis=1)[:, None]
    [measured] = measure_luck(outcomes, TOKENS, IMAGES, Mixture.plain(chosen))
    ceiling = oracle_at(truth, TOKENS, np.array([measured["tokens"]]))[0]
    assert measured["ceiling"] == pytest.approx(ceiling, abs=0.005)
    assert measured["ogc"] == pytest.approx(1, abs=0.05)
    assert measured["cross_fitted"] == pytest.approx(ceiling, abs=0.01)


def test_without_repeats_both_bounds_hold(need):
    outcomes, truth = flip(need, 0.1, 1)
    chosen = choose(need)
    [measured] = measure_luck(outcomes, TOKENS, IMAGES, Mixture.plain(chosen))
    ceiling = oracle_at(truth, TOKENS, np.array([measured["tokens"]]))[0]
    assert measured["hull"] < measured["ceiling"] < ceiling < measured["oracle"]
    assert measured["ceiling"] >= measured["accuracy"]
    assert measured["ogc_oracle"] < measured["ogc"] <= 1
    assert "cross_fitted" not in measured


def test_outcomes_without_luck_leave_the_oracle(need):
    outcomes, _ = flip(need, 0.0, 3)
    [measured] = measure_luck(outcomes, TOKENS, IMAGES, Mixture.plain(choose(need)))
    assert measured["ceiling"] == pytest.approx(measured["oracle"], abs=0.005)
    assert measured["cross_fitted"] == pytest.approx(measured["oracle"], abs=0.005)


def test_tokens_may_differ_between_questions(need):
    # Images of two sizes: the ceiling knows which is which, as the oracle does.
    outcomes, truth = flip(need, 0.05, 3)
    tokens = np.where((np.arange(N) % 2 == 0)[:, None], TOKENS, 4 * TOKENS)
    [measured] = measure_luck(outcomes, tokens, IMAGES, Mixture.plain(choose(need)))
    ceiling = oracle_at(truth, tokens, np.array([measured["tokens"]]))[0]
    assert measured["ceiling"] == pytest.approx(ceiling, abs=0.03)


def test_a_router_of_several_trainings_is_their_mean(need):
    outcomes, _ = flip(need, 0.1, 3)
    good, bad = choose(need), np.full((N, 1), 2)
    both = measure_luck(outcomes, TOKENS, IMAGES, Mixture.plain(np.hstack((good, bad))))
    [mean] = measure_luck(outcomes, TOKENS, IMAGES, Mixture.plain(np.hstack((good, bad))), 2)
    for name in ("tokens", "ceiling", "ogc", "oracle", "cross_fitted"):
        assert mean[name] == pytest.approx(np.mean([one[name] for one in both]))
    # The draws of both: as wide as the two are apart.
    assert mean["ogc_low"] == pytest.approx(both[1]["ogc_low"], abs=0.05)
    assert mean["ogc_high"] == pytest.approx(both[0]["ogc_high"], abs=0.05)


def test_a_training_that_stays_at_the_cheapest_scale_has_no_share(need):
    outcomes, _ = flip(need, 0.1, 3)
    cheapest = Mixture.plain(np.hstack((choose(need), np.zeros((N, 1), int))))
    [one] = measure_luck(outcomes, TOKENS, IMAGES, Mixture.plain(choose(need)))
    [both] = measure_luck(outcomes, TOKENS, IMAGES, cheapest, 2)
    assert (both["ogc"], both["ogc_oracle"]) == pytest.approx((one["ogc"], one["ogc_oracle"]))
    assert both["tokens"] == pytest.approx((one["tokens"] + 1) / 2)


def test_cross_fitting_needs_repeats():
    with pytest.raises(ValueError, match="needs at least 2 repeats, got 1"):
        cross_fitted(np.ones((4, 1, 5)), TOKENS, IMAGES[:4], np.array([9.0]))


def test_repeats_that_change_more_than_luck_are_told(need):
    outcomes, _ = flip(need, 0.1, 3)
    tokens = np.tile(TOKENS, (N, 1))
    assert tell_shift(outcomes, tokens, IMAGES) == ""
    assert tell_shift(outcomes[:, :1], tokens, IMAGES) == ""
    # Moved images that nobody can read any more, a fifth of them, from 36 tokens on.
    hurt = outcomes.copy()
    hurt[::5, 1:, 2:] = 0
    told = tell_shift(hurt, tokens, IMAGES)
    right = hurt[:, 1:].mean(axis=(0, 1))
    worst = int((hurt[:, 0].mean(axis=0) - right).argmax())
    assert f"{right[worst]:.3f} right instead of {hurt[:, 0, worst].mean():.3f}" in told
    assert "smaller --jitter" in told
    # So few images that it may be chance.
    few = np.flatnonzero(IMAGES < 3)
    assert tell_shift(hurt[few], tokens[few], IMAGES[few]) == ""
