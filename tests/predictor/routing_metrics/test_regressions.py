"""Regressions, rescues and luck on tables worked by hand."""

import numpy as np
import pytest

from predictor.routing_metrics.regressions import (
    luck_floor,
    non_monotone_share,
    regressed,
    rescued,
)

# Right everywhere; lucky at 1 token only; right from 9 on; never; soft, right from 9 on.
SCORES = np.array([[1, 1, 1], [1, 0, 0], [0, 1, 1], [0, 0, 0], [0.4, 0.5, 0.9]])


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
