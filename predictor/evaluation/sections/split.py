"""What a test split offers and how families share in it; no router is measured here.

Fixed scales, their hull, the oracles and the minimal scales describe the questions and the model.
The two functions that look at a router only count where its choices fell.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from labels.oracle import ORACLE_RULES, index_shares, minimal_correct, oracle_summary
from predictor.data import FloatArray, TrainData
from predictor.evaluation.runs import Bench, EvaluationSettings, SeedRun
from predictor.routing_metrics.bootstrap import interval, mean_draws
from predictor.routing_metrics.gap import fixed_points, hull_points, oracle_at, random_mixing
from predictor.routing_metrics.regressions import non_monotone_share

Section = dict[str, Any]


def describe_split(bench: Bench) -> Section:
    """Describe what a test split offers, before any router: fixed scales, hull, oracles.

    Args:
        bench: the prepared split.

    Returns:
        Sections `fixed`, `hull`, `random_mixing`, `oracle`, `oracle_curve`, `minimal_share` and
        `non_monotone_share`.
    """
    test = bench.test
    tokens, accuracy = fixed_points(test.scores, test.tokens)
    drawn = mean_draws(bench.resamples, np.asarray(test.scores, np.float64))
    fixed = {}
    for k, scale in enumerate(test.scales):
        low, high = interval(drawn[:, k], bench.settings.level)
        fixed[str(scale)] = {
            **{"accuracy": accuracy[k], "tokens": tokens[k]},
            **{"accuracy_low": low, "accuracy_high": high},
        }
    minimal = minimal_correct(test.scores, wrong="drop")
    at = np.geomspace(max(tokens.min(), 1e-9), tokens.max(), 61)
    return {
        "fixed": fixed,
        "hull": np.column_stack(hull_points(tokens, accuracy)),
        "random_mixing": _points(*random_mixing(tokens, accuracy)),
        "oracle": {rule: oracle_summary(test.scores, test.tokens, rule) for rule in ORACLE_RULES},
        "oracle_curve": _points(at, oracle_at(test.scores, test.tokens, at)),
        "minimal_share": index_shares(minimal, test.scales, never="never"),
        "non_monotone_share": non_monotone_share(test.scores),
    }


def families(test: TrainData, runs: Sequence[SeedRun], settings: EvaluationSettings) -> Section:
    """Measure every question family by itself.

    Args:
        test: the test split.
        runs: runs of the router.
        settings: what is reported; routing is shown at the headline budget.

    Returns:
        Family to its size, accuracy per scale, minimal scales, and what routing makes of it.
    """
    column = settings.targets.index(settings.headline)
    minimal, answers = minimal_correct(test.scores, wrong="drop"), {}
    for name in sorted(set(np.asarray(test.groups).astype(str).tolist())):
        rows = np.flatnonzero(np.asarray(test.groups).astype(str) == name)
        tokens, accuracy = fixed_points(test.scores[rows], test.tokens[rows])
        picks = [run.at.chosen[rows, column] for run in runs]
        answers[name] = {
            "n": len(rows),
            **{str(scale): accuracy[k] for k, scale in enumerate(test.scales)},
            "minimal_share": index_shares(minimal[rows], test.scales, never="never"),
            "routed": {
                "accuracy": np.mean([test.scores[rows, pick].mean() for pick in picks]),
                "tokens": np.mean([test.tokens[rows, pick].mean() for pick in picks]),
            },
        }
    return answers


def histograms(test: TrainData, runs: Sequence[SeedRun], settings: EvaluationSettings) -> Section:
    """Count which scales the router chose at the headline budget, family by family.

    Args:
        test: the test split.
        runs: runs of the router.
        settings: what is reported.

    Returns:
        Family to scale to share, averaged over the runs.
    """
    column = settings.targets.index(settings.headline)
    groups = np.asarray(test.groups).astype(str)
    chosen = np.stack([run.at.chosen[:, column] for run in runs])
    return {
        name: index_shares(chosen[:, groups == name].ravel(), test.scales)
        for name in sorted(set(groups.tolist()))
    }


def _points(tokens: FloatArray, accuracy: FloatArray) -> list[Section]:
    return [{"tokens": t, "accuracy": a} for t, a in zip(tokens, accuracy, strict=True)]
