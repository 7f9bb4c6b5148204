"""Four questions, how sure the model was of each answer, and what going up costs."""

from dataclasses import replace

import numpy as np
import pytest

from predictor.data import TrainData
from predictor.evaluation.sections.cascade import describe_cascade, run_cascade, solve_threshold

TOKENS = np.tile([1.0, 9.0, 36.0], (4, 1))
SURE = np.array([[-0.1, -0.1, -0.1], [-2.0, -0.1, -0.1], [-2.0, -2.0, -0.1], [-2.0, -2.0, -2.0]])


@pytest.fixture
def data():
    return TrainData(
        sample_ids=np.array(list("abcd")),
        image_ids=np.array(list("abcd")),
        groups=np.array(["g"] * 4),
        coarse=np.zeros((4, 2, 1)),
        question=np.zeros((4, 1)),
        scores=np.array([[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]], dtype=float),
        tokens=TOKENS,
        scales=(1, 9, 36),
        confidence=SURE,
    )


def test_every_scale_that_ran_is_paid():
    last, paid = run_cascade(SURE, TOKENS, -1.0)
    assert last.tolist() == [0, 1, 2, 2]
    assert paid.tolist() == [1, 10, 46, 46]


def test_the_threshold_meets_the_budget():
    # Sure from -2 on: all stop at 1 token. From -0.1 on: (1 + 10 + 46 + 46) / 4 = 25.75.
    assert solve_threshold(SURE, TOKENS, 25.75) == -0.1
    assert solve_threshold(SURE, TOKENS, 25.0) == -2.0
    assert solve_threshold(SURE, TOKENS, 0.5) == -np.inf


def test_the_section_by_hand(data):
    actual = describe_cascade(data, data, (25.75,))["at"]["25.75"]
    assert (actual["tokens"], actual["accuracy"]) == (25.75, 0.75)
    assert actual["tokens_p95"] == 46
    assert actual["ogc"] == pytest.approx(1)  # the oracle has 3/4 there as well


def test_thresholds_come_from_the_calibration_split(data):
    unsure = replace(data, confidence=SURE - 5)
    section = describe_cascade(data, unsure, (25.75,))
    # The last point of the curve is the budget of a run of all scales: 46 tokens.
    assert section["curve"][-1]["tokens"] == 46
    assert [point["tokens"] for point in section["curve"]] == [46] * 25
    assert section["at"]["25.75"]["threshold"] == -0.1


def test_it_is_compared_at_exactly_the_budget(data):
    """From 1 token for all, 1/4 right, to 25.75 tokens, 3/4 right."""
    actual = describe_cascade(data, data, (10.0,))["at"]["10"]
    assert actual["tokens"] == 10
    assert actual["accuracy"] == pytest.approx(0.25 + 0.5 * 9 / 24.75)


def test_without_confidence_there_is_no_cascade(data):
    assert describe_cascade(data, replace(data, confidence=None), (9.0,)) is None
