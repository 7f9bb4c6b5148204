"""What a test split offers and how families share in it; no router is measured here.

Fixed scales, their hull, the oracles and the minimal scales describe the questions and the model.
The two functions that take runs of a router only count where its choices fell.
"""

from collections.abc import Sequence

import numpy as np

from labels.oracle import ORACLE_RULES, index_shares, minimal_correct, oracle_summary
from predictor.data import Results, TrainData
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, SeedRun
from predictor.evaluation.sections.curves import list_points
from predictor.routing_metrics.bootstrap import interval, mean_draws
from predictor.routing_metrics.gap import fixed_points, hull_points, oracle_at, random_mixing
from predictor.routing_metrics.regressions import non_monotone_share

POINTS = 61
"""Points on the oracle's curve."""


def describe_split(prepared: PreparedSplit) -> Results:
    """Describe what a test split offers, before any router: fixed scales, hull, oracles."""
    test = prepared.test
    tokens, accuracy = fixed_points(test.scores, test.tokens)  # [s], [s]
    drawn = mean_draws(prepared.resamples, np.asarray(test.scores, np.float64))  # [r, s]
    fixed = {}
    for k, scale in enumerate(test.scales):
        low, high = interval(drawn[:, k], prepared.settings.level)
        fixed[str(scale)] = {
            "accuracy": accuracy[k],
            "tokens": tokens[k],
            "accuracy_low": low,
            "accuracy_high": high,
        }
    minimal = minimal_correct(test.scores, wrong="drop")  # [n]
    mixed_tokens, mixed_accuracy = random_mixing(tokens, accuracy)
    at = np.geomspace(max(tokens.min(), 1e-9), tokens.max(), POINTS)
    return {
        "fixed": fixed,
        "hull": np.column_stack(hull_points(tokens, accuracy)),
        "random_mixing": list_points({"tokens": mixed_tokens, "accuracy": mixed_accuracy}),
        "oracle": {rule: oracle_summary(test.scores, test.tokens, rule) for rule in ORACLE_RULES},
        "oracle_curve": list_points(
            {"tokens": at, "accuracy": oracle_at(test.scores, test.tokens, at)}
        ),
        "minimal_share": index_shares(minimal, test.scales, never="never"),
        "non_monotone_share": non_monotone_share(test.scores),
    }


def families(test: TrainData, runs: Sequence[SeedRun], settings: EvaluationSettings) -> Results:
    """Measure every question family by itself: accuracy per scale, minimal scales, and routing.

    Args:
        test: the test split.
        runs: runs of the router, of which the choices at the headline budget count.
        settings: what is reported.
    """
    groups = np.asarray(test.groups).astype(str)
    minimal = minimal_correct(test.scores, wrong="drop")  # [n]
    described = {}
    for name in sorted(set(groups.tolist())):
        rows = np.flatnonzero(groups == name)
        _, accuracy = fixed_points(test.scores[rows], test.tokens[rows])
        picks = [run.at.chosen[rows, settings.headline_column] for run in runs]
        described[name] = {
            "n": len(rows),
            **{str(scale): accuracy[k] for k, scale in enumerate(test.scales)},
            "minimal_share": index_shares(minimal[rows], test.scales, never="never"),
            "routed": {
                "accuracy": np.mean([test.scores[rows, pick].mean() for pick in picks]),
                "tokens": np.mean([test.tokens[rows, pick].mean() for pick in picks]),
            },
        }
    return described


def histograms(test: TrainData, runs: Sequence[SeedRun], settings: EvaluationSettings) -> Results:
    """Count which scales the runs of a router chose at the headline budget, family by family."""
    groups = np.asarray(test.groups).astype(str)
    chosen = np.stack([run.at.chosen[:, settings.headline_column] for run in runs])  # [runs, n]
    return {
        name: index_shares(chosen[:, groups == name].ravel(), test.scales)
        for name in sorted(set(groups.tolist()))
    }
