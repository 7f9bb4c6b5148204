"""Which settings suit a router, by cross-validation on the rows it learns from.

Folds are dealt by image, the error is the log loss after the calibration that every router gets,
and the work is bounded by the number of rows, of folds and of candidates. Nothing is chosen on the
calibration split, which solves lambda, or on the test split.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.data import FloatArray, IntArray, NameArray, TrainData, image_folds
from predictor.policy.shares import pick_headline, share_budgets
from predictor.policy.spending import spend
from predictor.routers.base import Router
from predictor.routers.calibration import Calibrator
from predictor.training.cross_validation import measure_gap

AUTO = "auto"
"""The kind that means: whichever of the candidates wins."""

CANDIDATES = ("boosted", "blend", "mlp", "linear")
"""What is compared; of equals the earlier is kept."""

_PARTS = {AUTO: ("boosted", "mlp", "linear"), "blend": ("boosted", "mlp")}

Change = dict[str, Any]
"""Fields of a router's settings to their values."""

GRIDS: Mapping[str, tuple[Change, ...]] = {
    "boosted": (
        {},
        {"leaves": 7, "shared_leaves": 15},
        {"trees": 200, "shared_trees": 250},
        {"min_rows": 100, "shared_leaves": 63},
    ),
    "linear": tuple({"l2": l2} for l2 in (30.0, 3.0, 10.0, 100.0, 300.0, 1000.0)),
    "ordinal": tuple({"l2": l2} for l2 in (30.0, 3.0, 10.0, 100.0, 300.0, 1000.0)),
    "knn": tuple(
        {"count": count, "metric": metric}
        for count in (40, 10, 20, 80, 160)
        for metric in ("euclidean", "cosine")
    ),
    "mlp": (
        {},
        {"hidden": 32, "decay": 0.1},
        {"hidden": 64, "decay": 0.3},
        {"hidden": 128, "decay": 0.1, "rate": 1e-3},
    ),
}
"""What is tried for each kind, the defaults first: they are kept where time is short."""


@dataclass(frozen=True)
class TuningSettings:
    """How much work the choice may be.

    Attributes:
        folds: image folds.
        most_rows: rows that are looked at; more are left out, image by image.
        seconds: after this time no further candidate is begun. Only a guard: a choice that it cut
            short depends on the machine, and the record of the choice shows that it did.
        seed: seed of the folds and of the images that are left out.
    """

    folds: int = 3
    most_rows: int = 4000
    seconds: float = 300.0
    seed: int = 0


@dataclass(frozen=True)
class Tried:
    """One candidate.

    Attributes:
        change: what it changes.
        error: mean log loss out of fold, calibrated [nats]; NaN if there was no time for it.
    """

    change: Change
    error: float


def tune(
    build: Callable[[Change], Router],
    grid: Sequence[Change],
    rows: tuple[FloatArray, FloatArray, NameArray],
    settings: TuningSettings,
) -> list[Tried]:
    """Measure every candidate.

    Args:
        build: change -> an unfitted router.
        grid: the candidates, the first one being the defaults.
        rows: features [n, d], scores [n, s] (NaN where a scale was not tried) and images [n].
        settings: how much work it may be.

    Returns:
        The candidates, best first; of equals the earlier.

    Raises:
        ValueError: if there is no candidate.
    """
    if not grid:
        raise ValueError("tuning needs at least one candidate, got none")
    rng = np.random.default_rng(settings.seed)
    kept = _thin(rows, settings, rng)
    folds = image_folds(kept[2], settings.folds, rng)
    start = time.monotonic()
    tried: list[Tried] = []
    for change in grid:
        # The first is always tried, so that there is one to take.
        late = bool(tried) and time.monotonic() - start > settings.seconds
        error = float("nan") if late else _measure(build, change, kept, folds)
        tried.append(Tried(change, error))
    # NaN, not tried, comes last; as a key of its own, since it has no order.
    return sorted(tried, key=lambda one: (np.isnan(one.error), one.error))


def _thin(
    rows: tuple[FloatArray, FloatArray, NameArray],
    settings: TuningSettings,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, NameArray]:
    # Whole images in random order, as many as fit [number of images].
    names, owner = np.unique(np.asarray(rows[2]).astype(str), return_inverse=True)
    place = rng.permutation(len(names))
    sizes = np.bincount(owner)[np.argsort(place)]  # questions of each image, in that order
    fit = int(np.searchsorted(np.cumsum(sizes), settings.most_rows, "right"))
    # At least an image per fold, even where that is more rows than wanted.
    kept = place[owner] < max(fit, settings.folds)
    return rows[0][kept], rows[1][kept], rows[2][kept]


def _measure(
    build: Callable[[Change], Router],
    change: Change,
    rows: tuple[FloatArray, FloatArray, NameArray],
    folds: IntArray,
) -> float:
    features, scores, images = rows
    guesses = np.empty(scores.shape)  # out of fold [n, s]
    for fold in np.unique(folds):
        out = folds == fold
        router = build(change).fit(features[~out], scores[~out], clusters=images[~out])
        guesses[out] = router.predict_proba(features[out])
    known = ~np.isnan(scores)
    scales = tuple(range(scores.shape[1]))
    # A missing score is replaced by its own guess, which teaches the calibration nothing.
    calibrator = Calibrator(scales).fit(guesses, np.where(known, scores, guesses))
    # Clipped, so that one sure miss does not decide.
    p = np.clip(calibrator.transform(guesses), 1e-6, 1 - 1e-6)
    loss = -(scores * np.log(p) + (1 - scores) * np.log1p(-p))
    return float(loss[known].mean())


def list_parts(kind: str) -> tuple[str, ...]:
    """List what has to be tuned and trained for a kind.

    Args:
        kind: a kind of router, or `AUTO`.

    Returns:
        Kinds that have settings of their own.
    """
    return _PARTS.get(kind, (kind,))


def is_tuned(kind: str, settings: TuningSettings | None) -> bool:
    """Tell whether settings are chosen for a kind: there must be some, and the choice be asked for.

    >>> is_tuned("blend", TuningSettings()), is_tuned("constant", TuningSettings())
    (True, False)
    """
    return settings is not None and bool(set(list_parts(kind)) & set(GRIDS))


def count_tested(candidates: Sequence[object]) -> int:
    """Count the kinds that a router was picked from: the candidates, or itself alone without any.

    >>> count_tested(CANDIDATES), count_tested(())
    (4, 1)
    """
    return max(len(candidates), 1)


def pick_router(
    routers: Mapping[str, Router], rows: FloatArray, data: TrainData, method: str
) -> tuple[Router, list[dict[str, Any]]]:
    """Pick the best of fitted routers.

    Args:
        routers: the candidates by kind, in the order of `CANDIDATES`.
        rows: feature rows of the calibration split [n, d].
        data: the calibration split.
        method: how probabilities are calibrated, `platt` or `isotonic`.

    Returns:
        The router, and the table of candidates, best first: kind, budget, gap closed. One that
        stays where there is no gap, as at the cheapest scale, closes nothing. Of equals the earlier
        is kept, so a split without a gap leaves the first.
    """
    fixed = np.asarray(data.tokens, np.float64).mean(axis=0)  # [s]
    budget = pick_headline(share_budgets(float(fixed[0]), float(fixed[-1])))
    table: list[dict[str, Any]] = []
    for kind, router in routers.items():
        raw = router.predict_proba(rows)
        p = Calibrator(data.scales, method).fit(raw, data.scores).transform(raw)
        gap = measure_gap(data, spend(p, data.tokens, [budget]))
        table.append({"kind": kind, "budget": budget, "ogc": gap if np.isfinite(gap) else None})
    # Of two that close nothing the one that was measured comes first.
    table.sort(key=lambda row: (-(row["ogc"] or 0.0), row["ogc"] is None))
    return routers[table[0]["kind"]], table
