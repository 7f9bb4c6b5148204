"""What each feature block is worth, in gap closed, and what it costs, in milliseconds.

Every block is left out, and taken alone, over several seeds, and all spend the same budget. All of
it is measured on the calibration split, so the default blocks can be chosen by it, and again on a
test split if there is one.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from m3_backbone.scales import EXTRAS
from predictor.bundle.bundle import RouterBundle
from predictor.data import Results, TrainData
from predictor.evaluation.sections.timing import time_in_turn
from predictor.evaluation.sweeps import spend_with
from predictor.features.blocks import BLOCKS
from predictor.routing_metrics.bootstrap import draw_resamples
from predictor.routing_metrics.mixing import Mixture
from predictor.training.cross_validation import compare_gaps, measure_gap
from predictor.training.train import TrainSettings, train_bundle

AblationSplits = tuple[TrainData, TrainData, TrainData | None]
"""Training and calibration split, and a test split if there is one."""

Blocks = tuple[str, ...]


@dataclass(frozen=True)
class AblationSettings:
    """How blocks are compared.

    Attributes:
        budget: mean visual tokens.
        n_resamples: bootstrap draws of images.
        level: share of the draws inside an interval.
        seeds: trainings of each variant, counted on from the seed of what is trained.
        jobs: trainings at a time.
        extras_ms: what it takes to measure each optional block [ms per question].
    """

    budget: float = 72.0
    seeds: int = 1
    n_resamples: int = 1000
    level: float = 0.95
    jobs: int = 2
    extras_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Variant:
    """A choice of blocks: what its r trainings choose at one cost, its time and width."""

    calibration: Mixture
    test: Mixture | None
    ms: float
    columns: int


def ablate(
    splits: AblationSplits, train: TrainSettings, settings: AblationSettings | None = None
) -> Results:
    """Train without each block and with it alone.

    Args:
        splits: training and calibration split, and a test split if there is one.
        train: what to train; its blocks are all that is compared.
        settings: how it is compared; the defaults if left out.

    Returns:
        Section `ablation` of results.json: `full`, `rows`, the most valuable block first,
        `ms_noise`, by how much times differ by chance, and `unmeasured`, the optional blocks that
        nobody has timed.

    Raises:
        ValueError: if there are fewer than two blocks.
    """
    settings = settings or AblationSettings()
    blocks = train.features.blocks
    if len(blocks) < 2:
        raise ValueError(f"an ablation needs at least two blocks, got {blocks}")
    without = {name: tuple(b for b in blocks if b != name) for name in blocks}
    alone = {name: (name,) for name in blocks}
    # Each choice once: of two blocks, "without one" is "the other alone".
    choices = list(dict.fromkeys([blocks, *without.values(), *alone.values()]))
    variants, noise = _train_variants(choices, splits, train, settings)
    rows = [
        _describe_block(
            name,
            full=variants[blocks],
            without=variants[without[name]],
            alone=variants[alone[name]],
            splits=splits,
            settings=settings,
        )
        for name in blocks
    ]
    return {
        "kind": train.kind,
        "full": _describe_full(variants[blocks], splits, settings),
        "split": "calibration" if splits[2] is None else "test",
        "seeds": settings.seeds,
        "ms_noise": noise,
        "unmeasured": [
            name for name in blocks if name in EXTRAS and name not in settings.extras_ms
        ],
        "rows": sorted(rows, key=lambda row: -row["loss_calibration"]),
    }


def _train_variants(
    choices: list[Blocks], splits: AblationSplits, train: TrainSettings, settings: AblationSettings
) -> tuple[dict[Blocks, _Variant], float]:
    """Train every choice of blocks with every seed.

    Returns:
        The variants, and how far times differ by chance [ms].
    """
    timed: dict[Blocks, RouterBundle] = {}

    def learn(task: tuple[Blocks, int]) -> list[Mixture]:
        blocks, seed = task
        features = replace(train.features, blocks=blocks)
        seeded = replace(train, features=features, seed=train.seed + seed)
        bundle = train_bundle(splits[0], splits[1], seeded)
        if seed == 0:
            timed[blocks] = bundle  # the others are too large to keep
        return [
            spend_with(bundle, split, [settings.budget])
            for split in splits[1:]
            if split is not None
        ]

    tasks = [(blocks, seed) for blocks in choices for seed in range(settings.seeds)]
    with ThreadPoolExecutor(settings.jobs) as pool:
        chosen = list(pool.map(learn, tasks))  # in the order of the tasks
    # When nothing trains beside it.
    times = time_in_turn([timed[blocks] for blocks in choices], splits[1])
    variants = {}
    for k, blocks in enumerate(choices):
        of_seeds = chosen[k * settings.seeds : (k + 1) * settings.seeds]
        calibration, *test = map(Mixture.join, zip(*of_seeds, strict=True))
        extras_ms = sum(settings.extras_ms.get(name, 0.0) for name in blocks)
        variants[blocks] = _Variant(
            calibration,
            test=test[0] if test else None,
            ms=round(float(times.least[k]) + extras_ms, 5),
            columns=_count_columns(timed[blocks], splits[1]),
        )
    return variants, times.noise


def _count_columns(bundle: RouterBundle, data: TrainData) -> int:
    one = data.take(np.arange(1))
    return int(bundle.features.transform(one.coarse, one.question, one.extras).shape[1])


def _reported(variant: _Variant, splits: AblationSplits) -> tuple[TrainData, Mixture]:
    """Give the split that is reported, and what was chosen on it."""
    _, calibration, test = splits
    if test is None or variant.test is None:
        return calibration, variant.calibration
    return test, variant.test


def _describe_full(full: _Variant, splits: AblationSplits, settings: AblationSettings) -> Results:
    key = f"ogc_{settings.budget:g}"
    return {
        key: measure_gap(*_reported(full, splits)),
        f"{key}_calibration": measure_gap(splits[1], full.calibration),
        "ms": full.ms,
        "columns": full.columns,
    }


def _describe_block(
    name: str,
    *,
    full: _Variant,
    without: _Variant,
    alone: _Variant,
    splits: AblationSplits,
    settings: AblationSettings,
) -> Results:
    data, chosen = _reported(full, splits)
    _, chosen_without = _reported(without, splits)
    draws = draw_resamples(data.clusters, settings.n_resamples)
    loss, low, high = compare_gaps(data, chosen, chosen_without, draws, settings.level)
    key = f"ogc_{settings.budget:g}"
    return {
        "block": name,
        "version": BLOCKS[name].version,
        "what": BLOCKS[name].what,
        "columns": full.columns - without.columns,
        f"{key}_without": measure_gap(data, chosen_without),
        f"{key}_alone": measure_gap(*_reported(alone, splits)),
        "loss": loss,
        "loss_low": low,
        "loss_high": high,
        "loss_calibration": measure_gap(splits[1], full.calibration)
        - measure_gap(splits[1], without.calibration),
        "ms": round(full.ms - without.ms, 5),
    }
