"""Parity is what the calibration split shows, and nothing where it shows none."""

import numpy as np
import pytest

from predictor.policy.budgets import choose
from predictor.policy.parity import QUANTILE, bound_loss, find_parity

COSTS = np.array([1.0, 9.0, 36.0])


def test_the_bound_by_hand():
    # Three images of two questions; one question is lost, and one more on an image of its own.
    lost = np.array([1.0, 0, 0, 0, 0, 0])
    mean = 2 / 7
    beyond = np.array([1, 0, 0, 1]) - mean * np.array([2, 2, 2, 1])
    error = np.sqrt((beyond**2).sum() * 4 / 3) / 7
    images = np.repeat([0, 1, 2], 2)
    assert bound_loss(lost, images) == pytest.approx(mean + QUANTILE * error)


def test_nothing_lost_bounds_less_the_more_images_there_are():
    """As three losses would in an exact test: 3 / n, here 2.6 / n."""
    for n in (100, 1000):
        assert bound_loss(np.zeros(n), np.arange(n)) == pytest.approx(2.645 / n, rel=0.02)


def test_losses_of_one_image_count_together():
    lost = np.zeros(800)
    lost[:8] = 1
    alone = bound_loss(lost, np.arange(800))
    assert bound_loss(lost, np.repeat(np.arange(100), 8)) > 1.5 * alone


def make_split(random, n, images):
    """Draw outcomes of a ladder, and what a router believes of it, noisily."""
    need = random.choice(4, n, p=(0.4, 0.3, 0.27, 0.03))
    right = np.clip((np.arange(3)[None] >= need[:, None]) * 0.96 + 0.02, 0, 1)
    noisy = np.log(right / (1 - right)) + random.normal(0, 1.5, (n, 3))
    scores = (random.random((n, 3)) < right).astype(float)
    return 1 / (1 + np.exp(-noisy)), np.tile(COSTS, (n, 1)), scores, np.arange(n) % images


def test_what_is_established_holds_as_often_as_it_should():
    """Of calibration splits at most one in twenty establishes what loses more, but for chance."""
    random = np.random.default_rng(0)
    world = make_split(random, 40_000, 10_000)
    broken = established = 0
    for _ in range(150):
        rows = random.integers(0, 40_000, 1600)
        # Images are drawn anew too: those of the world have four questions each.
        known = [part[rows] for part in world[:3]]
        point = find_parity(*known, np.arange(1600), 0.02)
        established += point.established
        chosen = choose(world[0], world[1], point.lam)
        lost = world[2][:, -1] - world[2][np.arange(40_000), chosen]
        broken += point.established and lost.mean() > 0.02
    assert established > 120
    assert broken <= 0.05 * 150 + 2 * np.sqrt(0.05 * 0.95 * 150)


def test_images_are_numbered_once(monkeypatch):
    """Not for each of 200 points, in every unit, of every method and seed."""
    belief, costs, _, images = make_split(np.random.default_rng(3), 2000, 500)
    sort, calls = np.unique, []

    def watch(values, *more, **how):
        calls.append(np.asarray(values).dtype.kind)
        return sort(values, *more, **how)

    monkeypatch.setattr(np, "unique", watch)
    point = find_parity(belief, costs, np.ones((2000, 3)), images, 0.02)
    assert point.established and point.cost < 36
    assert calls.count("U") == 1  # of names


def test_few_images_establish_nothing():
    random = np.random.default_rng(1)
    belief, costs, _, images = make_split(random, 2000, 49)
    assert not find_parity(belief, costs, np.ones((2000, 3)), images, 0.02).established
    _, _, _, images = make_split(random, 2000, 50)
    assert find_parity(belief, costs, np.ones((2000, 3)), images, 0.02).established


def test_a_flat_policy_has_parity_at_its_cheapest_scale():
    belief, costs, _, images = make_split(np.random.default_rng(2), 2000, 500)
    right = np.tile((np.arange(2000) % 3 < 2)[:, None], (1, 3)).astype(float)
    point = find_parity(belief, costs, right, images, 0.005, paying=1)
    assert (point.established, point.cost) == (True, 1.0)


def test_it_stops_at_the_first_point_that_is_not_shown():
    """Always the second scale would be as good again, but it lies beyond one that is not."""
    n = 400
    scores = np.ones((n, 3))
    scores[: n // 4, 1] = 0
    belief = np.tile([0.1, 0.5, 0.9], (n, 1))
    belief[: n // 4] = (0.1, 0.89, 0.9)  # first given up, and wrongly
    point = find_parity(belief, np.tile(COSTS, (n, 1)), scores, np.arange(n), 0.05)
    assert (point.established, point.cost) == (True, 36.0)
