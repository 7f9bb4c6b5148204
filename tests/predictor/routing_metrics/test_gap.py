"""Every metric against a small table worked by hand; the oracle against brute force."""

import itertools

import numpy as np
import pytest

from predictor.routing_metrics.gap import (
    check_table,
    find_cost,
    fixed_points,
    gap_closed,
    hull_at,
    hull_points,
    oracle_at,
    oracle_steps,
    random_mixing,
)

SCALES = np.array([1.0, 9.0, 36.0])
# Right everywhere, right from 9 on, right at 36 only, never right.
SCORES = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=float)


def test_fixed_points_are_column_means():
    tokens, accuracy = fixed_points(SCORES, SCALES)
    assert tokens.tolist() == [1, 9, 36]
    assert accuracy.tolist() == [1 / 4, 2 / 4, 3 / 4]


def test_fixed_points_count_rows_by_weight():
    # Rows count 2, 1, 1, 0: right at 1 token are 2 of 4, at 9 tokens 3, at 36 all 4.
    _, accuracy = fixed_points(SCORES, SCALES, np.array([2.0, 1.0, 1.0, 0.0]))
    assert accuracy.tolist() == [2 / 4, 3 / 4, 4 / 4]


def test_hull_leaves_out_scales_below_a_chord_and_beyond_the_best():
    # From (1, .2) to (36, .6) the chord is at .2 + .4 * 8 / 35 = .291 at 9 tokens: .25 is below.
    # 144 and 576 are no better than 36.
    tokens, accuracy = hull_points(
        np.array([1.0, 9.0, 36.0, 144.0, 576.0]), np.array([0.2, 0.25, 0.6, 0.6, 0.55])
    )
    assert tokens.tolist() == [1, 36]
    assert accuracy.tolist() == [0.2, 0.6]


def test_hull_keeps_every_corner_of_a_concave_ladder():
    tokens, accuracy = hull_points(SCALES, np.array([0.1, 0.5, 0.6]))
    assert tokens.tolist() == [1, 9, 36]
    assert accuracy.tolist() == [0.1, 0.5, 0.6]


def test_hull_takes_the_better_of_two_scales_of_one_cost():
    tokens, accuracy = hull_points(np.array([1.0, 9.0, 9.0]), np.array([0.1, 0.3, 0.4]))
    assert tokens.tolist() == [1, 9]
    assert accuracy.tolist() == [0.1, 0.4]


def test_hull_at_mixes_two_scales():
    # Half way from 1 to 9 tokens: half of 0.1 and 0.5. Flat after 36, the cheapest below 1.
    at = hull_at(SCALES, np.array([0.1, 0.5, 0.6]), np.array([0.5, 1, 5, 9, 22.5, 36, 99]))
    np.testing.assert_allclose(at, [0.1, 0.1, 0.3, 0.5, 0.55, 0.6, 0.6])


def test_hull_at_agrees_with_the_corners_on_many_tables_at_once():
    rng = np.random.default_rng(0)
    tokens = np.sort(rng.uniform(1, 100, (20, 5)), axis=1)
    accuracy, at = rng.random((20, 5)), rng.uniform(1, 120, (20, 7))
    together = hull_at(tokens, accuracy, at)
    for row in range(20):
        corners = hull_points(tokens[row], accuracy[row])
        np.testing.assert_allclose(together[row], np.interp(at[row], *corners))


def test_random_mixing_joins_the_ends():
    tokens, accuracy = random_mixing(SCALES, np.array([0.1, 0.5, 0.6]), 3)
    # The geometric middle of 1 and 36 is 6: a share of 5 / 35 goes to the largest.
    np.testing.assert_allclose(tokens, [1, 6, 36])
    np.testing.assert_allclose(accuracy, [0.1, 0.1 + 0.5 * 5 / 35, 0.6])


def test_oracle_buys_the_best_gain_per_token_first():
    # Cheapest everywhere costs 1 and gets 1/4. The second question costs 8 more (2 a question),
    # the third 35 more (8.75 a question); the fourth is never worth anything.
    at = oracle_at(SCORES, SCALES, [1, 2, 3, 3 + 8.75 / 2, 3 + 8.75, 36])
    np.testing.assert_allclose(at, [1 / 4, 3 / 8, 2 / 4, 5 / 8, 3 / 4, 3 / 4])


def test_oracle_below_the_cheapest_cost_is_the_cheapest_choice():
    assert oracle_at(SCORES, SCALES, 0.5).tolist() == [1 / 4]


def test_oracle_skips_a_scale_below_the_questions_own_hull():
    # 9 tokens give .1 for 8, 36 give .9 for 35: the single step to 36 has the better ratio.
    steps = oracle_steps(np.array([[0.0, 0.1, 0.9]]), SCALES)
    assert steps.cost.tolist() == [35] and steps.gain.tolist() == [0.9]


def test_oracle_does_not_buy_a_larger_scale_that_is_worse():
    steps = oracle_steps(np.array([[1.0, 0.0, 1.0]]), SCALES)
    assert len(steps.cost) == 0
    assert oracle_at([[1.0, 0.0, 1.0]], SCALES, [1, 36]).tolist() == [1, 1]


def test_oracle_of_a_single_scale_is_that_scale():
    assert oracle_at([[1.0], [0.0]], [9.0], [9.0]).tolist() == [0.5]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("soft", [False, True])
def test_oracle_equals_brute_force(seed, soft):
    """All joint choices of 5 questions; their upper hull is what chance may mix."""
    rng = np.random.default_rng(seed)
    scores = rng.random((5, 3)) if soft else (rng.random((5, 3)) < 0.5).astype(float)
    tokens = SCALES if seed % 2 else np.sort(rng.uniform(1, 50, (5, 3)), axis=1)
    table = np.broadcast_to(tokens, scores.shape)
    choices = np.array(list(itertools.product(range(3), repeat=5)))
    rows = np.arange(5)
    cost = np.array([table[rows, choice].mean() for choice in choices])
    won = np.array([scores[rows, choice].mean() for choice in choices])
    corners = hull_points(cost, won)
    at = np.linspace(cost.min(), cost.max(), 40)
    accuracy = oracle_at(scores, tokens, at)
    np.testing.assert_allclose(accuracy, np.interp(at, *corners), atol=1e-12)
    # No plain choice within the cost beats it, and the best plain one is at most 1/n behind.
    plain = np.array([won[cost <= t + 1e-12].max() for t in at])
    assert np.all(plain <= accuracy + 1e-12)
    assert np.all(accuracy - plain <= 1 / 5 + 1e-12)


def test_oracle_never_falls_below_the_hull():
    rng = np.random.default_rng(3)
    scores = (rng.random((50, 3)) < 0.5).astype(float)
    at = np.linspace(1, 36, 30)
    tokens, accuracy = fixed_points(scores, SCALES)
    assert np.all(oracle_at(scores, SCALES, at) >= hull_at(tokens, accuracy, at) - 1e-12)


def test_gap_closed_is_a_share_of_the_gap_and_undefined_without_one():
    closed = gap_closed(
        np.array([0.6, 0.5, 0.8, 0.4, 0.5]),
        np.array([0.5, 0.5, 0.5, 0.5, 0.5]),
        np.array([0.7, 0.7, 0.8, 0.7, 0.5]),
    )
    np.testing.assert_allclose(closed, [0.5, 0, 1, -0.5, np.nan])


@pytest.mark.parametrize(
    ("scores", "tokens", "message"),
    [
        (np.zeros((0, 3)), SCALES, "at least one row"),
        (np.zeros(3), SCALES, "at least one row"),
        (SCORES, SCALES[:2], "tokens of shape"),
        (np.full((2, 3), np.nan), SCALES, "finite"),
    ],
)
def test_a_wrong_table_is_refused(scores, tokens, message):
    with pytest.raises(ValueError, match=message):
        check_table(scores, tokens)


def test_the_cost_of_an_accuracy_lies_between_two_points():
    accuracy, cost = np.array([0.5, 0.7, 0.6, 0.8]), np.array([1.0, 5.0, 9.0, 13.0])
    assert find_cost(cost, accuracy, 0.6) == pytest.approx(3)
    assert find_cost(cost, accuracy, 0.75) == pytest.approx(9 + 4 * 0.75)
    assert find_cost(cost, accuracy, 0.4) == 1
    assert find_cost(cost, accuracy, 0.9) is None
    assert find_cost(cost, accuracy, 0.8 + 1e-14) == 13
