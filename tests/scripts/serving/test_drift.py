"""The distance of two histograms, worked out by hand."""

import math

import pytest

from scripts.serving.drift import ScaleDrift


def test_the_distance_is_the_share_that_would_have_to_move():
    drift = ScaleDrift({1: 0.5, 9: 0.3, 36: 0.2})
    assert math.isnan(drift.distance())
    for scale in (1, 1, 1, 1, 1, 9, 9, 9, 36, 36):
        drift.add(scale)
    assert drift.distance() == pytest.approx(0)
    # Ten more at a scale that calibration never chose: half of all answers.
    for _ in range(10):
        drift.add(576)
    assert drift.distance() == pytest.approx(0.5)


def test_only_the_last_answers_count():
    drift = ScaleDrift({1: 1.0}, window=4)
    for scale in (576,) * 9 + (1,) * 3:
        drift.add(scale)
    assert (len(drift), drift.distance()) == (4, 0.25)
