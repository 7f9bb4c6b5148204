"""The test of a mean by betting, against numbers worked out here."""

import math

import numpy as np
import pytest

from predictor.policy.risk_tests import images_needed, list_bets, p_value

FIFTH = (-0.2, 0.8)  # excesses over alpha 0.2


def test_bets_by_hand():
    # 0.95 / 0.8, halved down to sqrt(2 ln 10 / (1000 * 0.2 * 0.8)) = 0.170: 3 halvings pass it.
    boldest = 0.95 / 0.8
    smallest = math.sqrt(2 * math.log(10) / 160)
    assert boldest / 8 < smallest < boldest / 4
    assert list_bets(1000, FIFTH, 0.1) == pytest.approx(boldest / np.array([1, 2, 4, 8]))
    # Few images make bold: sqrt(2 ln 10 / (10 * 0.16)) is 1.7.
    assert list_bets(10, FIFTH, 0.1) == pytest.approx([boldest])
    # Losses that gains are set off against spread farther.
    assert len(list_bets(1000, (-1.2, 0.8), 0.1)) == 6  # down to 0.069


def test_a_single_bet_by_hand():
    # An image without loss multiplies the capital by 1 + 0.2 * 0.95 / 0.8, a lost one by 0.05.
    factor = 1 + 0.2 * 0.95 / 0.8
    lossless = np.full(5, -0.2)
    assert p_value(lossless, FIFTH, 0.1) == pytest.approx(factor**-5)
    # The first image loses all, and so does the bet; what was won before is kept in the maximum.
    assert p_value(np.array([0.8, -0.2]), FIFTH, 0.1) == 1
    assert p_value(np.array([-0.2, 0.8]), FIFTH, 0.1) == pytest.approx(1 / factor)
    # Images of no excess change nothing.
    assert p_value(np.array([0.0, -0.2, 0.0]), FIFTH, 0.1) == pytest.approx(1 / factor)


def test_several_bets_share_the_capital():
    excess = np.concatenate([np.full(60, -0.2), [0.8], np.full(39, -0.2)])
    capitals = [
        np.cumprod(1 - bet * excess) for bet in (0.95 / 0.8 / np.array([1, 2, 4]))
    ]  # sqrt(2 ln 10 / 16) = 0.54 is passed by the second halving
    assert p_value(excess, FIFTH, 0.1) == pytest.approx(1 / np.mean(capitals, axis=0).max())


def test_rows_are_tested_side_by_side():
    rows = np.random.default_rng(0).uniform(-0.2, 0.1, size=(2, 3, 50))
    actual = p_value(rows, FIFTH, 0.1)
    assert actual.shape == (2, 3)
    assert actual[1, 2] == p_value(rows[1, 2], FIFTH, 0.1)


def test_losses_at_the_bound_prove_nothing():
    assert p_value(np.zeros(1000), (-0.05, 0.95), 0.1) == 1


def test_many_lossless_images_prove_all_without_a_warning():
    assert p_value(np.full(100_000, -0.5), (-0.5, 0.5), 0.1) == 0


def test_small_losses_prove_more_than_rare_whole_ones():
    """The same mean, spread over images or gathered in one."""
    spread, whole = np.full(200, 0.005), np.zeros(200)
    whole[100] = 1.0
    bounds = (-0.02, 0.98)
    assert p_value(spread - 0.02, bounds, 0.1) < p_value(whole - 0.02, bounds, 0.1)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_it_rejects_a_true_hypothesis_no_more_often_than_it_says(alpha):
    """Images of four questions that stand and fall together half of the time, mean just alpha."""
    rng = np.random.default_rng(0)
    alone = (rng.random((2000, 100, 4)) < alpha).mean(axis=2)
    together = (rng.random((2000, 100)) < alpha).astype(float)
    losses = np.where(rng.random((2000, 100)) < 0.5, alone, together)
    actual = p_value(losses - alpha, (-alpha, 1 - alpha), 0.1)
    # 2,000 draws of a rate of 0.1 exceed 0.12 once in 600.
    assert 0.01 < np.mean(actual <= 0.1) <= 0.12


@pytest.mark.parametrize(
    ("alpha", "delta", "expected"), [(0.05, 0.05, 62), (0.01, 0.05, 314), (0.5, 0.5, 2)]
)
def test_images_needed_by_hand(alpha, delta, expected):
    # One bet at these sizes: ln(1 / delta) / ln(1 + 0.95 alpha / (1 - alpha)), rounded up.
    assert expected == math.ceil(-math.log(delta) / math.log(1 + 0.95 * alpha / (1 - alpha)))
    assert images_needed(alpha, (-alpha, 1 - alpha), delta) == expected


@pytest.mark.parametrize(("alpha", "delta"), [(0.02, 0.1), (0.05, 0.05)])
@pytest.mark.parametrize("lowest", [0, -1])
def test_images_needed_is_where_a_lossless_split_passes(alpha, delta, lowest):
    bounds = (lowest - alpha, 1 - alpha)
    needed = images_needed(alpha, bounds, delta)
    for images, enough in ((needed, True), (needed - 1, False)):
        assert (p_value(np.full(images, -alpha), bounds, delta) <= delta) is np.bool_(enough)


def test_a_bound_that_no_split_can_meet_is_refused():
    with pytest.raises(ValueError, match="more than 1000000 images; ask for a larger alpha"):
        images_needed(1e-9, (-1e-9, 1 - 1e-9), 0.1)


@pytest.mark.parametrize("lowest", [0, -1])
@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 1e-17, 1e-7, 0.5, 1 - 1e-16])
@pytest.mark.parametrize("delta", [5e-324, 1e-300, 1e-17, 0.5, 1 - 1e-16])
def test_every_level_has_a_number_of_images_or_one_line(alpha, delta, lowest):
    bounds = (lowest - alpha, 1 - alpha)
    if alpha < 1e-6 and delta < 0.9:
        with pytest.raises(ValueError, match="would need .* images; ask for a larger alpha"):
            images_needed(alpha, bounds, delta)
    elif alpha == 0.5 or alpha > 0.9:
        assert 0 <= images_needed(alpha, bounds, delta) <= 5000
