import math

import numpy as np
import pytest

from predictor.policy.risk_tests import (
    RiskTest,
    binomial_p_value,
    bounded_p_value,
    image_means,
    images_needed,
)


def test_image_means_count_an_image_once():
    # Image a: 1 of 2. Image b: 1 of 1.
    means = image_means(np.array([1.0, 0.0, 1.0]), np.array(["a", "a", "b"]))
    assert means.tolist() == [0.5, 1.0]


def test_the_binomial_tail_by_hand():
    # P(Bin(3, 0.2) <= 1) = 0.8^3 + 3 * 0.2 * 0.8^2
    assert binomial_p_value(1, 3, 0.2) == pytest.approx(0.512 + 0.384)
    assert binomial_p_value(0, 59, 0.05) == pytest.approx(0.95**59)
    assert binomial_p_value(3, 3, 0.2) == 1


def test_the_bet_by_hand():
    # A question an image spreads losses by 0.1 x 0.9; then sqrt(2 ln 10 / (n 0.09)).
    assert RiskTest(0.1, 0.1, 1000, 1000).bet == pytest.approx(math.sqrt(2 * math.log(10) / 90))
    # Four questions: 0.09 x (1/4 + 0.1 x 3/4).
    assert RiskTest(0.1, 0.1, 1000, 4000).bet == pytest.approx(
        math.sqrt(2 * math.log(10) / (90 * 0.325))
    )
    # Few images make bold, up to 0.95 of what could be lost.
    assert RiskTest(0.1, 0.1, 10, 40).bet == 0.95 / 0.9


def test_the_bold_bet_by_hand():
    # Largest bet 0.95 / (1 - 0.2): an image without loss multiplies the capital by 1 + 0.2 * that.
    factor = 1 + 0.2 * 0.95 / 0.8
    bet = 0.95 / 0.8
    assert bounded_p_value(np.zeros(5), 0.2, bet) == pytest.approx(factor**-5)
    # The first image loses all, and so does the bet; what was won before is kept in the maximum.
    assert bounded_p_value(np.array([1.0, 0.0]), 0.2, bet) == 1
    assert bounded_p_value(np.array([0.0, 1.0]), 0.2, bet) == pytest.approx(1 / factor)


def test_losses_at_the_bound_prove_nothing():
    assert bounded_p_value(np.full(1000, 0.05), 0.05, 1.0) == 1


def test_small_losses_prove_more_than_rare_whole_ones():
    """The same mean, spread over images or gathered in one."""
    spread, whole = np.full(200, 0.005), np.zeros(200)
    whole[100] = 1.0
    assert bounded_p_value(spread, 0.02, 0.9) < bounded_p_value(whole, 0.02, 0.9)


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_it_rejects_a_true_hypothesis_no_more_often_than_it_says(alpha):
    """Images of four questions that stand and fall together half of the time, mean just alpha."""
    rng = np.random.default_rng(0)
    actual = []
    for _ in range(400):
        alone = (rng.random((100, 4)) < alpha).mean(axis=1)
        together = (rng.random(100) < alpha).astype(float)
        losses = np.where(rng.random(100) < 0.5, alone, together)
        actual.append(RiskTest(alpha, 0.1, 100, 400).p_value(losses))
    # 400 draws of a rate of 0.1 exceed 0.14 once in 200.
    assert np.mean(np.array(actual) <= 0.1) <= 0.14


def test_one_question_an_image_gets_the_exact_tail():
    losses = np.array([1.0, 0.0, 0.0])
    assert RiskTest(0.2, 0.1, 3, 3).p_value(losses) == pytest.approx(0.896)
    several = RiskTest(0.2, 0.1, 3, 6)
    assert several.p_value(losses) == bounded_p_value(losses, 0.2, several.bet)


@pytest.mark.parametrize(
    ("alpha", "delta", "expected"), [(0.05, 0.05, 59), (0.01, 0.05, 299), (0.5, 0.5, 1)]
)
def test_images_needed_with_one_question_each(alpha, delta, expected):
    assert images_needed(alpha, delta, single=True) == expected
    assert expected >= math.log(delta) / math.log(1 - alpha) - 1e-9


@pytest.mark.parametrize(("alpha", "delta"), [(0.02, 0.1), (0.05, 0.05)])
def test_images_needed_is_where_a_lossless_split_passes(alpha, delta):
    needed = images_needed(alpha, delta, single=False)
    for images, enough in ((needed, True), (needed - 1, False)):
        test = RiskTest(alpha, delta, images, 4 * images)
        assert (test.p_value(np.zeros(images)) <= delta) is enough


@pytest.mark.parametrize("level", [(0.0, 0.1), (0.1, 1.0), (math.nan, 0.1)])
def test_levels_are_shares(level):
    with pytest.raises(ValueError, match="alpha and delta must lie strictly between 0 and 1"):
        images_needed(*level, single=True)


def test_a_level_that_no_split_can_meet_is_refused():
    with pytest.raises(ValueError, match="ask for a larger alpha"):
        images_needed(1e-9, 0.1, single=False)


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("alpha", [5e-324, 1e-300, 1e-17, 1e-7, 0.5, 1 - 1e-16])
@pytest.mark.parametrize("delta", [5e-324, 1e-300, 1e-17, 0.5, 1 - 1e-16])
def test_every_level_has_a_number_of_images_or_one_line(alpha, delta, single):
    if alpha < 1e-6 and delta < 0.9:
        with pytest.raises(ValueError, match="would need .* images; ask for a larger alpha"):
            images_needed(alpha, delta, single)
    elif alpha == 0.5 or alpha > 0.9:
        assert 0 <= images_needed(alpha, delta, single) <= 2000
