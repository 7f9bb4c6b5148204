"""What each feature block is worth, in gap closed, and what it costs, in milliseconds.

Every block is left out, and taken alone, over several seeds. All of it is measured on the
calibration split by image folds (`crossing.py`), so the blocks of the default can be chosen by it,
and again on a test split if there is one.
"""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from predictor.bundle.bundle import RouterBundle
from predictor.data import IntArray, TrainData
from predictor.features.blocks import BLOCKS
from predictor.policy.budgets import choose
from predictor.routing_metrics.bootstrap import draw_resamples
from predictor.training.cross_validation import compare_gaps, cross_choose, measure_gap
from predictor.training.train import TrainSettings, train_bundle

Section = dict[str, Any]


@dataclass(frozen=True)
class AblationSettings:
    """How blocks are compared.

    Attributes:
        budget: mean visual tokens.
        n_resamples: bootstrap draws of images.
        level: share of the draws inside an interval.
        seeds: trainings of each variant, counted on from the seed of what is trained.
        jobs: trainings at a time.
        extras_ms: what it takes to measure each optional block [ms a question].
    """

    budget: float = 72.0
    seeds: int = 1
    n_resamples: int = 1000
    level: float = 0.95
    jobs: int = 2
    extras_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Variant:
    """A choice of blocks: what its r trainings choose [n, r], its time and width."""

    calibration: IntArray
    test: IntArray | None
    ms: float
    columns: int


def ablate(
    splits: tuple[TrainData, TrainData, TrainData | None],
    train: TrainSettings,
    settings: AblationSettings | None = None,
) -> Section:
    """Train without each block and with it alone.

    Args:
        splits: training and calibration split, and a test split if there is one.
        train: what to train; its blocks are all that is compared.
        settings: how it is compared; the defaults if left out.

    Returns:
        Section `ablation` of results.json: `full` and `rows`, the most valuable block first.

    Raises:
        ValueError: if there are fewer than two blocks.
    """
    settings, blocks = settings or AblationSettings(), train.features.blocks
    if len(blocks) < 2:
        raise ValueError(f"an ablation needs at least two blocks, got {blocks}")
    without = {name: tuple(b for b in blocks if b != name) for name in blocks}
    distinct = list(dict.fromkeys([blocks, *without.values(), *((name,) for name in blocks)]))

    def measure(task: tuple[tuple[str, ...], int]) -> _Variant:
        features = replace(train.features, blocks=task[0])
        seeded = replace(train, features=features, seed=train.seed + task[1])
        return _choose(train_bundle(splits[0], splits[1], seeded), splits, settings.budget)

    tasks = [(kept, seed) for kept in distinct for seed in range(settings.seeds)]
    with ThreadPoolExecutor(settings.jobs) as pool:
        trained = list(pool.map(measure, tasks))
    found = {
        kept: _join(
            sum(settings.extras_ms.get(name, 0.0) for name in kept),
            [one for one, task in zip(trained, tasks, strict=True) if task[0] == kept],
        )
        for kept in distinct
    }
    rows = [
        _row(name, (found[blocks], found[without[name]], found[name,]), splits, settings)
        for name in blocks
    ]
    return {
        "kind": train.kind,
        "full": _full(found[blocks], splits, settings),
        "split": "calibration" if splits[2] is None else "test",
        "seeds": settings.seeds,
        "rows": sorted(rows, key=lambda row: -row["loss_calibration"]),
    }


def _choose(
    bundle: RouterBundle, splits: tuple[TrainData, TrainData, TrainData | None], budget: float
) -> _Variant:
    _, calibration, test = splits
    found = bundle.predict_proba(calibration.coarse, calibration.question, calibration.extras)
    chosen = cross_choose(found, calibration, budget)[:, None]
    picks = None
    if test is not None:
        belief = bundle.predict_proba(test.coarse, test.question, test.extras)
        picks = choose(belief, test.tokens, bundle.lambda_for_budget(budget))[:, None]
    batch = calibration.take(np.arange(64) % len(calibration))
    start = time.perf_counter()
    for _ in range(10):
        rows = bundle.features.transform(batch.coarse, batch.question, batch.extras)
        bundle.router.predict_proba(rows)
    ms = (time.perf_counter() - start) * 1000 / 640
    return _Variant(chosen, picks, round(ms, 5), rows.shape[1])


def _join(extras_ms: float, trainings: list[_Variant]) -> _Variant:
    """Put the trainings of one choice of blocks beside each other, extras paid."""
    tests = [one.test for one in trainings if one.test is not None]
    return _Variant(
        np.hstack([one.calibration for one in trainings]),
        np.hstack(tests) if tests else None,
        round(float(np.median([one.ms for one in trainings])) + extras_ms, 5),
        trainings[0].columns,
    )


def _judged(
    variant: _Variant, splits: tuple[TrainData, TrainData, TrainData | None]
) -> tuple[TrainData, IntArray]:
    """Give the split that is reported, and what was chosen on it."""
    if splits[2] is None or variant.test is None:
        return splits[1], variant.calibration
    return splits[2], variant.test


def _full(
    full: _Variant,
    splits: tuple[TrainData, TrainData, TrainData | None],
    settings: AblationSettings,
) -> Section:
    data, chosen = _judged(full, splits)
    key = f"ogc_{settings.budget:g}"
    return {
        key: measure_gap(data, chosen),
        f"{key}_calibration": measure_gap(splits[1], full.calibration),
        "ms": full.ms,
        "columns": full.columns,
    }


def _row(
    name: str,
    variants: tuple[_Variant, _Variant, _Variant],
    splits: tuple[TrainData, TrainData, TrainData | None],
    settings: AblationSettings,
) -> Section:
    full, without, alone = variants
    data, chosen = _judged(full, splits)
    _, other = _judged(without, splits)
    draws = draw_resamples(data.image_ids, settings.n_resamples)
    loss, low, high = compare_gaps(data, chosen, other, draws, settings.level)
    on_calibration = [measure_gap(splits[1], found.calibration) for found in (full, without)]
    key = f"ogc_{settings.budget:g}"
    return {
        "block": name,
        "version": BLOCKS[name].version,
        "what": BLOCKS[name].what,
        "columns": full.columns - without.columns,
        f"{key}_without": measure_gap(data, other),
        f"{key}_alone": measure_gap(*_judged(alone, splits)),
        **{"loss": loss, "loss_low": low, "loss_high": high},
        "loss_calibration": on_calibration[0] - on_calibration[1],
        "ms": round(full.ms - without.ms, 5),
    }
