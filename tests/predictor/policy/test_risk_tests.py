"""The test of a mean by betting, against numbers worked out here."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from predictor.policy.risk_tests import choose_bet, images_needed, p_value


def test_a_bet_is_that_of_a_z_test():
    """The chance of the z-test to succeed moves by what the bet wins, for the smallest step."""
    normal = NormalDist()
    for share, spread, left in ((0.05, 0.04, 100), (0.3, 0.5, 7), (0.9, 0.01, 2)):
        # The chance is share where the sum is 0; by so much it falls as the sum rises by 1.
        slope = normal.pdf(normal.inv_cdf(share)) / math.sqrt(left * spread)
        assert choose_bet(np.array([share]), spread, left) == pytest.approx(slope / share)


def test_bets_are_bolder_when_behind_and_modest_near_the_goal():
    bets = choose_bet(np.array([0, 1e-5, 0.05, 0.5, 1 - 1e-12, 1]), 0.04, 100)
    assert (np.diff(bets) <= 0).all() and np.isfinite(bets).all() and (bets > 0).all()
    assert bets[-1] < 1e-6
    # No spread is met by the boldest legal bet.
    assert choose_bet(np.array([0.5]), 0.0, 3) == np.inf


def test_the_boldest_bets_by_hand():
    # A few images make bold: one without loss wins 0.2 / 0.8 of the capital.
    lossless = np.full(5, -0.2)
    assert p_value(lossless, 0.2, 0.1) == pytest.approx(1.25**-5)
    # A whole loss takes everything; what was won before is kept in the maximum.
    assert p_value(np.array([0.8, -0.2]), 0.2, 0.1) == 1
    assert p_value(np.array([-0.2, 0.8, -0.2]), 0.2, 0.1) == pytest.approx(1 / 1.25)
    # Images of no excess win nothing.
    assert p_value(np.array([0.0, -0.2, 0.0]), 0.2, 0.1) == pytest.approx(1 / 1.25)


def test_two_images_by_hand():
    """With bets below the boldest; a guess of the spread that counts as ten images."""
    delta, spread = 0.5, 0.2 * 0.8
    excess = np.array([-0.3, 0.1])
    first = choose_bet(np.array([delta / 1.02]), spread, 2)[0]
    share = delta * (1 + 0.3 * first)
    second = choose_bet(np.array([share / 1.02]), (10 * spread + 0.09) / 11, 1)[0]
    assert max(first, second) > 1.25  # both too bold
    assert p_value(excess, 0.2, delta) == pytest.approx(1 / (1 + 0.3 * 1.25))
    # Of 100 images all but these have no excess; they are far from the goal, but modest.
    many = np.concatenate([excess, np.zeros(98)])
    first = choose_bet(np.array([delta / 1.02]), spread, 100)[0]
    assert first < 1.25
    assert p_value(many, 0.2, delta) == pytest.approx(1 / (1 + 0.3 * first))


def test_what_reached_the_goal_stays_there():
    excess = np.concatenate([np.full(40, -0.2), np.full(20, 0.8)])
    other = np.concatenate([np.full(40, -0.2), np.full(20, -0.2)])
    assert p_value(excess, 0.2, 0.1) == p_value(other, 0.2, 0.1) <= 0.1


def test_rows_are_tested_side_by_side():
    rows = np.random.default_rng(0).uniform(-0.2, 0.1, size=(2, 3, 50))
    actual = p_value(rows, 0.2, 0.1)
    assert actual.shape == (2, 3) and len(np.unique(actual)) == 6
    assert actual[1, 2] == pytest.approx(p_value(rows[1, 2], 0.2, 0.1), rel=1e-12)


def test_losses_at_the_bound_prove_nothing():
    assert p_value(np.zeros(1000), 0.05, 0.1) == 1


def test_many_lossless_images_prove_all_without_a_warning():
    assert p_value(np.full(10_000, -0.5), 0.5, 1e-300) <= 1e-300


def test_small_losses_prove_more_than_rare_whole_ones():
    """The same mean, spread over images or gathered in one."""
    spread, whole = np.full(200, 0.005), np.zeros(200)
    whole[100] = 1.0
    assert p_value(spread - 0.02, 0.02, 0.1) < p_value(whole - 0.02, 0.02, 0.1)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_it_rejects_a_true_hypothesis_no_more_often_than_it_says(alpha):
    """Images of four questions that stand and fall together half of the time, mean just alpha."""
    rng = np.random.default_rng(0)
    alone = (rng.random((2000, 100, 4)) < alpha).mean(axis=2)
    together = (rng.random((2000, 100)) < alpha).astype(float)
    losses = np.where(rng.random((2000, 100)) < 0.5, alone, together)
    actual = p_value(losses - alpha, alpha, 0.1)
    # 2,000 draws of a rate of 0.1 exceed 0.12 once in 600.
    assert 0.01 < np.mean(actual <= 0.1) <= 0.12


@settings(max_examples=20, derandomize=True, deadline=None)
@given(
    alpha=st.floats(0.01, 0.5),
    sizes=st.lists(st.floats(0.01, 1), min_size=1, max_size=4),
    gains=st.booleans(),
    late=st.booleans(),
)
def test_no_true_hypothesis_is_rejected_too_often(alpha, sizes, gains, late):
    """Losses of a few sizes, gains, and losses that mostly come late: the mean is just alpha."""
    rng = np.random.default_rng(0)
    size = np.array(sizes)[rng.integers(0, len(sizes), (1000, 80))]
    least = -size if gains else np.zeros_like(size)
    # Chance of the whole loss, for a mean of alpha; certain where even that is less.
    chance = np.minimum((alpha - least) / (size - least), 1)
    losses = np.where(rng.random(size.shape) < chance, size, least)
    excess = np.where(alpha <= size, losses - alpha, 0)
    if late:
        # Each image is a fair game by itself, so that their order does not matter.
        excess = np.take_along_axis(excess, np.argsort(size, axis=1), axis=1)
    # 1,000 draws of a rate of 0.1 exceed 0.14 once in 30,000.
    assert np.mean(p_value(excess, alpha, 0.1) <= 0.1) <= 0.14


@pytest.mark.parametrize("risk", [0.02, 0.03])
def test_whole_losses_are_told_nearly_as_well_as_by_counting_them(risk):
    """The binomial test is the best there is for them, and for nothing else."""
    losses = np.random.default_rng(0).random((2000, 400)) < risk
    counted = binom.cdf(losses.sum(axis=1), 400, 0.05) <= 0.05
    actual = p_value(losses - 0.05, 0.05, 0.05) <= 0.05
    assert counted.mean() - 0.05 < actual.mean() <= counted.mean() + 0.01


@pytest.mark.parametrize(
    ("alpha", "delta", "expected"), [(0.05, 0.05, 59), (0.01, 0.05, 299), (0.5, 0.5, 1)]
)
def test_images_needed_by_hand(alpha, delta, expected):
    # The chance of so many lossless images at a rate of just alpha is below delta.
    assert (1 - alpha) ** expected <= delta < (1 - alpha) ** (expected - 1)
    assert images_needed(alpha, alpha, delta) == expected


@pytest.mark.parametrize(("alpha", "delta"), [(0.02, 0.1), (0.05, 0.05), (0.01, 0.05)])
def test_images_needed_is_where_a_lossless_split_passes(alpha, delta):
    needed = images_needed(alpha, alpha, delta)
    for images, enough in ((needed, True), (needed - 1, False)):
        assert (p_value(np.full(images, -alpha), alpha, delta) <= delta) is np.bool_(enough)


def test_a_bound_that_no_split_can_meet_is_refused():
    with pytest.raises(ValueError, match="more than 1000000 images; ask for a larger alpha"):
        images_needed(1e-9, 1e-9, 0.1)


@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 1e-17, 1e-7, 0.5, 1 - 1e-16])
@pytest.mark.parametrize("delta", [5e-324, 1e-300, 1e-17, 0.5, 1 - 1e-16])
def test_every_level_has_a_number_of_images_or_one_line(alpha, delta):
    if alpha < 1e-6 and delta < 0.9:
        with pytest.raises(ValueError, match="would need .* images; ask for a larger alpha"):
            images_needed(alpha, alpha, delta)
    elif alpha == 0.5 or alpha > 0.9:
        assert 0 <= images_needed(alpha, alpha, delta) <= 5000
        assert 0 <= p_value(np.full(30, -alpha), alpha, delta) <= 1
