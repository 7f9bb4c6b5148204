"""The same comparison counted in visual tokens, FLOPs and milliseconds: section `costs`.

A choice that is cheap in tokens need not be cheap in time: below some scale a model is no faster.
So lambda is solved again in every unit, on the calibration split as always.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from predictor.data import TOKENS, UNITS, Results
from predictor.evaluation.runs import PreparedSplit, SeedRun, Sweep
from predictor.evaluation.sections.curves import list_points, measure_curve, measure_parity
from predictor.routing_metrics.bootstrap import interval, mean_draws
from predictor.routing_metrics.gap import fixed_points, hull_points, oracle_at, random_mixing

POINTS = 41
"""Points on the oracle's curve."""


def describe_costs(prepared: PreparedSplit, runs: Mapping[str, Sequence[SeedRun]]) -> Results:
    """Measure the router in every unit that is known: fixed scales, curves and parity.

    Args:
        prepared: the prepared test split.
        runs: method to its runs; "router" and, if there is one, "omniscient" are used.
    """
    units = [TOKENS, *runs["router"][0].others]
    return {unit: _describe_unit(prepared.in_unit(unit), runs, unit) for unit in units}


def _describe_unit(
    prepared: PreparedSplit, runs: Mapping[str, Sequence[SeedRun]], unit: str
) -> Results:
    test = prepared.test
    costs, accuracy = fixed_points(test.scores, test.tokens)  # [s], [s]
    at = np.geomspace(max(costs.min(), 1e-9), costs.max(), POINTS)
    mixed_costs, mixed_accuracy = random_mixing(costs, accuracy)
    router = [_pick(run, unit) for run in runs["router"]]
    limit = [_pick(run, unit)[0] for run in runs.get("omniscient", [])]
    return {
        "unit": UNITS[unit],
        "fixed": {
            str(scale): {"cost": costs[k], "accuracy": accuracy[k]}
            for k, scale in enumerate(test.scales)
        },
        "hull": np.column_stack(hull_points(costs, accuracy)),
        "oracle_curve": list_points(
            {"cost": at, "accuracy": oracle_at(test.scores, test.tokens, at)}
        ),
        "random_mixing": list_points({"cost": mixed_costs, "accuracy": mixed_accuracy}),
        "router": _describe_curve(prepared, [curve for curve, _ in router]),
        "omniscient": _describe_limit(prepared, limit) if limit else None,
        "parity": _describe_parity(prepared, [parity for _, parity in router]),
    }


def _pick(run: SeedRun, unit: str) -> tuple[Sweep, Sweep]:
    return (run.curve, run.parity) if unit == TOKENS else run.others[unit]


def _describe_curve(prepared: PreparedSplit, sweeps: Sequence[Sweep]) -> list[Results]:
    curve = measure_curve(prepared, sweeps)
    drawn = mean_draws(prepared.resamples, curve.scores)  # [r, q]
    ends = np.array([interval(column, prepared.settings.level) for column in drawn.T])  # [q, 2]
    return list_points(
        {
            "cost": curve.cost,
            "accuracy": curve.accuracy,
            "accuracy_low": ends[:, 0],
            "accuracy_high": ends[:, 1],
            "regression_rate": curve.regression_rate,
            "rescue_rate": curve.rescue_rate,
        }
    )


def _describe_limit(prepared: PreparedSplit, sweeps: Sequence[Sweep]) -> list[Results]:
    curve = measure_curve(prepared, sweeps)
    return list_points({"cost": curve.cost, "accuracy": curve.accuracy})


def _describe_parity(prepared: PreparedSplit, sweeps: Sequence[Sweep]) -> Results:
    parity = measure_parity(prepared, sweeps)
    # The draws of all seeds are pooled, as in the headline.
    low, high = interval(parity.cost_draws, prepared.settings.level)
    point = {
        "cost": parity.cost,
        "cost_low": low,
        "cost_high": high,
        "share": parity.share,
        "accuracy": parity.accuracy,
        "drop": parity.drop,
    }
    return {"established": parity.established, **parity.tell(point)}
