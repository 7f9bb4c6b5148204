import math

import numpy as np
import pytest

from predictor.routing_metrics.published import dataset_gain, token_regret

# Right from 1 token, from 9, at 36 only, never.
SCORES = np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=float)
TOKENS = np.tile([1.0, 9.0, 36.0], (4, 1))


def test_token_regret_by_hand():
    # 9 where 1 is enough, 1 where 9 is needed, 36 where it is needed; the last does not count.
    measured = token_regret(SCORES, TOKENS, np.array([1, 0, 2, 2]))
    assert measured["token_regret"] == pytest.approx((8 - 8 + 0) / 3)
    assert (measured["over"], measured["under"]) == (pytest.approx(1 / 3), pytest.approx(1 / 3))


def test_token_regret_needs_a_question_that_can_be_answered():
    measured = token_regret(np.zeros((2, 3)), TOKENS[:2], np.array([0, 1]))
    assert all(math.isnan(value) for value in measured.values())


def test_dataset_oracle_by_hand():
    # Group a is all right at 9 tokens, and at 36 too: the cheaper. Group b: 36 is best.
    groups = np.array(["a", "a", "b", "b"])
    measured = dataset_gain(SCORES, TOKENS, groups, np.array([0, 1, 2, 0]))
    assert measured["dataset_oracle"] == 0.75
    assert measured["dataset_tokens"] == (9 + 9 + 36 + 36) / 4
    assert measured["dataset_gain"] == 0
    assert dataset_gain(SCORES, TOKENS, groups, np.zeros(4, int))["dataset_gain"] == -0.5
