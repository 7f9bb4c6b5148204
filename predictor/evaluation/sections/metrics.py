"""Sections of results.json that other routing work has too: curve metrics, waste, calibration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from predictor.data import IntArray, TrainData
from predictor.evaluation.runs import Bench, SeedRun
from predictor.routing_metrics.gap import fixed_points
from predictor.routing_metrics.published import (
    average_gain,
    brier_score,
    calibration_error,
    call_threshold,
    dataset_gain,
    front_area,
    improvement_in_quality,
    quality_cost,
    reliability,
    token_regret,
)

Section = dict[str, Any]


def curve_metrics(bench: Bench, curve: Sequence[Mapping[str, float]]) -> Section:
    """Measure a curve as RouteLLM, RouterBench and MMR-Bench do.

    Args:
        bench: the prepared test split.
        curve: points with `tokens` and `accuracy`.

    Returns:
        `apgr`, `cpt_50`, `cpt_80`, `aiq`, `nauc` and `qnc`; the range of costs is that of the
        fixed scales.
    """
    tokens = np.array([point["tokens"] for point in curve])
    accuracy = np.array([point["accuracy"] for point in curve])
    costs, fixed = fixed_points(bench.test.scores, bench.test.tokens)
    ends, known = (float(costs[0]), float(costs[-1])), (float(fixed[0]), float(fixed[-1]))
    best = int(np.lexsort((costs, -fixed))[0])
    return {
        "apgr": average_gain(tokens, accuracy, ends, known),
        "cpt_50": call_threshold(tokens, accuracy, ends, known, 0.5),
        "cpt_80": call_threshold(tokens, accuracy, ends, known, 0.8),
        "aiq": improvement_in_quality(tokens, accuracy, ends),
        "nauc": front_area(tokens, accuracy, ends),
        "qnc": quality_cost(tokens, accuracy, (float(costs[best]), float(fixed[best]))),
    }


def describe_waste(test: TrainData, chosen: IntArray) -> Section:
    """Measure what choices wasted, and what knowing the family alone would have given.

    Args:
        test: the test split.
        chosen: index of the chosen scale, a column per training [n, q].

    Returns:
        Means over the columns of what `token_regret` and `dataset_gain` give.
    """
    columns = [
        {
            **token_regret(test.scores, test.tokens, column),
            **dataset_gain(test.scores, test.tokens, test.groups, column),
        }
        for column in chosen.T
    ]
    return {key: float(np.mean([found[key] for found in columns])) for key in columns[0]}


def describe_calibration(test: TrainData, runs: Sequence[SeedRun], raw: bool = False) -> Section:
    """Judge probabilities scale by scale.

    Args:
        test: the test split.
        runs: runs of a router; those without probabilities are left out.
        raw: whether to judge what it said before it was calibrated.

    Returns:
        Scale to `brier`, `ece` and `reliability`, over all runs; nothing without probabilities.
    """
    said = [run.raw if raw else run.probabilities for run in runs]
    beliefs = [belief for belief in said if belief is not None]
    if not beliefs:
        return {}
    found, scores = np.concatenate(beliefs), np.tile(test.scores, (len(beliefs), 1))
    return {
        str(scale): {
            "brier": brier_score(found[:, k], scores[:, k]),
            "ece": calibration_error(found[:, k], scores[:, k]),
            "reliability": reliability(found[:, k], scores[:, k], bins=10),
        }
        for k, scale in enumerate(test.scales)
    }
