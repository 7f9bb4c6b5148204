"""The cost that no valid certificate can go below, against tests that are known to be best."""

import numpy as np
import pytest
from scipy.stats import binom

from scripts.benchmarks.simulated.limits import bound_power, least_cost


def test_whole_losses_are_told_best_by_counting_them():
    excess = (np.arange(100)[:, None] < 3) - 0.05
    # At most 12 of 400 may be lost, and 13 with the chance that fills the level.
    below, at = binom.cdf(12, 400, 0.05), binom.pmf(13, 400, 0.05)
    assert below < 0.05 < below + at
    best = binom.cdf(12, 400, 0.03) + (0.05 - below) / at * binom.pmf(13, 400, 0.03)
    assert bound_power(excess, 400, 0.05, 0.95) == pytest.approx(best, rel=1e-3)


def test_rare_images_that_lose_all_cannot_be_excluded_by_a_few_others():
    """Nothing is lost here; elsewhere one image in twenty loses all, and is not seen."""
    excess = np.full((50, 2), -0.05)
    assert bound_power(excess, 30, 0.05, 0.95) == pytest.approx(0.05 / 0.95**30)
    assert bound_power(excess, 300, 0.05, 0.95) == 1


def test_what_breaks_the_claim_is_taken_with_a_chance_of_delta():
    excess = np.array([[-0.05, 0.95], [0.45, -0.05]])
    assert bound_power(excess, 100, 0.1, 0.95) == pytest.approx(0.1)


def test_several_sizes_of_loss_are_no_easier_than_their_best_test():
    """Sums of few images, worked out by drawing them: any test of the sum stays below."""
    rng = np.random.default_rng(0)
    world = np.array([-0.1] * 16 + [0.1] * 3 + [0.9])
    power = bound_power(world[:, None], 50, 0.1, 0.9)
    # The world next to it that loses 0.1 more in the mean, with more of the same losses.
    feared = np.array([-0.1] * 14 + [0.1] * 4 + [0.9] * 2)
    assert world.mean() < 0 <= feared.mean()
    sums, there = (rng.choice(one, (20_000, 50)).sum(axis=1) for one in (world, feared))
    assert 0.1 < power < np.mean(sums <= np.quantile(there, 0.1)) + 0.1


def test_the_least_cost_by_hand():
    lossless = np.full((50, 1), -0.05)
    broken = np.full((50, 1), 0.5)
    excess = np.stack([lossless, broken, lossless], axis=1)  # [i, m, g]
    power = 0.05 / 0.95**30
    # Dear, middling, cheap; none of the two cheaper ones is taken more often than either may be.
    tokens = np.array([100.0, 1.0, 10.0])
    expected = 100 - power * (100 - 10) - 0.05 * (10 - 1)
    assert least_cost(excess, tokens, 30, 0.05, 0.95) == pytest.approx(expected)


def test_the_family_that_is_told_worst_decides():
    excess = np.stack([np.full((50, 2), -0.05), np.full((50, 2), -0.01)], axis=2)
    actual = least_cost(excess, np.array([100.0, 1.0]), 30, 0.05, 0.95)
    lost = 0.01 / (0.01 + 0.95)
    assert actual == pytest.approx(100 - 99 * 0.05 * (1 - lost) ** -30)
