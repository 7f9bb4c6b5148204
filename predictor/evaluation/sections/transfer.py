"""What a router knows of questions that it never saw: a family left out, other words.

`leave_one_out` trains again without one family (or data set) and judges on it alone; `rephrase`
asks the same questions in other words and looks at what the router makes of them.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labels.oracle import CORRECT
from predictor.bundle.bundle import RouterBundle
from predictor.data import FloatArray, IntArray, NameArray, TrainData
from predictor.policy.budgets import choose
from predictor.routing_metrics.bootstrap import draw_resamples, interval, mean_draws
from predictor.routing_metrics.regressions import regressed
from predictor.training.cross_validation import measure_gap
from predictor.training.train import TrainSettings, train_bundle

Section = dict[str, Any]


def leave_one_out(
    splits: tuple[TrainData, TrainData, TrainData],
    settings: TrainSettings,
    seen: IntArray,
    budget: float,
    outlier: float = 0.01,
    jobs: int = 2,
) -> Section:
    """Judge every family by a router that was neither trained nor calibrated on it.

    Args:
        splits: training, calibration and test split.
        settings: what to train.
        seen: scale that the usual router chose for every test question [n].
        budget: mean visual tokens, over the families that were seen.
        outlier: share of the calibration split beyond which the fallback takes the largest scale.
        jobs: trainings at a time.

    Returns:
        Family to what the strange router and the usual one (`seen`) make of it, and the strange
        one with the fallback; families without which too few images remain are left out.
    """
    parts = [np.asarray(part.groups).astype(str) for part in splits]
    names = [
        name
        for name in sorted(set(parts[2].tolist()))
        if name in parts[0]
        and _count(splits[0], parts[0] != name) >= settings.features.folds
        and _count(splits[1], parts[1] != name) > 0
    ]

    def judge(name: str) -> Section:
        train, calibration = (
            part.take(np.flatnonzero(groups != name))
            for part, groups in zip(splits[:2], parts[:2], strict=True)
        )
        bundle = train_bundle(train, calibration, settings)
        rows = np.flatnonzero(parts[2] == name)
        return _judge(bundle, splits[2].take(rows), seen[rows], budget, outlier)

    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(names, pool.map(judge, names), strict=True))


def _count(data: TrainData, rows: NDArray[np.bool_]) -> int:
    """Count the images of some rows."""
    return len(set(map(str, data.image_ids[rows])))


def _judge(
    bundle: RouterBundle, data: TrainData, seen: IntArray, budget: float, outlier: float
) -> Section:
    found = bundle.predict_proba(data.coarse, data.question, data.extras)
    chosen = choose(found, data.tokens, bundle.lambda_for_budget(budget))
    outside = np.zeros(len(data), np.bool_)
    if bundle.gate is not None:
        outside = bundle.gate.find_outside(data.coarse, data.question, outlier)
    careful = np.where(outside, len(data.scales) - 1, chosen)
    key = f"ogc_{budget:g}"
    return {
        "n": len(data),
        key: measure_gap(data, chosen),
        **_describe(data, chosen),
        "dearest": float(data.scores[:, -1].mean()),
        "seen": {key: measure_gap(data, seen), **_describe(data, seen)},
        "fallback": {"share": float(outside.mean()), **_describe(data, careful)},
    }


def _describe(data: TrainData, chosen: IntArray) -> Section:
    rows = np.arange(len(data))
    return {
        "accuracy": float(data.scores[rows, chosen].mean()),
        "tokens": float(data.tokens[rows, chosen].mean()),
        "regression_rate": float(regressed(data.scores, chosen).mean()),
    }


def rephrase(
    bundles: Sequence[RouterBundle], test: TrainData, other: TrainData, budget: float
) -> Section:
    """Compare what routers make of the same questions in other words.

    Args:
        bundles: routers; what is told is their mean.
        test: the split as it was asked.
        other: the same questions, by `sample_ids`, in other words; some may be missing.
        budget: mean visual tokens.

    Returns:
        Section `paraphrase` of results.json.

    Raises:
        ValueError: if the two splits share no question.
    """
    first, second = _match(test.sample_ids, other.sample_ids)
    if len(first) == 0:
        raise ValueError("the rephrased split shares no sample_id with the test split")
    asked, again = test.take(first), other.take(second)
    picks = [[_route(bundle, part, budget) for bundle in bundles] for part in (asked, again)]
    before, after = (np.column_stack(found) for found in picks)
    changed = np.column_stack([before != after, after > before, after < before])
    drawn = mean_draws(draw_resamples(asked.image_ids), changed[:, : len(bundles)].astype(float))
    low, high = interval(drawn.mean(axis=1))
    shares = [float(part.mean()) for part in np.split(changed, 3, axis=1)]
    right = [part.scores[:, -1] >= CORRECT for part in (asked, again)]
    return {
        "n": len(asked),
        "images": len(set(map(str, asked.image_ids))),
        **{f"changed_{budget:g}": shares[0], f"changed_{budget:g}_low": low},
        **{f"changed_{budget:g}_high": high, "moved_up": shares[1], "moved_down": shares[2]},
        **_means(asked, before, ""),
        **_means(again, after, "_rephrased"),
        f"ogc_{budget:g}": float(np.mean([measure_gap(asked, column) for column in before.T])),
        f"ogc_{budget:g}_rephrased": float(
            np.mean([measure_gap(again, column) for column in after.T])
        ),
        "dearest": float(asked.scores[:, -1].mean()),
        "dearest_rephrased": float(again.scores[:, -1].mean()),
        "fixed_changed": float((right[0] != right[1]).mean()),
    }


def _route(bundle: RouterBundle, data: TrainData, budget: float) -> IntArray:
    found = bundle.predict_proba(data.coarse, data.question, data.extras)
    return choose(found, data.tokens, bundle.lambda_for_budget(budget))


def _means(data: TrainData, chosen: IntArray, suffix: str) -> Section:
    def mean(table: FloatArray) -> float:
        return float(np.take_along_axis(table, chosen, axis=1).mean())

    return {f"accuracy{suffix}": mean(data.scores), f"tokens{suffix}": mean(data.tokens)}


def _match(first: NameArray, second: NameArray) -> tuple[IntArray, IntArray]:
    """Give the row numbers in both of the names that both have."""
    at = {str(name): row for row, name in enumerate(second)}
    pairs = [(row, at[str(name)]) for row, name in enumerate(first) if str(name) in at]
    rows = np.array(pairs, np.int64).reshape(-1, 2)
    return rows[:, 0], rows[:, 1]
