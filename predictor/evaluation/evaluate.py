"""From choices on a test split to the numbers of a report.

Takes what routers chose (`SeedRun`) and gives plain dictionaries ready for JSON; the report is
drawn from them and from nothing else. It trains nothing and picks no threshold: every choice
arrives made, with its lambda solved elsewhere on the calibration split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from labels.oracle import index_shares
from m3_backbone.files import plain
from predictor.data import FloatArray, IntArray, TrainData
from predictor.evaluation.runs import Bench, EvaluationSettings, SeedRun
from predictor.evaluation.sections.costs import describe_costs
from predictor.evaluation.sections.metrics import (
    curve_metrics,
    describe_calibration,
    describe_waste,
)
from predictor.evaluation.sections.split import describe_split, families, histograms
from predictor.routing_metrics.bootstrap import interval, mean_draws
from predictor.routing_metrics.regressions import regressed, rescued

Section = dict[str, Any]


def evaluate(
    test: TrainData, runs: Mapping[str, Sequence[SeedRun]], settings: EvaluationSettings
) -> Section:
    """Make the results that do not depend on files, timings or pictures.

    Args:
        test: the test split.
        runs: router name to its runs, one a seed; "router" is the one of the headline, "omniscient"
            the limit, the rest are baselines and controls.
        settings: what is reported.

    Returns:
        The sections of results.json; a number that does not exist is None.

    Raises:
        ValueError: if there is no "router" among the runs.
    """
    if not runs.get("router"):
        raise ValueError(f'expected runs of "router", got {sorted(runs)}')
    bench = Bench.prepare(test, settings)
    routers = {name: _router(bench, of_name) for name, of_name in runs.items()}
    others = {k: v for k, v in routers.items() if k not in ("router", "omniscient")}
    results = {
        "scales": list(test.scales),
        "seeds": [run.seed for run in runs["router"]],
        **describe_split(bench),
        "router": routers["router"],
        "omniscient": routers.get("omniscient"),
        "baselines": others,
        "controls": _controls(bench, {name: runs[name] for name in ("router", *others)}),
        "families": families(test, runs["router"], settings),
        "scale_histogram": histograms(test, runs["router"], settings),
        "calibration": describe_calibration(test, runs["router"]),
        "calibration_raw": describe_calibration(test, runs["router"], raw=True),
        "costs": describe_costs(test, runs, settings),
        "headline": _headline(bench, runs["router"], routers),
        "settings": _settings(settings),
    }
    plain_results: Section = plain(results)
    return plain_results


def _rates(bench: Bench, chosen: IntArray) -> tuple[FloatArray, FloatArray]:
    """Return regression and rescue rates of choices [n, q], each [q]."""
    columns = range(chosen.shape[1])
    lost = [regressed(bench.test.scores, chosen[:, k]).mean() for k in columns]
    won = [rescued(bench.test.scores, chosen[:, k]).mean() for k in columns]
    return np.array(lost), np.array(won)


def _router(bench: Bench, runs: Sequence[SeedRun]) -> Section:
    at = [_at(bench, runs, column) for column in range(len(bench.settings.targets))]
    names = [f"{target:g}" for target in bench.settings.targets]
    curve = _curve(bench, runs)
    metrics = curve_metrics(bench, curve)
    return {"curve": curve, "at": dict(zip(names, at, strict=True)), "metrics": metrics}


def _curve(bench: Bench, runs: Sequence[SeedRun]) -> list[Section]:
    """Average the runs' sweeps budget by budget, not lambda by lambda: budgets mean the same."""
    points = [bench.points(run.curve.chosen) for run in runs]
    rates = [_rates(bench, run.curve.chosen) for run in runs]
    columns = {
        "lambda": np.mean([run.curve.lambdas for run in runs], axis=0),
        "target": np.asarray(runs[0].curve.budgets),
        "tokens": np.mean([p.tokens[0] for p in points], axis=0),
        "accuracy": np.mean([p.accuracy[0] for p in points], axis=0),
        "regression_rate": np.mean([lost for lost, _ in rates], axis=0),
        "rescue_rate": np.mean([won for _, won in rates], axis=0),
    }
    count = len(runs[0].curve.budgets)
    return [{key: values[k] for key, values in columns.items()} for k in range(count)]


def _at(bench: Bench, runs: Sequence[SeedRun], column: int) -> Section:
    chosen = np.column_stack([run.at.chosen[:, column] for run in runs])
    point, drawn = bench.points(chosen), bench.draws(chosen)
    lost, won = _rates(bench, chosen)
    low, high = interval(drawn.ogc, bench.settings.level)
    accuracy_low, accuracy_high = interval(drawn.accuracy, bench.settings.level)
    lambdas = [float(run.at.lambdas[column]) for run in runs]
    return {
        "target": bench.settings.targets[column],
        "lambda": np.mean(lambdas),
        "tokens": point.tokens.mean(),
        "accuracy": point.accuracy.mean(),
        "accuracy_low": accuracy_low,
        "accuracy_high": accuracy_high,
        "hull": point.hull.mean(),
        "oracle": point.oracle.mean(),
        "ogc": _mean_known(point.ogc)[0],
        "ogc_low": low,
        "ogc_high": high,
        "regression_rate": lost.mean(),
        "rescue_rate": won.mean(),
        **describe_waste(bench.test, chosen),
        "histogram": index_shares(chosen.ravel(), bench.test.scales),
        "per_seed": [
            {
                **{"seed": run.seed, "lambda": lambdas[k], "tokens": point.tokens[0, k]},
                **{"accuracy": point.accuracy[0, k], "ogc": point.ogc[0, k]},
                **{"regression_rate": lost[k], "rescue_rate": won[k]},
            }
            for k, run in enumerate(runs)
        ],
    }


def _mean_known(draws: FloatArray) -> FloatArray:
    """Average draws [r, q] over q, leaving out what does not exist; NaN where nothing does."""
    known = np.isfinite(draws)
    count = known.sum(axis=1)
    total = np.where(known, draws, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _controls(bench: Bench, runs: Mapping[str, Sequence[SeedRun]]) -> Section:
    """Compare every other router with ours at the headline budget, in the same resamples."""
    column = bench.settings.targets.index(bench.settings.headline)
    chosen = {
        name: np.column_stack([run.at.chosen[:, column] for run in of_name])
        for name, of_name in runs.items()
    }
    ours = chosen.pop("router")
    # Mean over seeds first, so that routers with different numbers of seeds can be paired.
    own = _mean_known(bench.points(ours).ogc)[0], _mean_known(bench.draws(ours).ogc)
    return {name: _control(bench, own, theirs) for name, theirs in chosen.items()}


def _control(bench: Bench, own: tuple[float, FloatArray], theirs: IntArray) -> Section:
    settings, key = bench.settings, f"ogc_{bench.settings.headline:g}"
    point, drawn = bench.points(theirs), bench.draws(theirs)
    behind = own[1] - _mean_known(drawn.ogc)
    mean, (low, high) = _mean_known(point.ogc)[0], interval(drawn.ogc, settings.level)
    behind_low, behind_high = interval(behind, settings.level)
    return {
        **{key: mean, f"{key}_low": low, f"{key}_high": high},
        **{"tokens": point.tokens.mean(), "accuracy": point.accuracy.mean()},
        "behind_router": own[0] - mean,
        **{"behind_router_low": behind_low, "behind_router_high": behind_high},
    }


def _headline(bench: Bench, runs: Sequence[SeedRun], routers: Mapping[str, Section]) -> Section:
    settings, router = bench.settings, routers["router"]
    at, limit = (
        routers[name]["at"][f"{settings.headline:g}"] if name in routers else {}
        for name in ("router", "omniscient")
    )
    key = f"ogc_{settings.headline:g}"
    return {
        "n": len(bench.test),
        "target": settings.headline,
        **{key: at["ogc"], f"{key}_low": at["ogc_low"], f"{key}_high": at["ogc_high"]},
        **{name: at[name] for name in ("tokens", "accuracy", "regression_rate", "rescue_rate")},
        "of_omniscient": at["ogc"] / limit["ogc"] if limit.get("ogc") else None,
        **_parity(bench, runs, router["curve"]),
    }


def _parity(bench: Bench, runs: Sequence[SeedRun], curve: Sequence[Section]) -> Section:
    """Measure the point that the calibration split calls as good as the largest scale."""
    chosen = np.column_stack([run.parity.chosen[:, 0] for run in runs])
    point, drawn = bench.points(chosen), bench.draws(chosen)
    largest = np.asarray(bench.test.scores, np.float64)[:, -1:]
    best, most = float(largest.mean()), float(np.mean(bench.test.tokens[:, -1]))
    drop = mean_draws(bench.resamples, largest) - drawn.accuracy
    low, high = interval(drop, bench.settings.level)
    tokens_low, tokens_high = interval(drawn.tokens, bench.settings.level)
    enough = best - bench.settings.parity_drop - 1e-12
    return {
        "accuracy_dearest": best,
        "parity_tokens": point.tokens.mean(),
        "parity_tokens_low": tokens_low,
        "parity_tokens_high": tokens_high,
        "parity_share": point.tokens.mean() / most,
        "parity_accuracy": point.accuracy.mean(),
        "parity_drop": best - point.accuracy.mean(),
        "parity_drop_low": low,
        "parity_drop_high": high,
        "parity_tokens_curve": _reach(curve, enough),
    }


def _reach(curve: Sequence[Section], accuracy: float) -> float | None:
    """Give the fewest tokens for an accuracy; between two points of the curve, by mixing them."""
    before: Section | None = None
    for point in curve:
        if point["accuracy"] >= accuracy:
            if before is None:
                return float(point["tokens"])
            share = (accuracy - before["accuracy"]) / (point["accuracy"] - before["accuracy"])
            return float(before["tokens"] + share * (point["tokens"] - before["tokens"]))
        before = point
    return None


def _settings(settings: EvaluationSettings) -> Section:
    return {**asdict(settings), "always_wrong": "cheapest", "resampled": "images"}
