import numpy as np
import pytest

from predictor.routing_metrics.headroom import measure_headroom

TOKENS = np.array([1.0, 9.0, 36.0, 144.0, 576.0])
N = 400
IMAGES = np.arange(5 * N) // 2


def audit(scores):
    return measure_headroom(scores, np.tile(TOKENS, (len(scores), 1)), IMAGES[: len(scores)])


def needing(index):
    """Scores of questions that need the scale `index` [n] and are right from there on."""
    return (np.arange(5) >= np.asarray(index)[:, None]).astype(float)


def test_useful_ladder_is_worth_routing():
    result = audit(needing(np.arange(N) % 5))
    # A fifth needs each scale: 0.2, 0.4, ... 1 right, and (1 + 9 + 36 + 144 + 576) / 5 tokens.
    assert [point["accuracy"] for point in result["fixed"]] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1]
    )
    stable = result["stable"]
    assert stable["tokens"] == pytest.approx(766 / 5)
    hull = 0.8 + 0.2 * (766 / 5 - 144) / (576 - 144)
    assert stable["gain"] == pytest.approx(1 - hull)
    assert stable["gain_low"] < stable["gain"] < stable["gain_high"]
    assert result["verdict"] == "worth"
    assert result["sentence"].startswith(
        "Worth routing: 153 tokens per question can keep the 1.000 of"
    )
    assert (result["always_right"], result["always_wrong"]) == (0.2, 0)
    assert result["non_monotone"] == 0


def test_flat_ladder_is_not():
    result = audit(np.tile((np.arange(N) % 10 < 7).astype(float)[:, None], (1, 5)))
    assert result["verdict"] == "flat"
    assert "1 tokens (0.700) do what 1 do (0.700); always use the cheapest" in result["sentence"]
    assert max(point["headroom"] for point in result["headroom"]) == pytest.approx(0)


@pytest.mark.parametrize("known", [0.0, 0.5])
def test_pure_luck_is_not(known):
    # Four options, guessed anew at every scale; the oracle gets 1 - 0.75^5 of what is not known.
    random = np.random.default_rng(0)
    guessed = random.random((5 * N, 5)) < 0.25  # many, as with few the verdict is open
    sure = np.arange(5 * N)[:, None] < known * 5 * N
    result = audit((guessed | sure).astype(float))
    assert result["oracle_accuracy"] == pytest.approx(1 - (1 - known) * 0.75**5, abs=0.05)
    assert max(point["headroom"] for point in result["headroom"]) > 0.15
    assert result["verdict"] == "luck"
    assert result["sentence"].startswith("Not worth routing: the oracle's ")


def test_all_questions_need_the_same_scale():
    result = audit(needing(np.full(N, 3)))
    assert result["verdict"] == "alike"
    assert "always use 144 tokens" in result["sentence"]


def test_few_questions_are_no_verdict():
    result = audit(needing([0, 0, 4, 0]))
    assert result["verdict"] == "undecided"
    assert "4 questions are too few" in result["sentence"]


def test_best_scale_need_not_be_the_largest():
    scores = needing(np.arange(N) % 2 * 3)
    scores[:40, 4] = 0  # 576 tokens lose a tenth again
    stable = audit(scores)["stable"]
    assert (stable["best"], stable["tokens"], stable["accuracy"]) == (3, 72.5, 1)
