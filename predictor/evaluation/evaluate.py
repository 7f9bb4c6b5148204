"""From choices on a test split to the numbers of a report.

Takes what methods chose (`SeedRun`) and gives dictionaries of numbers and arrays, which become
JSON when they are written; the report is drawn from them and from nothing else. It trains nothing
and picks no threshold: every choice arrives made, by no outcome of the test split (`sweeps.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import NamedTuple

import numpy as np

from labels.oracle import index_shares
from predictor.data import FloatArray, IntArray, Results
from predictor.evaluation.runs import EvaluationSettings, PreparedSplit, SeedRun
from predictor.evaluation.sections.costs import describe_costs
from predictor.evaluation.sections.curves import (
    list_points,
    measure_curve,
    measure_parity,
    measure_rates,
)
from predictor.evaluation.sections.metrics import (
    curve_metrics,
    describe_calibration,
    describe_waste,
)
from predictor.evaluation.sections.split import describe_split, families, histograms
from predictor.routing_metrics.bootstrap import ChoiceDraws, interval, mean_known
from predictor.routing_metrics.gap import find_cost
from predictor.routing_metrics.mixing import Mixture


def evaluate(prepared: PreparedSplit, runs: Mapping[str, Sequence[SeedRun]]) -> Results:
    """Measure everything that does not depend on files, timings or pictures.

    Args:
        prepared: the prepared test split, which knows what is reported.
        runs: method to its runs, one per seed; "router" is the one of the headline, "omniscient"
            the limit, the rest are baselines and controls.

    Returns:
        The sections of results.json; a number that does not exist is NaN or None.

    Raises:
        ValueError: if there is no "router" among the runs.
    """
    if not runs.get("router"):
        raise ValueError(f'expected runs of "router", got {sorted(runs)}')
    test, settings = prepared.test, prepared.settings
    columns = range(len(settings.targets))
    measured = {
        name: [_Measured.of(prepared, _join(of_name, column)) for column in columns]
        for name, of_name in runs.items()
    }
    closed = {name: at[settings.headline_column] for name, at in measured.items()}
    routers = {name: _describe_router(prepared, runs[name], measured[name]) for name in runs}
    others = {k: v for k, v in routers.items() if k not in ("router", "omniscient")}
    return {
        "scales": list(test.scales),
        "seeds": [run.seed for run in runs["router"]],
        **describe_split(prepared),
        "router": routers["router"],
        "omniscient": routers.get("omniscient"),
        "baselines": others,
        "controls": {name: _behind(settings, closed["router"], closed[name]) for name in others},
        "families": families(test, runs["router"], settings),
        "scale_histogram": histograms(test, runs["router"], settings),
        "calibration": describe_calibration(test, runs["router"]),
        "calibration_raw": describe_calibration(test, runs["router"], raw=True),
        "costs": describe_costs(prepared, runs),
        "headline": {
            **_headline(prepared, routers),
            **_share_of_limit(settings, closed),
            **_parity(prepared, runs["router"]),
        },
        "settings": {**asdict(settings), "always_wrong": "cheapest", "resampled": "images"},
    }


def _describe_router(
    prepared: PreparedSplit, runs: Sequence[SeedRun], measured: "Sequence[_Measured]"
) -> Results:
    targets = prepared.settings.targets
    curve = measure_curve(prepared, [run.curve for run in runs])
    points = list_points(
        {
            "lambda": np.mean([run.curve.lambdas for run in runs], axis=0),
            "target": runs[0].curve.budgets,
            "tokens": curve.cost,
            "accuracy": curve.accuracy,
            "regression_rate": curve.regression_rate,
            "rescue_rate": curve.rescue_rate,
        }
    )
    return {
        "curve": points,
        "at": {
            f"{target:g}": _at_target(prepared, runs, column, measured[column])
            for column, target in enumerate(targets)
        },
        "metrics": curve_metrics(prepared, curve.cost, curve.accuracy),
    }


def _at_target(
    prepared: PreparedSplit, runs: Sequence[SeedRun], column: int, measured: "_Measured"
) -> Results:
    """Measure a router that spends a budget exactly, over all seeds and one by one."""
    point = measured.point
    lost, won = _join(runs, column).average(
        partial(measure_rates, prepared.test.scores)
    )  # [seeds], [seeds]
    low, high = measured.interval
    accuracy_low, accuracy_high = measured.accuracy_interval
    solved = np.column_stack([run.at.chosen[:, column] for run in runs])  # [n, seeds]
    lambdas = [float(run.at.lambdas[column]) for run in runs]
    return {
        "target": prepared.settings.targets[column],
        "lambda": np.mean(lambdas),
        "solved": _describe_solved(prepared, solved),
        "tokens": point.tokens.mean(),
        "accuracy": point.accuracy.mean(),
        "accuracy_low": accuracy_low,
        "accuracy_high": accuracy_high,
        "hull": point.hull.mean(),
        "oracle": point.oracle.mean(),
        "ogc": measured.ogc,
        "ogc_low": low,
        "ogc_high": high,
        "regression_rate": lost.mean(),
        "rescue_rate": won.mean(),
        **describe_waste(prepared.test, solved),
        "histogram": index_shares(solved.ravel(), prepared.test.scales),
        "per_seed": [
            {
                "seed": run.seed,
                "lambda": lambdas[k],
                "tokens": point.tokens[0, k],
                "accuracy": point.accuracy[0, k],
                "ogc": point.ogc[0, k],
                "regression_rate": lost[k],
                "rescue_rate": won[k],
            }
            for k, run in enumerate(runs)
        ],
    }


def _join(runs: Sequence[SeedRun], column: int) -> Mixture:
    """Put what is compared at one of the budgets beside each other, a column per training."""
    return Mixture.join([run.compared.column(column) for run in runs])


def _describe_solved(prepared: PreparedSplit, chosen: IntArray) -> Results:
    """Measure choices [n, seeds] at the lambda that the calibration split solved for a budget."""
    point = prepared.points(Mixture.plain(chosen))
    lost, won = measure_rates(prepared.test.scores, chosen)
    return {
        "tokens": point.tokens.mean(),
        "accuracy": point.accuracy.mean(),
        "ogc": mean_known(point.ogc)[0],
        "regression_rate": lost.mean(),
        "rescue_rate": won.mean(),
    }


class _Measured(NamedTuple):
    """What a method attains at one of the budgets, over all its seeds.

    Attributes:
        point: on the split as it is [1, seeds].
        ogc: gap closed, mean over the seeds.
        draws: that mean in every resample, so that methods of different numbers of seeds can be
            paired [r].
        interval: of the gap closed, of the draws of all seeds.
        accuracy_interval: the same of the accuracy.
    """

    point: ChoiceDraws
    ogc: float
    draws: FloatArray
    interval: tuple[float, float]
    accuracy_interval: tuple[float, float]

    @classmethod
    def of(cls, prepared: PreparedSplit, chosen: Mixture) -> "_Measured":
        """Measure choices of one budget, a column per seed."""
        point, drawn = prepared.points(chosen), prepared.draws(chosen)
        level = prepared.settings.level
        return cls(
            point,
            float(mean_known(point.ogc)[0]),
            mean_known(drawn.ogc),
            interval(drawn.ogc, level),
            interval(drawn.accuracy, level),
        )


def _behind(settings: EvaluationSettings, router: _Measured, other: _Measured) -> Results:
    """Compare a method with the router at the headline budget, in the same resamples."""
    key = settings.headline_key
    low, high = interval(router.draws - other.draws, settings.level)
    return {
        key: other.ogc,
        f"{key}_low": other.interval[0],
        f"{key}_high": other.interval[1],
        "tokens": other.point.tokens.mean(),
        "accuracy": other.point.accuracy.mean(),
        "behind_router": router.ogc - other.ogc,
        "behind_router_low": low,
        "behind_router_high": high,
    }


def _headline(prepared: PreparedSplit, routers: Mapping[str, Results]) -> Results:
    target = f"{prepared.settings.headline:g}"
    key = prepared.settings.headline_key
    at = routers["router"]["at"][target]
    return {
        "n": len(prepared.test),
        "target": prepared.settings.headline,
        "share": prepared.settings.headline / prepared.test.tokens[:, -1].mean(),
        key: at["ogc"],
        f"{key}_low": at["ogc_low"],
        f"{key}_high": at["ogc_high"],
        "tokens": at["tokens"],
        "accuracy": at["accuracy"],
        "regression_rate": at["regression_rate"],
        "rescue_rate": at["rescue_rate"],
        "above_omniscient": _is_above(routers),
    }


def _share_of_limit(settings: EvaluationSettings, closed: Mapping[str, _Measured]) -> Results:
    """Measure how much of the limit's gap the router closes, both in the same resamples."""
    router, limit = closed["router"], closed.get("omniscient")
    # Of a limit that closes nothing there is no share; a NaN closes nothing either.
    if limit is None or not limit.ogc > 0:
        return {"of_omniscient": None}
    known = limit.draws > 0
    low, high = interval(router.draws[known] / limit.draws[known], settings.level)
    return {
        "of_omniscient": router.ogc / limit.ogc,
        "of_omniscient_low": low,
        "of_omniscient_high": high,
    }


def _is_above(routers: Mapping[str, Results]) -> bool:
    """Tell whether the router closes more of the gap than what is called its limit, anywhere."""
    if "omniscient" not in routers:
        return False
    limits = routers["omniscient"]["at"]
    points = routers["router"]["at"].items()
    # Never where one of them does not exist, NaN.
    return any(bool(point["ogc"] > limits[key]["ogc"]) for key, point in points)


def _parity(prepared: PreparedSplit, runs: Sequence[SeedRun]) -> Results:
    settings = prepared.settings
    curve = measure_curve(prepared, [run.curve for run in runs])
    parity = measure_parity(prepared, [run.parity for run in runs])
    # The draws of all seeds are pooled, so the intervals hold the spread between trainings too.
    tokens_low, tokens_high = interval(parity.cost_draws, settings.level)
    drop_low, drop_high = interval(parity.drop_draws, settings.level)
    point = {
        "parity_tokens": parity.cost,
        "parity_tokens_low": tokens_low,
        "parity_tokens_high": tokens_high,
        "parity_share": parity.share,
        "parity_accuracy": parity.accuracy,
        "parity_drop": parity.drop,
        "parity_drop_low": drop_low,
        "parity_drop_high": drop_high,
    }
    return {
        "accuracy_dearest": parity.largest,
        "parity_tokens_curve": find_cost(
            curve.cost, curve.accuracy, parity.largest - settings.parity_drop
        ),
        "parity_established": parity.established,
        **parity.tell(point),
    }
