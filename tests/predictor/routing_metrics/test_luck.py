"""Latent classes: found where outcomes depend on each other, and not where they do not."""

import numpy as np
import pytest

from predictor.routing_metrics.ceiling import attainable
from predictor.routing_metrics.gap import oracle_at
from predictor.routing_metrics.luck import (
    Classes,
    climb,
    draw_outcomes,
    fit_classes,
    list_patterns,
    rise,
)

TOKENS = np.array([1.0, 9.0, 36.0])


def fit(outcomes, image_ids=None):
    patterns = list_patterns(outcomes, TOKENS)
    return fit_classes(patterns, np.arange(len(outcomes)) if image_ids is None else image_ids)


def test_patterns_are_the_different_rows():
    outcomes = np.array([[[1, 1, 0]], [[0, 0, 1]], [[1, 1, 0]]], float)
    patterns = list_patterns(outcomes, TOKENS)
    assert patterns.counts[patterns.owner].tolist() == outcomes[:, 0].tolist()
    assert patterns.tokens.tolist() == [TOKENS.tolist()] * 2
    assert sorted(patterns.shares) == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize(
    "outcomes", [np.zeros((2, 3)), np.full((2, 1, 3), 2.0), np.empty((0, 1, 3))]
)
def test_other_tables_are_refused(outcomes):
    with pytest.raises(ValueError, match=r"expected scores in \[0, 1\] of shape \[n, k, s\]"):
        list_patterns(outcomes, TOKENS)


def test_rise_gives_the_nearest_values_that_never_fall():
    assert rise(np.array([[0.3, 0.1, 0.2, 0.9], [0.1, 0.2, 0.3, 0.4]])).tolist() == [
        pytest.approx([0.2, 0.2, 0.2, 0.9]),
        pytest.approx([0.1, 0.2, 0.3, 0.4]),
    ]


def test_independent_outcomes_are_one_class():
    random = np.random.default_rng(0)
    right = np.array([0.4, 0.5, 0.65])
    outcomes = (random.random((2000, 1, 3)) < right).astype(float)
    found = fit(outcomes)
    assert found.share.tolist() == pytest.approx([1])
    assert found.right[0] == pytest.approx(right, abs=0.04)


def test_questions_that_are_copies_are_no_evidence():
    # Each of 100 questions eight times, as if the copies were other questions about its image.
    random = np.random.default_rng(0)
    outcomes = (random.random((100, 1, 3)) < [0.4, 0.5, 0.65]).astype(float)
    many = [random.integers(0, 2, (100, 1, 3)).astype(float) for _ in range(10)]
    for table in (outcomes, *many):
        assert len(fit(np.repeat(table, 8, axis=0), np.repeat(np.arange(100), 8)).share) == 1


def test_classes_are_found_again():
    truth = Classes(np.array([[0.9, 0.95, 0.95], [0.1, 0.2, 0.9]]), np.array([0.7, 0.3]))
    outcomes = draw_outcomes(truth, 4000, np.random.default_rng(0))[:, None]
    found = fit(outcomes)
    order = np.argsort(-found.share)
    assert found.share[order] == pytest.approx(truth.share, abs=0.06)
    assert found.right[order] == pytest.approx(truth.right, abs=0.08)
    # Each pattern belongs to the classes with shares that add up to one.
    patterns = list_patterns(outcomes, TOKENS)
    assert found.weigh(patterns).sum(axis=1) == pytest.approx(1)


def test_a_single_run_has_no_class_that_a_larger_scale_harms():
    # Half are right at the small scale alone, half at the large one alone.
    small = np.arange(1000) % 2 == 0
    outcomes = np.where(small[:, None], [1.0, 0.5, 0.0], [0.0, 0.5, 1.0])
    single = fit(outcomes[:, None])
    assert (np.diff(single.right, axis=1) >= 0).all()
    # Repeats show that it is so.
    repeated = fit(np.repeat(np.where(outcomes == 0.5, 1.0, outcomes)[:, None], 3, axis=1))
    assert sorted(repeated.right[:, 0]) == pytest.approx([0, 1], abs=0.01)


@pytest.mark.parametrize("rate", [0.05, 0.1])
def test_of_two_repeats_classes_rise_unless_outcomes_speak_for_others(rate):
    """Two of a scale do not show the probabilities of two classes that it alone tells apart."""
    tokens, at = np.array([1.0, 9.0, 36.0, 144.0, 576.0]), np.array([36.0, 72.0, 144.0])
    errors = []
    for seed in range(3):
        random = np.random.default_rng(seed)
        need = random.choice(6, (2000, 1), p=(0.53, 0.24, 0.12, 0.05, 0.05, 0.01))
        chances = np.where(np.arange(5) >= need, 1 - rate, rate)
        outcomes = (random.random((2000, 2, 5)) < chances[:, None]).astype(float)
        patterns = list_patterns(outcomes, tokens)
        found = fit_classes(patterns, np.arange(2000))
        assert found.rising and (np.diff(found.right, axis=1) >= 0).all()
        reached = attainable(found, patterns, patterns.shares, at)
        errors.append(reached - oracle_at(chances, tokens, at))
    # Free classes are wrong by up to 0.05 here.
    assert np.abs(errors).max() < 0.03
    assert np.abs(np.mean(errors, axis=0)).max() < 0.015


def test_two_repeats_show_classes_that_larger_scales_harm():
    random = np.random.default_rng(0)
    kind = random.random(2000) < 0.4
    chances = np.where(kind[:, None], [0.9, 0.8, 0.6], [0.2, 0.6, 0.9])
    outcomes = (random.random((2000, 2, 3)) < chances[:, None]).astype(float)
    found = fit(outcomes)
    assert not found.rising
    order = np.argsort(found.share)
    assert found.right[order] == pytest.approx(chances[[kind.argmax(), kind.argmin()]], abs=0.06)


def test_draws_are_fitted_one_by_one():
    truth = Classes(np.array([[0.9, 0.95, 0.95], [0.1, 0.2, 0.9]]), np.array([0.7, 0.3]))
    patterns = list_patterns(draw_outcomes(truth, 500, np.random.default_rng(1))[:, None], TOKENS)
    weights = np.random.default_rng(2).random((3, len(patterns.counts)))
    together = climb(patterns, truth, weights, 5, 0.0)
    for one, weight in zip(together, weights, strict=True):
        alone = climb(patterns, truth, weight, 5, 0.0)
        assert one.right == pytest.approx(alone.right)
        assert one.share == pytest.approx(alone.share)
