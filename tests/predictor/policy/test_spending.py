"""A budget that is spent exactly, by a coin between two neighbouring behaviours."""

import numpy as np
import pytest

from predictor.policy.spending import spend

COSTS = np.tile([1.0, 9.0, 36.0], (4, 1))
# Steps: 9 tokens for the first two questions, then for the third; none is worth 36 but the last.
BELIEF = np.array([[0.1, 0.9, 0.9], [0.1, 0.9, 0.9], [0.1, 0.4, 0.4], [0.1, 0.1, 0.3]])


def test_two_neighbouring_behaviours_by_hand():
    mixed = spend(BELIEF, COSTS, [5.0, 6.0])
    # All at 1 token, then the first two at 9 (5 tokens), then three of them (7 tokens).
    assert mixed.first[:, 0].tolist() == [1, 1, 0, 0]
    assert (mixed.first[:, 1].tolist(), mixed.second[:, 1].tolist()) == ([1, 1, 0, 0], [1, 1, 1, 0])
    assert mixed.share.tolist() == [0, 0.5]
    assert mixed.pick(COSTS).mean(axis=0).tolist() == [5, 6]


def test_questions_that_are_alike_are_bought_in_part():
    """The first two come together, so between 1 and 5 tokens a coin decides for both."""
    mixed = spend(BELIEF, COSTS, [2.0])
    assert mixed.share.tolist() == [0.25]
    assert mixed.pick(COSTS)[:, 0].tolist() == [3, 3, 1, 1]


@pytest.mark.parametrize(("budget", "spent"), [(0.5, 1), (1, 1), (99, 15.75)])
def test_what_cannot_be_spent_is_left_over(budget, spent):
    mixed = spend(BELIEF, COSTS, [budget])
    assert mixed.pick(COSTS).mean() == pytest.approx(spent)


def test_scales_that_do_not_pay_are_not_taken():
    mixed = spend(BELIEF, COSTS, [99.0], paying=2)
    assert mixed.second[:, 0].tolist() == [1, 1, 1, 0]
    one = spend(BELIEF[:, :1], COSTS[:, :1], [1.0])
    assert one.pick(COSTS).tolist() == [[1]] * 4
