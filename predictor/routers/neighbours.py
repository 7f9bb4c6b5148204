"""Nearest neighbours: the mean score of the training rows that look most alike.

The baseline that learned routers have to beat (arXiv 2505.12601), once `tuning.py` has chosen the
number of neighbours and the metric. Not fast on large splits: it compares with every row that it
kept.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from predictor.data import FloatArray, IntArray, NameArray
from predictor.routers.base import ArrayRouter, center_and_spread

METRICS = ("euclidean", "cosine")


@dataclass(frozen=True)
class NeighbourSettings:
    """Settings of the neighbour router.

    Attributes:
        count: number of neighbours.
        metric: one of `METRICS`.
        most_rows: training rows that are kept; more are drawn at random.
        prior: rows of the overall mean that are added to the neighbours, so that none is 0 or 1.
        seed: seed of the draw.
    """

    count: int = 40
    metric: str = "euclidean"
    most_rows: int = 10_000
    prior: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric must be one of {METRICS}, got {self.metric!r}")


class NeighbourRouter(ArrayRouter):
    """Mean score of the k nearest training rows.

    Attributes:
        settings: what it was built with; a loaded router has the defaults here.
    """

    kind: ClassVar[str] = "knn"
    file: ClassVar[str] = "neighbours.npz"
    shapes: ClassVar[dict[str, str]] = {
        "scores": "ns",
        "weights": "ns",
        "rows": "nd",
        "center": "d",
        "shrink": "d",
        "prior": "",
        "count": "",
        "metric": "",
    }

    def __init__(self, scales: tuple[int, ...], settings: NeighbourSettings | None = None) -> None:
        super().__init__(scales)
        self.settings = settings or NeighbourSettings()

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray, clusters: NameArray) -> None:
        s = self.settings
        kept = np.flatnonzero(w.any(axis=1))
        if len(kept) > s.most_rows:
            rng = np.random.default_rng(s.seed)
            kept = np.sort(rng.choice(kept, s.most_rows, replace=False))
        center, spread = center_and_spread(x[kept])
        shrink = 1.0 / spread
        self.arrays_ = {
            "center": center,
            "shrink": shrink,
            "rows": ((x[kept] - center) * shrink).astype(np.float32),
            "scores": y[kept].astype(np.float32),
            "weights": w[kept],
            "prior": np.array(s.prior),
            "count": np.array(s.count),
            "metric": np.array(METRICS.index(s.metric)),
        }

    def _predict(self, x: FloatArray) -> FloatArray:
        a = self.arrays_
        metric = METRICS[int(a["metric"])]
        order = _nearest((x - a["center"]) * a["shrink"], a["rows"], int(a["count"]), metric)
        return _average(order, a["scores"], a["weights"], float(a["prior"]))


def _nearest(x: FloatArray, rows: FloatArray, count: int, metric: str) -> IntArray:
    """Find the nearest rows [n, k], in no order.

    Not scikit-learn's: for the one row of a question it takes twice as long, and it would have to
    be imported to predict.
    """
    left, right = np.asarray(x, np.float32), np.asarray(rows, np.float32)
    if metric == "cosine":
        left, right = _unit(left), _unit(right)
    k = min(count, len(right))
    # |a - b|^2 = |a|^2 + |b|^2 - 2ab, all pairs at once [n, rows].
    apart = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * (left @ right.T)
    return np.asarray(np.argpartition(apart, k - 1, axis=1)[:, :k])


def _unit(x: FloatArray) -> FloatArray:
    return np.asarray(x / np.maximum(np.sqrt((x**2).sum(axis=1, keepdims=True)), 1e-12))


def _average(order: IntArray, scores: FloatArray, weights: FloatArray, prior: float) -> FloatArray:
    """Average scores over neighbours [n, k], with `prior` rows of the overall mean."""
    overall = np.average(scores, axis=0, weights=weights)
    heavy = np.asarray(weights, np.float64)
    # Neighbours' scores [n, k, s] to their sum [n, s].
    total = (heavy * np.asarray(scores, np.float64))[order].sum(axis=1)
    return np.asarray((total + prior * overall) / (heavy[order].sum(axis=1) + prior))
