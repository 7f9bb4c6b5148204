import numpy as np
import pytest

from predictor.routing_metrics.headroom import measure_headroom

TOKENS = np.array([1.0, 9.0, 36.0, 144.0, 576.0])
N = 400
IMAGES = np.arange(5 * N) // 2


def audit(scores, chosen=None, repeats=None):
    tokens = np.tile(TOKENS, (len(scores), 1))
    return measure_headroom(scores, tokens, IMAGES[: len(scores)], chosen, repeats)


def needing(index):
    """Scores of questions that need the scale `index` [n] and are right from there on."""
    return (np.arange(5) >= np.asarray(index)[:, None]).astype(float)


def test_a_router_that_knows_the_need_makes_routing_worth_it():
    need = np.arange(N) % 5
    result = audit(needing(need), need)
    # A fifth needs each scale: 0.2, 0.4, ... 1 right, and (1 + 9 + 36 + 144 + 576) / 5 tokens.
    assert [point["accuracy"] for point in result["fixed"]] == pytest.approx(
        [0.2, 0.4, 0.6, 0.8, 1]
    )
    gained = result["attainable"]
    assert gained["tokens"] == pytest.approx(766 / 5)
    hull = 0.8 + 0.2 * (766 / 5 - 144) / (576 - 144)
    assert gained["gain"] == pytest.approx(1 - hull)
    assert gained["gain_low"] < gained["gain"] < gained["gain_high"]
    assert result["verdict"] == "worth"
    assert "a router gets 1.000 at 153 tokens per question" in result["sentence"]
    assert (result["always_right"], result["always_wrong"]) == (0.2, 0)
    assert result["non_monotone"] == 0


def test_a_router_that_gains_nothing_does_not():
    result = audit(needing(np.arange(N) % 5), np.full(N, 2))
    assert result["verdict"] == "small"
    assert result["attainable"]["gain"] == pytest.approx(0)
    assert result["sentence"].startswith("Not worth routing: on images")
    assert "; this router gets little of the oracle's " in result["sentence"]


def test_a_router_that_may_gain_needs_more_questions():
    # It finds three of ten that need more, and is wrong twice: a gain of a few questions of 100.
    need = np.where(np.arange(100) % 10 == 0, 4, 0)
    chosen = np.where(np.isin(np.arange(100), [0, 10, 20, 3, 4]), 4, 0)
    result = audit(needing(need), chosen)
    assert result["attainable"]["gain"] > 0 > result["attainable"]["gain_low"]
    assert result["verdict"] == "undecided"
    assert result["sentence"].endswith("; label more.")


def test_without_a_router_the_table_says_at_most_perhaps():
    result = audit(needing(np.arange(N) % 5))
    assert result["verdict"] == "possible"
    assert result["attainable"]["classes"] >= 3
    assert "features (m3scale features) or repeated runs" in result["sentence"]


def test_flat_ladder_is_not():
    result = audit(np.tile((np.arange(N) % 10 < 7).astype(float)[:, None], (1, 5)))
    assert result["verdict"] == "flat"
    assert "1 tokens (0.700) do what 1 do (0.700); always use the cheapest" in result["sentence"]
    assert max(point["headroom"] for point in result["headroom"]) == pytest.approx(0)


@pytest.mark.parametrize(
    ("right", "known"),
    [
        pytest.param((0.25,) * 5, 0.0, id="guesses"),
        pytest.param((0.25,) * 5, 0.5, id="guesses or sure"),
        pytest.param((0.40, 0.50, 0.57, 0.62, 0.65), 0.0, id="slope"),
        pytest.param((0.595, 0.631, 0.648, 0.664, 0.659), 0.0, id="gentle slope"),
    ],
)
def test_independent_outcomes_are_luck(right, known):
    # The same chance for all questions but those that are always right: nothing to choose by.
    random = np.random.default_rng(0)
    sure = np.arange(5 * N)[:, None] < known * 5 * N
    result = audit(((random.random((5 * N, 5)) < right) | sure).astype(float))
    headroom = [point["headroom"] for point in result["headroom"]]
    assert max(headroom) > 0.15
    assert result["attainable"]["gain"] == pytest.approx(0, abs=0.02)
    assert result["verdict"] == "luck"
    assert result["luck"]["gain"] == pytest.approx(max(headroom), abs=0.03)
    assert "are no more than luck alone gives" in result["sentence"]


def test_scales_that_complement_each_other_may_be_lucky_in_turn():
    small = np.arange(N) % 2 == 0
    result = audit(np.where(small[:, None], [1, 1, 1, 0, 0], [0, 0, 0, 1, 1]).astype(float))
    assert result["verdict"] == "unshown"
    assert "scales that are lucky in turn" in result["sentence"]


def test_of_partial_scores_asked_once_nothing_is_called_luck():
    small = np.arange(N) % 2 == 0
    scores = np.where(small[:, None], [0.9, 0.9, 0.9, 0.3, 0.3], [0.3, 0.3, 0.3, 0.9, 0.9])
    result = audit(scores)
    assert result["verdict"] == "unshown"
    assert "partial scores of questions asked once do not show how much of" in result["sentence"]
    # Asked again, they are the same: none of it is luck.
    again = audit(scores, repeats=np.repeat(scores[:, None], 3, axis=1))
    assert again["verdict"] == "possible"


def test_all_questions_need_the_same_scale():
    result = audit(needing(np.full(N, 3)))
    assert result["verdict"] == "alike"
    assert result["sentence"].startswith(
        "Not worth routing: choosing per question gains at most 0."
    )
    assert result["sentence"].endswith("even in hindsight, so always use 144 tokens.")


def test_few_images_are_no_verdict():
    result = audit(needing([0, 0, 4, 0]), np.array([0, 0, 4, 0]))
    assert result["verdict"] == "undecided"
    assert "4 questions on 2 images are too few" in result["sentence"]


def test_repeats_tell_scales_that_complement_each_other_from_luck():
    small = np.arange(N) % 2 == 0
    scores = np.where(small[:, None], [1, 1, 1, 0, 0], [0, 0, 0, 1, 1]).astype(float)
    result = audit(scores, repeats=np.tile(scores[:, None], (1, 2, 1)))
    assert result["verdict"] == "possible"
    assert "asked 2 times an oracle on estimated success probabilities" in result["sentence"]
    # Chosen by one repeat, right in the other: as good as hindsight.
    for point in result["headroom"]:
        assert point["cross_fitted"] == pytest.approx(point["oracle"], abs=0.01)
    random = np.random.default_rng(0)
    lucky = (random.random((N, 2, 5)) < 0.5).astype(float)
    result = audit(lucky[:, 0], repeats=lucky)
    assert result["verdict"] == "luck"
    assert result["sentence"].endswith(" points is luck.")
    assert max(point["headroom"] for point in result["headroom"]) > 0.3
    for point in result["headroom"]:
        assert point["cross_fitted"] == pytest.approx(0.5, abs=0.05)


def test_a_router_on_questions_with_repeats_is_measured_against_the_ceiling():
    need = np.arange(5 * N) % 5
    random = np.random.default_rng(0)
    turned = random.random((5 * N, 3, 5)) < 0.1
    repeats = (needing(need)[:, None].astype(bool) ^ turned).astype(float)
    result = audit(repeats[:, 0], need, repeats)
    assert result["verdict"] == "worth" and result["repeats"] == 3
    # It knows the need: it attains all that is attainable, and less than hindsight does.
    assert result["ceiling"]["ogc"] == pytest.approx(1, abs=0.1)
    assert result["ceiling"]["ogc_oracle"] < 0.85
