"""What a calibration split shows to pay: nothing on flat ladders, all on steep ones."""

import numpy as np
import pytest

from predictor.policy.budgets import operating_table
from predictor.policy.prices import Price
from predictor.policy.support import count_paying

SCALES = np.array([1.0, 9.0, 36.0, 144.0, 576.0])


def make_table(accuracies, n, seed, spread=1.0):
    """Make outcomes of a ladder, and a router that takes its own noise for differences."""
    rng = np.random.default_rng(seed)
    odds = np.log(np.array(accuracies) / (1 - np.array(accuracies)))
    chance = 1 / (1 + np.exp(-odds - spread * rng.normal(size=(n, 1))))
    scores = (rng.random(chance.shape) < chance).astype(float)
    believed = chance + rng.normal(0, 0.05, size=chance.shape)
    # Calibrated on the same outcomes, luck and all.
    believed = np.clip(believed + scores.mean(axis=0) - believed.mean(axis=0), 0, 1)
    return believed, np.tile(SCALES[: chance.shape[1]], (n, 1)), scores


def test_the_number_of_scales_by_hand():
    # 16 images of two questions; the second scale wins one of them on 12 images, the third none.
    images = np.repeat(np.arange(16).astype(str), 2)
    scores = np.zeros((32, 3))
    scores[:24:2, 1:] = 1
    believed, costs = np.tile([0.1, 0.5, 0.6], (32, 1)), np.tile(SCALES[:3], (32, 1))
    # 12 / sqrt(12) = 3.5 standard errors.
    assert count_paying(believed, costs, scores, images) == 2
    # Six of the wins on one image, and six alone: 12 / sqrt(36 + 6) = 1.9.
    gathered = np.where(np.arange(32) < 12, 0, np.arange(32))
    assert count_paying(believed, costs, scores, gathered) == 1
    # Eight images could show at most sqrt(8) = 2.8, so nothing can be told.
    assert count_paying(believed, costs, scores, np.repeat(np.arange(8), 4)) == 3


def test_a_scale_between_two_that_pay_may_be_taken():
    scores = np.zeros((100, 3))
    scores[:30, 2] = 1
    believed, costs = np.tile([0.1, 0.2, 0.4], (100, 1)), np.tile(SCALES[:3], (100, 1))
    assert count_paying(believed, costs, scores, np.arange(100)) == 3


def test_flat_ladders_stay_cheap_at_any_budget():
    """Ladders like MMBench's, where every scale is right on two of three questions."""
    dear = 0
    for seed in range(40):
        believed, costs, scores = make_table([0.66] * 5, 400, seed)
        paying = count_paying(believed, costs, scores, np.arange(400))
        table = operating_table(believed, costs, scores, paying=paying)
        fresh = make_table([0.66] * 5, 400, 1000 + seed)[0]
        for budget in (1, 8, 36, 72, 144, 576):
            chosen = Price(table.lambda_for_budget(budget), paying=paying).choose(fresh, SCALES)
            dear += SCALES[chosen].mean() > 1.5
    assert dear == 0


def test_a_ladder_that_ends_flat_is_climbed_to_there():
    tables = [make_table([0.45, 0.66, 0.66, 0.66, 0.66], 400, seed) for seed in range(20)]
    counts = [count_paying(*table, np.arange(400)) for table in tables]
    # Each further step has to be shown by two standard errors only: luck may take one.
    assert min(counts) == 2 and np.mean(np.array(counts) == 2) >= 0.85


def test_less_has_to_be_shown_once_spending_pays():
    # 36 images: the second scale wins 16 of them, 4 standard errors; the third 6 more, 2.4.
    scores = np.zeros((36, 3))
    scores[:16, 1:] = 1
    scores[16:22, 2] = 1
    believed, costs = np.tile([0.1, 0.5, 0.6], (36, 1)), np.tile(SCALES[:3], (36, 1))
    assert count_paying(believed, costs, scores, np.arange(36)) == 3
    # The same six wins do not leave the cheapest scale.
    assert count_paying(believed[:, 1:], costs[:, 1:], scores[:, 1:], np.arange(36)) == 1


@pytest.mark.parametrize("seed", range(5))
def test_steep_ladders_are_climbed_to_the_top(seed):
    believed, costs, scores = make_table([0.5, 0.62, 0.75, 0.85, 0.95], 400, seed)
    assert count_paying(believed, costs, scores, np.arange(400)) == 5


def test_one_scale_pays():
    ones = np.ones((3, 1))
    assert count_paying(ones, ones, ones, np.arange(3)) == 1


def test_a_table_of_what_pays_keeps_the_largest_accuracy():
    believed, costs, scores = make_table([0.5, 0.7, 0.7], 400, 0)
    table = operating_table(believed, costs, scores, paying=2)
    assert max(table.costs) <= 9 and table.largest_accuracy == scores[:, 2].mean()
    assert type(table).from_dict(table.to_dict()) == table and table.paying == 2
    # A third scale that is believed in is not taken.
    chosen = Price(0.0, paying=2).choose(np.tile([0.1, 0.2, 0.9], (4, 1)), SCALES[:3])
    assert chosen.tolist() == [1] * 4
