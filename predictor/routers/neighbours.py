"""Nearest neighbours: the mean score of the training rows that look most alike.

The baseline that learned routers have to beat (arXiv 2505.12601), once `tuning.py` has chosen the
number of neighbours and the metric. Not fast on large splits: it compares with every row that it
kept.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from predictor.data import FloatArray, IntArray
from predictor.routers.base import (
    center_and_spread,
    check_finite,
    check_fit,
    check_width,
    pack_arrays,
    unpack_arrays,
)

ROWS = "neighbours.npz"


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
        """Check the metric.

        Raises:
            ValueError: if there is no such metric.
        """
        if self.metric not in METRICS:
            raise ValueError(f"metric must be one of {METRICS}, got {self.metric!r}")


class NeighbourRouter:
    """Mean score of the k nearest training rows.

    Attributes:
        scales: the scales in column order [s].
        settings: what it was built with; a loaded router has the defaults here.
        arrays_: everything learnt, by name; empty before `fit`.
    """

    kind: ClassVar[str] = "knn"

    def __init__(self, scales: tuple[int, ...], settings: NeighbourSettings | None = None) -> None:
        self.scales = scales
        self.settings = settings or NeighbourSettings()
        self.arrays_: dict[str, FloatArray] = {}

    def fit(
        self, features: FloatArray, correct: FloatArray, *, weights: FloatArray | None = None
    ) -> "NeighbourRouter":
        """Keep the rows; see `Router.fit`.

        Args:
            features: feature rows [n, d].
            correct: score of every scale [n, s], NaN where it was not tried.
            weights: weight of each row [n]; a row of weight 0 is not kept.

        Returns:
            The router itself.
        """
        x, y, w = check_fit(features, correct, weights, self.scales)
        check_finite(x, "neighbour")
        kept = np.flatnonzero(w.any(axis=1))
        if len(kept) > self.settings.most_rows:
            rng = np.random.default_rng(self.settings.seed)
            kept = np.sort(rng.choice(kept, self.settings.most_rows, replace=False))
        x, y, w = x[kept], y[kept], w[kept]
        center, spread = center_and_spread(x)
        shrink = 1.0 / spread
        s = self.settings
        self.arrays_ = {
            **{"center": center, "shrink": shrink},
            **{"rows": ((x - center) * shrink).astype(np.float32)},
            **{
                "scores": y.astype(np.float32),
                "weights": w,
                "prior": np.array(s.prior),
            },
            **{"count": np.array(s.count), "metric": np.array(METRICS.index(s.metric))},
        }
        return self

    def predict_proba(self, features: FloatArray) -> FloatArray:
        """Average the neighbours; see `Router.predict_proba`.

        Args:
            features: feature rows [n, d].

        Returns:
            Probabilities [n, s].
        """
        a = self.arrays_
        x = check_width(features, len(a["center"]) if a else None)
        metric = METRICS[int(a["metric"])]
        order = _nearest((x - a["center"]) * a["shrink"], a["rows"], int(a["count"]), metric)
        return _average(order, a["scores"], a["weights"], float(a["prior"]))

    def to_files(self) -> dict[str, bytes]:
        """Give the kept rows as an .npz.

        Returns:
            File name -> content.

        Raises:
            ValueError: if the router is not fitted.
        """
        if not self.arrays_:
            raise ValueError("this router is not fitted; call fit first")
        return {ROWS: pack_arrays(self.arrays_)}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "NeighbourRouter":
        """Rebuild a fitted router.

        Args:
            files: what `to_files` gave.
            scales: the scales in column order [s].

        Returns:
            The router.

        Raises:
            ValueError: if the file is missing or does not fit the scales.
        """
        arrays = unpack_arrays(files.get(ROWS, b""))
        if np.shape(arrays.get("scores", np.zeros(0)))[1:] != (len(scales),):
            raise ValueError(f"{ROWS} must hold scores for {len(scales)} scales")
        router = cls(scales)
        router.arrays_ = arrays
        return router


def _nearest(x: FloatArray, rows: FloatArray, count: int, metric: str) -> IntArray:
    """Find the nearest rows [n, k], in no order."""
    left, right = np.asarray(x, np.float32), np.asarray(rows, np.float32)
    if metric == "cosine":
        left, right = _unit(left), _unit(right)
    k = min(count, len(right))
    order = np.empty((len(left), k), np.int64)
    lengths = (right**2).sum(axis=1)
    for start in range(0, len(left), 1024):  # not all distances at once
        part = left[start : start + 1024]
        apart = (part**2).sum(axis=1)[:, None] + lengths - 2 * (part @ right.T)
        order[start : start + 1024] = np.argpartition(apart, k - 1, axis=1)[:, :k]
    return order


def _unit(x: FloatArray) -> FloatArray:
    return np.asarray(x / np.maximum(np.sqrt((x**2).sum(axis=1, keepdims=True)), 1e-12))


def _average(order: IntArray, scores: FloatArray, weights: FloatArray, prior: float) -> FloatArray:
    """Average scores over neighbours [n, k], with `prior` rows of the overall mean."""
    overall = np.average(scores, axis=0, weights=weights)
    heavy = np.asarray(weights, np.float64)
    total = (heavy * np.asarray(scores, np.float64))[order].sum(axis=1)
    return np.asarray((total + prior * overall) / (heavy[order].sum(axis=1) + prior))
