"""Sections of results.json that other routing work has too: curve metrics, waste, calibration."""

from collections.abc import Sequence

import numpy as np

from predictor.data import FloatArray, IntArray, Results, TrainData
from predictor.evaluation.runs import PreparedSplit, SeedRun
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


def curve_metrics(prepared: PreparedSplit, tokens: FloatArray, accuracy: FloatArray) -> Results:
    """Measure a curve as RouteLLM, RouterBench and MMR-Bench do.

    Args:
        prepared: the prepared test split.
        tokens: mean visual tokens at every budget of the curve [q].
        accuracy: mean score there [q].

    Returns:
        `apgr`, `cpt_50`, `cpt_80`, `aiq`, `nauc` and `qnc`; the range of costs is that of the
        fixed scales, and all are None where there is one.
    """
    fixed_tokens, fixed_accuracy = fixed_points(prepared.test.scores, prepared.test.tokens)
    # Cheapest and largest scale are the weak and the strong model of the published metrics.
    ends = (float(fixed_tokens[0]), float(fixed_tokens[-1]))
    if ends[0] == ends[1]:
        # One scale: there is no range of costs to measure over.
        return dict.fromkeys(("apgr", "cpt_50", "cpt_80", "aiq", "nauc", "qnc"))
    end_accuracy = (float(fixed_accuracy[0]), float(fixed_accuracy[-1]))
    best = int(np.lexsort((fixed_tokens, -fixed_accuracy))[0])  # ties go to the cheaper scale
    best_point = (float(fixed_tokens[best]), float(fixed_accuracy[best]))
    return {
        "apgr": average_gain(tokens, accuracy, ends, end_accuracy),
        "cpt_50": call_threshold(tokens, accuracy, ends, end_accuracy, 0.5),
        "cpt_80": call_threshold(tokens, accuracy, ends, end_accuracy, 0.8),
        "aiq": improvement_in_quality(tokens, accuracy, ends),
        "nauc": front_area(tokens, accuracy, ends),
        "qnc": quality_cost(tokens, accuracy, best_point),
    }


def describe_waste(test: TrainData, chosen: IntArray) -> Results:
    """Measure what choices wasted, and what knowing the family alone would have given.

    Args:
        test: the test split.
        chosen: index of the chosen scale, a column per training [n, q]; the mean of all is given.
    """
    measured = [
        {
            **token_regret(test.scores, test.tokens, column),
            **dataset_gain(test.scores, test.tokens, test.groups, column),
        }
        for column in chosen.T
    ]
    return {name: float(np.mean([one[name] for one in measured])) for name in measured[0]}


def describe_calibration(test: TrainData, runs: Sequence[SeedRun], raw: bool = False) -> Results:
    """Measure how well P(correct) agrees with the scores, scale by scale, over all runs.

    Args:
        test: the test split.
        runs: runs of a router; those without probabilities are left out.
        raw: whether to measure the probabilities before calibration.
    """
    of_runs = [run.raw if raw else run.probabilities for run in runs]
    known = [probabilities for probabilities in of_runs if probabilities is not None]
    if not known:
        return {}
    probabilities = np.concatenate(known)  # [runs * n, s]
    scores = np.tile(test.scores, (len(known), 1))  # [runs * n, s]
    return {
        str(scale): {
            "brier": brier_score(probabilities[:, k], scores[:, k]),
            "ece": calibration_error(probabilities[:, k], scores[:, k]),
            "reliability": reliability(probabilities[:, k], scores[:, k], bins=10),
        }
        for k, scale in enumerate(test.scales)
    }
