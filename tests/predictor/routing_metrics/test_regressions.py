"""Oracle rules, shares, regressions and luck on tables worked by hand."""

import numpy as np
import pytest

from predictor.routing_metrics.regressions import (
    NEVER,
    index_shares,
    luck_floor,
    minimal_index,
    non_monotone_share,
    oracle_summary,
    regressed,
    rescued,
)

# Right everywhere; lucky at 1 token only; right from 9 on; never; soft, right from 9 on.
SCORES = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [0.4, 0.5, 0.9]])
TOKENS = np.broadcast_to(np.array([1.0, 9.0, 36.0]), (5, 3))


def test_minimal_index():
    assert minimal_index(SCORES).tolist() == [0, 0, 1, NEVER, 1]
    assert minimal_index(SCORES, "stable").tolist() == [0, NEVER, 1, NEVER, 1]


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="minimal-correct, stable"):
        minimal_index(SCORES, "luckiest")


def test_oracle_summary_prices_always_wrong_three_ways():
    found = oracle_summary(SCORES, TOKENS, "minimal-correct")
    assert found["accuracy"] == pytest.approx((1 + 1 + 1 + 0 + 0.5) / 5)
    assert found["tokens"] == pytest.approx((1 + 1 + 9 + 1 + 9) / 5)
    assert found["tokens_dearest"] == pytest.approx((1 + 1 + 9 + 36 + 9) / 5)
    assert found["tokens_drop"] == pytest.approx((1 + 1 + 9 + 9) / 4)
    assert found["never"] == pytest.approx(1 / 5)


def test_the_stable_rule_sends_a_lucky_question_to_the_cheapest():
    found = oracle_summary(SCORES, TOKENS, "stable")
    assert found["never"] == pytest.approx(2 / 5)
    # The lucky one happens to be right at 1 token.
    assert found["accuracy"] == pytest.approx((1 + 1 + 1 + 0 + 0.5) / 5)
    assert found["tokens_dearest"] == pytest.approx((1 + 36 + 9 + 36 + 9) / 5)


def test_oracle_summary_without_any_right_answer():
    found = oracle_summary(np.zeros((2, 3)), TOKENS[:2], "minimal-correct")
    assert np.isnan(found["tokens_drop"])
    assert found["tokens"] == 1 and found["tokens_dearest"] == 36


def test_index_shares():
    index = np.array([0, 0, 1, NEVER])
    assert index_shares(index, (1, 9, 36)) == {"1": 0.5, "9": 0.25, "36": 0.0}
    assert index_shares(index, (1, 9, 36), never="never")["never"] == 0.25


def test_regressed_and_rescued():
    chosen = np.array([0, 0, 0, 2, 0])
    # Third: right at 36, wrong at 1. Fifth: right at 36 (.9), wrong at 1 (.4).
    assert regressed(SCORES, chosen).tolist() == [False, False, True, False, True]
    # Second: wrong at 36, right at 1.
    assert rescued(SCORES, chosen).tolist() == [False, True, False, False, False]


def test_non_monotone_share():
    # Only the lucky question is right somewhere and wrong at a larger scale.
    assert non_monotone_share(SCORES) == pytest.approx(1 / 5)


def test_luck_floor():
    # Two of four options twice: 1 - (3/4)^2 = 7/16; open answers: 0.
    assert luck_floor(np.array([0.25, 0.0]), 2) == pytest.approx(7 / 32)


@pytest.mark.parametrize("rates", [[-0.1], [1.5], [np.nan]])
def test_luck_floor_refuses_what_is_no_probability(rates):
    with pytest.raises(ValueError, match=r"guess rates in \[0, 1\]"):
        luck_floor(np.array(rates), 5)
