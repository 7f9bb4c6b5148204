import numpy as np
import pytest

from labels.oracle import DROPPED, minimal_correct, stable

#                     right at: all   last only  lucky first  never   middle only
SCORES = np.array([[1, 1, 1], [0, 0, 1], [1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=float)


def test_minimal_correct_takes_the_first_right_scale():
    assert minimal_correct(SCORES).tolist() == [0, 2, 0, 0, 1]


def test_stable_wants_all_larger_scales_right():
    assert stable(SCORES).tolist() == [0, 2, 2, 0, 0]


@pytest.mark.parametrize(("wrong", "index"), [("cheapest", 0), ("dearest", 2), ("drop", DROPPED)])
def test_always_wrong_convention(wrong, index):
    assert minimal_correct(SCORES, wrong=wrong).tolist() == [0, 2, 0, index, 1]
    assert stable(SCORES, wrong=wrong).tolist() == [0, 2, 2, index, index]


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
