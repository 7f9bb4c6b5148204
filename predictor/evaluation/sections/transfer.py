"""How a router does on questions that it was not trained on: a family left out, other words.

`leave_one_out` trains again without one family (or data set) and measures on it alone; `rephrase`
asks the same questions in other words and compares the router's choices.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from labels.oracle import CORRECT
from predictor.bundle.bundle import RouterBundle
from predictor.data import FloatArray, IntArray, Results, TrainData
from predictor.evaluation.sweeps import route
from predictor.features.outliers import OUTLIER
from predictor.routing_metrics.bootstrap import draw_resamples, interval, mean_draws
from predictor.routing_metrics.mixing import Mixture
from predictor.routing_metrics.regressions import measure_choice
from predictor.training.cross_validation import measure_gap
from predictor.training.train import TrainSettings, train_bundle


def leave_one_out(
    splits: tuple[TrainData, TrainData, TrainData],
    settings: TrainSettings,
    usual: IntArray,
    budget: float,
    jobs: int = 2,
) -> Results:
    """Measure every family with a router that was neither trained nor calibrated on it.

    Args:
        splits: training, calibration and test split.
        settings: what to train.
        usual: index of the scale that the usual router chose for every test question [n].
        budget: mean visual tokens, over the families that training has; where these cost more even
            at the cheapest scale, as much as they cost.
        jobs: trainings at a time.

    Returns:
        Family to the measures of that router, of the usual one (`seen`), and of that router with
        the fallback to the largest scale; families without which too few images remain are left
        out.
    """
    train, calibration, test = splits
    train_groups, calibration_groups, test_groups = (
        np.asarray(split.groups).astype(str) for split in splits
    )
    names = [
        name
        for name in sorted(set(test_groups.tolist()))
        if name in train_groups
        and _count_images(train, train_groups != name) >= settings.features.folds
        and _count_images(calibration, calibration_groups != name) > 0
    ]

    def measure(name: str) -> Results:
        bundle = train_bundle(
            train.take(np.flatnonzero(train_groups != name)),
            calibration.take(np.flatnonzero(calibration_groups != name)),
            settings,
        )
        rows = np.flatnonzero(test_groups == name)
        return _measure_family(bundle, test.take(rows), usual[rows], budget)

    with ThreadPoolExecutor(jobs) as pool:
        # `map` keeps the order of the names, whichever training ends first.
        return dict(zip(names, pool.map(measure, names), strict=True))


def _count_images(data: TrainData, rows: NDArray[np.bool_]) -> int:
    return len(np.unique(data.clusters[rows]))


def _measure_family(
    bundle: RouterBundle, data: TrainData, usual: IntArray, budget: float
) -> Results:
    # The other families may be of larger pictures, whose cheapest scale is dearer than that.
    chosen = route(bundle, data, max(budget, bundle.policy.costs[0]))
    outside = np.zeros(len(data), np.bool_)
    if bundle.gate is not None:
        outside = bundle.gate.find_outside(data.coarse, data.question, OUTLIER)
    careful = np.where(outside, len(data.scales) - 1, chosen)  # the largest scale outside
    key = f"ogc_{budget:g}"
    return {
        "n": len(data),
        key: measure_gap(data, Mixture.plain(chosen[:, None])),
        **measure_choice(data, chosen),
        "dearest": data.scores[:, -1].mean(),
        "seen": {
            key: measure_gap(data, Mixture.plain(usual[:, None])),
            **measure_choice(data, usual),
        },
        "fallback": {"share": outside.mean(), **measure_choice(data, careful)},
    }


def rephrase(
    bundles: Sequence[RouterBundle], test: TrainData, other: TrainData, budget: float
) -> Results:
    """Compare what routers choose for the same questions in other words.

    Args:
        bundles: routers; their mean is given.
        test: the split as it was asked.
        other: the same questions, by `sample_ids`, in other words; some may be missing.
        budget: mean visual tokens.

    Returns:
        Section `paraphrase` of results.json.

    Raises:
        ValueError: if the two splits share no question.
    """
    _, first, second = np.intersect1d(  # row numbers of the same questions
        np.asarray(test.sample_ids).astype(str),
        np.asarray(other.sample_ids).astype(str),
        return_indices=True,
    )
    if len(first) == 0:
        raise ValueError("the rephrased split shares no sample_id with the test split")
    asked = test.take(first)
    again = other.take(second)
    before = np.column_stack([route(bundle, asked, budget) for bundle in bundles])  # [n, routers]
    after = np.column_stack([route(bundle, again, budget) for bundle in bundles])  # [n, routers]
    changed = (before != after).astype(float)  # [n, routers]
    low, high = interval(mean_draws(draw_resamples(asked.clusters), changed).mean(axis=1))
    # Questions whose answer at the largest scale is right in one wording and wrong in the other:
    # changes that are the model's, not the router's.
    flipped = (asked.scores[:, -1] >= CORRECT) != (again.scores[:, -1] >= CORRECT)
    return {
        "n": len(asked),
        "images": asked.n_images,
        f"changed_{budget:g}": changed.mean(),
        f"changed_{budget:g}_low": low,
        f"changed_{budget:g}_high": high,
        "moved_up": (after > before).mean(),
        "moved_down": (after < before).mean(),
        "accuracy": _mean_chosen(asked.scores, before),
        "tokens": _mean_chosen(asked.tokens, before),
        "accuracy_rephrased": _mean_chosen(again.scores, after),
        "tokens_rephrased": _mean_chosen(again.tokens, after),
        f"ogc_{budget:g}": measure_gap(asked, Mixture.plain(before)),
        f"ogc_{budget:g}_rephrased": measure_gap(again, Mixture.plain(after)),
        "dearest": asked.scores[:, -1].mean(),
        "dearest_rephrased": again.scores[:, -1].mean(),
        "fixed_changed": flipped.mean(),
    }


def _mean_chosen(table: FloatArray, chosen: IntArray) -> float:
    """Average what choices [n, q] got of a table [n, s]."""
    return float(np.take_along_axis(table, chosen, axis=1).mean())
