import numpy as np
import pytest

from labels.metrics.score import normalise_text
from labels.oracle import (
    DROPPED,
    granularity,
    index_shares,
    loss_ranking,
    minimal_correct,
    oracle_summary,
    pick_by_rules,
    reference_match,
    stable,
    summarise_picks,
    utility,
)

#                     right at: all   last only  lucky first  never   middle only
SCORES = np.array([[1, 1, 1], [0, 0, 1], [1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=float)

# Right everywhere; lucky at 1 token only; right from 9 on; never; soft, right from 9 on.
GRADED = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [0.4, 0.5, 0.9]])
TOKENS = np.broadcast_to(np.array([1.0, 9.0, 36.0]), (5, 3))


def test_minimal_correct_takes_the_first_right_scale():
    assert minimal_correct(SCORES).tolist() == [0, 2, 0, 0, 1]


def test_stable_wants_all_larger_scales_right():
    assert stable(SCORES).tolist() == [0, 2, 2, 0, 0]


@pytest.mark.parametrize(("wrong", "index"), [("cheapest", 0), ("largest", 2), ("drop", DROPPED)])
def test_always_wrong_convention(wrong, index):
    assert minimal_correct(SCORES, wrong=wrong).tolist() == [0, 2, 0, index, 1]
    assert stable(SCORES, wrong=wrong).tolist() == [0, 2, 2, index, index]


def test_a_score_of_a_half_is_right():
    assert minimal_correct(GRADED, wrong="drop").tolist() == [0, 0, 1, DROPPED, 1]
    assert stable(GRADED, wrong="drop").tolist() == [0, DROPPED, 1, DROPPED, 1]


def test_threshold_counts_as_right():
    soft = np.array([[0.3, 0.6, 0.9]])
    assert minimal_correct(soft, threshold=0.6).tolist() == [1]
    assert minimal_correct(soft, threshold=0.61).tolist() == [2]


@pytest.mark.parametrize("rule", [minimal_correct, stable])
def test_rules_refuse_bad_input(rule):
    with pytest.raises(ValueError, match="unknown always-wrong convention 'first'"):
        rule(SCORES, wrong="first")
    with pytest.raises(ValueError, match=r"expected scores \[n, s\]"):
        rule(SCORES[0])


def test_reference_match_takes_the_first_scale_that_agrees_with_the_largest():
    answers = np.array([["a", "b", "A."], ["a", "b", "c"], ["b", "c", "c"]], dtype=object)
    texts = np.vectorize(normalise_text, otypes=[object])(answers)
    assert reference_match(texts).tolist() == [0, 2, 1]


def test_utility_pays_for_tokens():
    scores, costs = np.array([[0.2, 0.5, 0.6], [0, 0, 0]]), np.array([1.0, 9, 36])
    assert utility(scores, costs, 0).tolist() == [2, 0]  # ties and always wrong: the cheapest
    # 0.2 - 0.01, 0.5 - 0.09, 0.6 - 0.36
    assert utility(scores, costs, 0.01).tolist() == [1, 0]
    assert utility(scores, costs, 1.0).tolist() == [0, 0]
    with pytest.raises(ValueError, match="a price of at least 0, got -1"):
        utility(scores, costs, -1)
    with pytest.raises(ValueError, match="one row per question"):
        utility(scores[0], costs, 0)


def test_loss_ranking_takes_the_most_likely_answer():
    losses, costs = np.array([[3.0, 1.0, 0.9], [1.0, 1.0, 1.0]]), np.array([1.0, 9, 36])
    assert loss_ranking(losses, costs).tolist() == [2, 0]
    assert loss_ranking(losses, costs, price=0.01).tolist() == [1, 0]  # 3.01, 1.09, 1.26
    with pytest.raises(ValueError, match="expected finite losses"):
        loss_ranking(losses * np.nan, costs)


def test_rules_are_summed_up():
    tokens = np.tile([1.0, 9.0, 36.0], (5, 1))
    answers = np.array([["x", "x", "x"]] * 5, dtype=object)
    picked = pick_by_rules(SCORES, tokens, answers, wrong="drop", price=0.1)
    assert tuple(picked) == ("minimal-correct", "stable", "reference-match", "utility")
    # Four kept at 1, 36, 1 and 9 tokens, all right.
    wanted = {"accuracy": 1.0, "tokens": 47 / 4, "kept": 0.8}
    assert summarise_picks(picked["minimal-correct"], SCORES, tokens) == wanted
    # The second question's 36 tokens cost 3.6 and are not worth it; the fifth's 9 cost 0.9.
    assert picked["utility"].tolist() == [0, 0, 0, 0, 1]
    nothing = {"accuracy": None, "tokens": None, "kept": 0.0}
    assert summarise_picks(np.array([DROPPED]), SCORES[:1], tokens) == nothing


def test_granularity_counts_the_smallest_right_scale():
    tokens = np.tile([1.0, 9.0, 36.0], (5, 1))
    actual = granularity(SCORES, tokens, (1, 9, 36))
    assert actual == {"1": 0.4, "9": 0.2, "36": 0.2, "never": 0.2, "tokens": 47 / 4}
    assert np.isnan(granularity(SCORES[3:4], tokens[:1], (1, 9, 36))["tokens"])


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="minimal-correct, stable"):
        oracle_summary(GRADED, TOKENS, "luckiest")


def test_oracle_summary_prices_always_wrong_three_ways():
    summary = oracle_summary(GRADED, TOKENS, "minimal-correct")
    assert summary["accuracy"] == pytest.approx((1 + 1 + 1 + 0 + 0.5) / 5)
    assert summary["tokens"] == pytest.approx((1 + 1 + 9 + 1 + 9) / 5)
    assert summary["tokens_dearest"] == pytest.approx((1 + 1 + 9 + 36 + 9) / 5)
    assert summary["tokens_drop"] == pytest.approx((1 + 1 + 9 + 9) / 4)
    assert summary["never"] == pytest.approx(1 / 5)


def test_the_stable_rule_sends_a_lucky_question_to_the_cheapest():
    summary = oracle_summary(GRADED, TOKENS, "stable")
    assert summary["never"] == pytest.approx(2 / 5)
    # The lucky one happens to be right at 1 token.
    assert summary["accuracy"] == pytest.approx((1 + 1 + 1 + 0 + 0.5) / 5)
    assert summary["tokens_dearest"] == pytest.approx((1 + 36 + 9 + 36 + 9) / 5)


def test_oracle_summary_without_any_right_answer():
    summary = oracle_summary(np.zeros((2, 3)), TOKENS[:2], "minimal-correct")
    assert np.isnan(summary["tokens_drop"])
    assert summary["tokens"] == 1 and summary["tokens_dearest"] == 36


def test_index_shares():
    index = np.array([0, 0, 1, DROPPED])
    assert index_shares(index, (1, 9, 36)) == {"1": 0.5, "9": 0.25, "36": 0.0}
    assert index_shares(index, (1, 9, 36), never="never")["never"] == 0.25
