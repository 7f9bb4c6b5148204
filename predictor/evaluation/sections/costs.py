"""The same comparison counted in visual tokens, FLOPs and milliseconds: section `costs`.

A choice that is cheap in tokens need not be cheap in time: below some scale a model is no faster.
So lambda is solved anew in every unit, on the calibration split as always.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from predictor.data import TOKENS, UNITS, FloatArray, IntArray, TrainData
from predictor.evaluation.runs import EvaluationSettings, SeedRun, Sweep
from predictor.routing_metrics.bootstrap import Resamples, draw_resamples, interval, mean_draws
from predictor.routing_metrics.gap import fixed_points, hull_points, oracle_at, random_mixing
from predictor.routing_metrics.regressions import regressed, rescued

Section = dict[str, Any]


POINTS = 41
"""Points on the oracle's curve."""


def describe_costs(
    test: TrainData, runs: Mapping[str, Sequence[SeedRun]], settings: EvaluationSettings
) -> Section:
    """Measure the router in every unit that is known.

    Args:
        test: the test split.
        runs: router name to its runs; "router" and, if there is one, "omniscient" are shown.
        settings: what is reported.

    Returns:
        Unit to its fixed scales, curves and parity.
    """
    draws = draw_resamples(test.image_ids, settings.n_resamples, settings.seed)
    units = [TOKENS, *runs["router"][0].others]
    return {unit: _describe_unit(test, runs, unit, (settings, draws)) for unit in units}


def _describe_unit(
    test: TrainData,
    runs: Mapping[str, Sequence[SeedRun]],
    unit: str,
    measured: tuple[EvaluationSettings, Resamples],
) -> Section:
    priced = replace(test, tokens=test.cost(unit), costs={})
    costs, accuracy = fixed_points(priced.scores, priced.tokens)
    at = np.geomspace(max(costs.min(), 1e-9), costs.max(), POINTS)
    limit = [_pick(run, unit)[0] for run in runs.get("omniscient", [])]
    return {
        "unit": UNITS[unit],
        "fixed": {
            str(scale): {"cost": costs[k], "accuracy": accuracy[k]}
            for k, scale in enumerate(test.scales)
        },
        "hull": np.column_stack(hull_points(costs, accuracy)),
        "oracle_curve": _points(at, oracle_at(priced.scores, priced.tokens, at)),
        "random_mixing": _points(*random_mixing(costs, accuracy)),
        "router": _curve(priced, [_pick(run, unit)[0] for run in runs["router"]], measured),
        "omniscient": _curve(priced, limit, None) if limit else None,
        "parity": _parity(priced, [_pick(run, unit)[1] for run in runs["router"]], measured),
    }


def _pick(run: SeedRun, unit: str) -> tuple[Sweep, Sweep]:
    return (run.curve, run.parity) if unit == TOKENS else run.others[unit]


def _points(costs: FloatArray, accuracy: FloatArray) -> list[Section]:
    return [{"cost": c, "accuracy": a} for c, a in zip(costs, accuracy, strict=True)]


def _mean(table: FloatArray, sweeps: Sequence[Sweep]) -> FloatArray:
    """Give what each question got [n, q], averaged over the trainings."""
    picked = [np.take_along_axis(table, sweep.chosen, axis=1) for sweep in sweeps]
    return np.asarray(np.mean(picked, axis=0), np.float64)


def _rates(scores: FloatArray, chosen: IntArray) -> tuple[FloatArray, FloatArray]:
    columns = range(chosen.shape[1])
    lost = [regressed(scores, chosen[:, k]).mean() for k in columns]
    return np.array(lost), np.array([rescued(scores, chosen[:, k]).mean() for k in columns])


def _curve(
    priced: TrainData,
    sweeps: Sequence[Sweep],
    measured: tuple[EvaluationSettings, Resamples] | None,
) -> list[Section]:
    costs, right = _mean(priced.tokens, sweeps), _mean(priced.scores, sweeps)
    points = _points(costs.mean(axis=0), right.mean(axis=0))
    if measured is None:
        return points
    settings, draws = measured
    drawn = mean_draws(draws, right)
    rates = np.mean([_rates(priced.scores, sweep.chosen) for sweep in sweeps], axis=0)
    for k, point in enumerate(points):
        low, high = interval(drawn[:, k], settings.level)
        point.update(accuracy_low=low, accuracy_high=high)
        point.update(regression_rate=rates[0, k], rescue_rate=rates[1, k])
    return points


def _parity(
    priced: TrainData,
    sweeps: Sequence[Sweep],
    measured: tuple[EvaluationSettings, Resamples],
) -> Section:
    """Measure the point that the calibration split calls as good as the largest scale."""
    settings, draws = measured
    costs, right = _mean(priced.tokens, sweeps), _mean(priced.scores, sweeps)
    low, high = interval(mean_draws(draws, costs), settings.level)
    largest, accuracy = float(priced.tokens[:, -1].mean()), float(right.mean())
    return {
        "cost": costs.mean(),
        "cost_low": low,
        "cost_high": high,
        "share": costs.mean() / largest,
        "accuracy": accuracy,
        "drop": float(priced.scores[:, -1].mean()) - accuracy,
    }
