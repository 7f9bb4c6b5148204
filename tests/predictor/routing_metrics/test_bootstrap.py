"""The bootstrap draws images, is seeded and paired, and agrees with the plain metrics."""

import time

import numpy as np
import pytest

from predictor.routing_metrics.bootstrap import (
    Resamples,
    choice_draws,
    draw_resamples,
    interval,
    mean_draws,
    only_once,
    oracle_draws,
)
from predictor.routing_metrics.gap import fixed_points, gap_closed, hull_at, oracle_at, oracle_steps
from predictor.routing_metrics.mixing import Mixture

SCALES = np.array([1.0, 9.0, 36.0])


@pytest.fixture
def table():
    """Make 60 questions on 20 images."""
    rng = np.random.default_rng(5)
    need = rng.integers(0, 4, 60)
    scores = (np.arange(3)[None] >= need[:, None]).astype(float)
    tokens = np.broadcast_to(SCALES, scores.shape)
    return scores, tokens, np.repeat([f"image {k}" for k in range(20)], 3)


def test_every_draw_holds_as_many_images_as_there_are(table):
    draws = draw_resamples(table[2], 50, seed=1)
    assert draws.weights.shape == (50, 20)
    assert (draws.weights.sum(axis=1) == 20).all()


def test_the_seed_decides_the_draws(table):
    first, again, other = (draw_resamples(table[2], 20, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.weights, again.weights)
    assert (first.weights != other.weights).any()


def test_questions_of_one_image_stay_together():
    # Image a holds two questions worth 1, image b one worth 0.
    draws = Resamples(np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]]), np.array([0, 0, 1]))
    means = mean_draws(draws, np.array([[1.0], [1.0], [0.0]]))
    np.testing.assert_allclose(means[:, 0], [4 / 4, 2 / 3, 0 / 2])


def test_a_draw_equals_the_metrics_on_the_repeated_rows(table):
    scores, tokens, images = table
    draws = draw_resamples(images, 7, seed=3)
    steps = oracle_steps(scores, tokens)
    chosen = np.random.default_rng(0).integers(0, 3, (60, 2))
    actual = choice_draws(draws, scores, tokens, Mixture.plain(chosen), steps)
    for row, weights in enumerate(draws.weights):
        rows = np.repeat(np.arange(60), weights[draws.image_of_row].astype(int))
        fixed = fixed_points(scores[rows], tokens[rows])
        for column in range(2):
            picks = chosen[rows, column]
            cost = tokens[rows, picks].mean()
            won = scores[rows, picks].mean()
            oracle = oracle_at(scores[rows], tokens[rows], cost)
            hull = hull_at(*fixed, np.array([cost]))
            assert actual.tokens[row, column] == pytest.approx(cost)
            assert actual.accuracy[row, column] == pytest.approx(won)
            assert actual.hull[row, column] == pytest.approx(hull[0])
            assert actual.oracle[row, column] == pytest.approx(oracle[0])
            expected = gap_closed(np.array([won]), hull, oracle)
            np.testing.assert_allclose(actual.ogc[row, column], expected[0])


def test_only_once_gives_the_point_estimates(table):
    scores, tokens, images = table
    steps = oracle_steps(scores, tokens)
    chosen = np.zeros((60, 1), int)
    actual = choice_draws(only_once(images), scores, tokens, Mixture.plain(chosen), steps)
    assert actual.tokens[0, 0] == 1
    assert actual.accuracy[0, 0] == pytest.approx(scores[:, 0].mean())
    assert actual.hull[0, 0] == pytest.approx(scores[:, 0].mean())


def test_pairing_cancels_what_two_choices_share(table):
    """Two equal choices differ by exactly 0 in every draw, however wide each interval is."""
    scores, tokens, images = table
    draws, steps = draw_resamples(images, 200), oracle_steps(scores, tokens)
    chosen = np.random.default_rng(0).integers(0, 3, (60, 1))
    twice = Mixture.plain(np.hstack((chosen, chosen)))
    actual = choice_draws(draws, scores, tokens, twice, steps)
    assert np.ptp(actual.accuracy[:, 0]) > 0.1
    np.testing.assert_array_equal(actual.accuracy[:, 0], actual.accuracy[:, 1])
    np.testing.assert_array_equal(actual.ogc[:, 0], actual.ogc[:, 1])


def test_oracle_draws_follow_a_budget_of_their_own(table):
    scores, tokens, images = table
    draws, steps = only_once(images), oracle_steps(scores, tokens)
    at = np.array([[1.0, 5.0, 36.0]])
    np.testing.assert_allclose(
        oracle_draws(draws, steps, at)[0], oracle_at(scores, tokens, [1.0, 5.0, 36.0])
    )


def test_intervals_are_wider_by_image_than_by_question():
    # Eight questions an image, all alike: there are 30 independent facts, not 240.
    values = np.repeat(np.random.default_rng(0).random(30) < 0.5, 8).astype(float)[:, None]
    by_image = mean_draws(draw_resamples(np.repeat(np.arange(30), 8), 400), values)
    by_question = mean_draws(draw_resamples(np.arange(240), 400), values)
    assert by_image.std() > 2 * by_question.std()


def test_interval_takes_percentiles_and_leaves_out_missing_draws():
    draws = np.append(np.arange(101.0), np.nan)
    assert interval(draws, 0.9) == pytest.approx((5.0, 95.0))
    assert all(np.isnan(interval(np.full(3, np.nan))))


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="needs questions and draws"):
        draw_resamples(np.array([]), 10)
    with pytest.raises(ValueError, match="needs questions and draws"):
        draw_resamples(np.array(["a"]), 0)
    with pytest.raises(ValueError, match="strictly between 0 and 1"):
        interval(np.zeros(3), 1.0)


def test_it_is_fast_enough_for_a_report():
    """A report's load: 2,500 questions, 1,000 draws, 54 choices; takes a twentieth of a second."""
    rng = np.random.default_rng(0)
    scores = (rng.random((2500, 5)) < 0.6).astype(float)
    tokens = np.broadcast_to(np.array([1.0, 9.0, 36.0, 144.0, 576.0]), scores.shape)
    chosen = rng.integers(0, 5, (2500, 54))
    start = time.process_time()
    draws = draw_resamples(np.arange(2500) // 8, 1000)
    choice_draws(draws, scores, tokens, Mixture.plain(chosen), oracle_steps(scores, tokens))
    assert time.process_time() - start < 5
