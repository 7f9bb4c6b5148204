"""Curve metrics by hand, and against the published formulas written out another way."""

import math

import numpy as np
import pytest

from predictor.routing_metrics.published import (
    average_gain,
    call_threshold,
    front_area,
    improvement_in_quality,
    quality_cost,
    recovered_gain,
)

ENDS, FIXED = (0.0, 10.0), (0.5, 0.9)
TOKENS, ACCURACY = np.array([5.0, 2.0]), np.array([0.9, 0.6])


def test_pgr_by_hand():
    actual = recovered_gain(np.array([0.5, 0.6, 0.9, 1.0]), *FIXED)
    assert actual == pytest.approx([0, 0.25, 1, 1.25])
    assert np.isnan(recovered_gain(np.array([0.5]), 0.9, 0.9)).all()


def test_apgr_by_hand():
    # PGR 0, 1/4, 1, 1 at shares 0, 0.2, 0.5, 1: 0.2 x 1/8 + 0.3 x 5/8 + 0.5 x 1
    assert average_gain(TOKENS, ACCURACY, ENDS, FIXED) == pytest.approx(0.025 + 0.1875 + 0.5)


def test_a_coin_toss_has_an_apgr_of_one_half():
    line = np.linspace(0, 10, 7)
    assert average_gain(line, 0.5 + 0.04 * line, ENDS, FIXED) == pytest.approx(0.5)


def test_cpt_by_hand():
    # Half of the gap is reached a third of the way from 1/4 to 1, between shares 0.2 and 0.5.
    assert call_threshold(TOKENS, ACCURACY, ENDS, FIXED, 0.5) == pytest.approx(0.3)
    assert call_threshold(TOKENS, ACCURACY, ENDS, FIXED, 0.25) == pytest.approx(0.2)
    assert math.isnan(call_threshold(TOKENS, ACCURACY, ENDS, (0.9, 0.5), 0.5))


def test_aiq_by_hand():
    # The hull of (0, 0.5), (2, 0.6), (5, 0.9) leaves the middle out, and goes on flat to 10.
    tokens, accuracy = np.r_[0.0, TOKENS], np.r_[0.5, ACCURACY]
    assert improvement_in_quality(tokens, accuracy, ENDS) == pytest.approx((5 * 0.7 + 5 * 0.9) / 10)


def test_nauc_by_hand():
    # Stairs: 0.5 up to 2, 0.6 up to 5, 0.9 up to 10; a worse and larger point adds nothing.
    tokens, accuracy = np.r_[0.0, TOKENS, 7.0], np.r_[0.5, ACCURACY, 0.8]
    assert front_area(tokens, accuracy, ENDS) == pytest.approx((1.0 + 1.8 + 4.5) / 10)


def test_qnc_by_hand():
    assert quality_cost(TOKENS, ACCURACY, (10.0, 0.85)) == 0.5
    assert quality_cost(TOKENS, ACCURACY, (10.0, 0.95)) == math.inf


@pytest.fixture(scope="module")
def table():
    """Twelve questions, a weak and a strong arm, and how much a router wants the strong one."""
    rng = np.random.default_rng(0)
    weak, strong = rng.integers(0, 2, 12), np.r_[np.ones(10), 0, 0]
    return weak.astype(float), strong, rng.permutation(12) / 12


def test_apgr_and_cpt_are_routellms_on_a_table(table):
    """Its equations: PGR of every threshold, averaged over the share of calls; the least share."""
    weak, strong, wish = table
    shares, gains, accuracy = [], [], []
    for calls in range(13):
        sent = np.argsort(-wish)[:calls]
        routed = weak.copy()
        routed[sent] = strong[sent]
        shares.append(calls / 12)
        accuracy.append(routed.sum() / 12)
        gains.append((accuracy[-1] - weak.mean()) / (strong.mean() - weak.mean()))
    steps = range(12)
    area = sum((shares[k + 1] - shares[k]) * (gains[k] + gains[k + 1]) / 2 for k in steps)
    fixed = (weak.mean(), strong.mean())
    tokens, ends = 1 + 575 * np.array(shares), (1.0, 576.0)
    assert average_gain(tokens, accuracy, ends, fixed) == pytest.approx(area)
    for wanted in (0.5, 0.8):
        least = next(k for k in range(13) if gains[k] >= wanted)
        part = (wanted - gains[least - 1]) / (gains[least] - gains[least - 1])
        expected = shares[least - 1] + part / 12
        assert call_threshold(tokens, accuracy, ends, fixed, wanted) == pytest.approx(expected)


def test_aiq_is_routerbenchs_on_a_table():
    """Its definition: the best interpolation between any two points, integrated over the cost."""
    rng = np.random.default_rng(1)
    cost, quality = np.sort(rng.uniform(1, 500, 12)), rng.uniform(0.3, 0.9, 12)
    at = np.linspace(cost[0], 576, 20001)
    best = np.full(len(at), -np.inf)
    for i in range(12):
        best = np.maximum(best, np.where(at >= cost[i], quality[i], -np.inf))
        for j in range(i + 1, 12):
            line = quality[i] + (at - cost[i]) / (cost[j] - cost[i]) * (quality[j] - quality[i])
            best = np.maximum(best, np.where((at >= cost[i]) & (at <= cost[j]), line, -np.inf))
    expected = best.mean()
    actual = improvement_in_quality(cost, quality, (cost[0], 576.0))
    assert actual == pytest.approx(expected, abs=1e-4)
