"""The base of all routers: what they offer, what they check, how they are saved.

A router estimates P(correct) at every scale from a feature row. It knows nothing of cost, of
lambda or of where its features came from.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from scipy.special import logit

from predictor.data import FloatArray, NameArray
from predictor.routers.arrays import pack_arrays, unpack_arrays

MOST_FEATURES = 1_000_000

AT_ONCE = 1024
"""Rows that are predicted in one go: what is worked out for a row is many times its features."""


class Router(ABC):
    """An estimator of the probability that each scale answers correctly.

    Attributes:
        kind: name in `registry.ROUTERS`.
        takes_missing: whether a feature may be NaN.
        scales: the scales in column order [s].
        width_: number of features d it learnt from; None before `fit`.
    """

    kind: ClassVar[str]
    takes_missing: ClassVar[bool] = False

    def __init__(self, scales: tuple[int, ...]) -> None:
        self.scales = scales
        self.width_: int | None = None

    def fit(
        self,
        features: FloatArray,
        correct: FloatArray,
        *,
        weights: FloatArray | None = None,
        clusters: NameArray | None = None,
    ) -> "Router":
        """Learn from outcomes.

        Args:
            features: feature rows [n, d].
            correct: score of every scale [n, s], in [0, 1]; soft scores are allowed, NaN is a
                scale that was not tried.
            weights: weight of each row [n]; all 1 if left out.
            clusters: which rows belong together, by name [n], see `clusters.py`; none do if left
                out. A router that holds rows out never parts a cluster.

        Raises:
            ValueError: if shapes or values are wrong.
        """
        x, y, w = check_fit(features, correct, weights, self.scales)
        if not self.takes_missing and not np.isfinite(x).all():
            raise ValueError(f"the {self.kind} router takes no NaN or infinite feature")
        together: NameArray = np.arange(len(x)) if clusters is None else np.asarray(clusters)
        if together.shape != (len(x),):
            raise ValueError(f"clusters must be {len(x)} names, got shape {together.shape}")
        self._learn(x, y, w, together)
        self.width_ = x.shape[1]
        return self

    def predict_proba(self, features: FloatArray) -> FloatArray:
        """Estimate P(correct) at every scale.

        Args:
            features: feature rows [n, d].

        Returns:
            Probabilities [n, s], float64.

        Raises:
            ValueError: if the router is not fitted or d is not that of the training rows.
        """
        self._check_fitted()
        x = np.ascontiguousarray(features, dtype=np.float64)  # [n, d]
        if x.ndim != 2 or x.shape[1] != self.width_:
            raise ValueError(f"features must have shape [n, {self.width_}], got {x.shape}")
        starts = range(0, max(len(x), 1), AT_ONCE)
        return np.concatenate([self._predict(x[start : start + AT_ONCE]) for start in starts])

    def to_files(self) -> dict[str, bytes]:
        """Give everything learnt as named files that cannot hold code: file name -> content."""
        self._check_fitted()
        return self._pack()

    @classmethod
    @abstractmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "Router":
        """Rebuild a fitted router. The caller has checked the content's hash before.

        Args:
            files: what `to_files` gave.
            scales: the scales in column order [s].

        Returns:
            A router that predicts the same numbers.

        Raises:
            ValueError: if a file is missing or does not fit the scales.
        """

    def _check_fitted(self) -> None:
        if self.width_ is None:
            raise ValueError("this router is not fitted; call fit first or load a saved one")

    @abstractmethod
    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray, clusters: NameArray) -> None:
        """Learn from checked features [n, d], scores [n, s], their weights [n, s], clusters [n]."""

    @abstractmethod
    def _predict(self, x: FloatArray) -> FloatArray:
        """Give probabilities [n, s] for checked features [n, d], at most `AT_ONCE` rows."""

    @abstractmethod
    def _pack(self) -> dict[str, bytes]:
        """Give the files of a fitted router."""


class ArrayRouter(Router):
    """A router whose learnt numbers are arrays, saved in one .npz file.

    Attributes:
        file: name of the file.
        shapes: name of each array to its axes: "n" rows, "s" scales, "d" features, other letters
            for what belongs to one kind alone.
        arrays_: everything learnt, by name; empty before `fit`.
    """

    file: ClassVar[str]
    shapes: ClassVar[Mapping[str, str]]

    def __init__(self, scales: tuple[int, ...]) -> None:
        super().__init__(scales)
        self.arrays_: dict[str, FloatArray] = {}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "ArrayRouter":
        """Rebuild a fitted router; see `Router.from_files`."""
        sizes = {"s": len(scales)}
        router = cls(scales)
        what = f"{cls.kind} router"
        router.arrays_ = unpack_arrays(files.get(cls.file, b""), what, cls.shapes, sizes)
        router.width_ = router._width()
        return router

    def _pack(self) -> dict[str, bytes]:
        return {self.file: pack_arrays(self.arrays_)}

    def _width(self) -> int:
        """Read the number of features off the arrays."""
        return len(self.arrays_["center"])


def check_fit(
    features: FloatArray, correct: FloatArray, weights: FloatArray | None, scales: tuple[int, ...]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Check what a router is asked to learn from.

    Args:
        features: feature rows [n, d].
        correct: scores [n, s], in [0, 1] or NaN where a scale was not tried.
        weights: row weights [n] or None.
        scales: the router's scales [s].

    Returns:
        Features [n, d], scores [n, s] and what each score weighs [n, s], all float64; a missing
        score is 0 and weighs nothing.

    Raises:
        ValueError: if shapes disagree, there is no row, a value is out of range, or a scale has no
            score that weighs anything.
    """
    x, y = np.asarray(features, np.float64), np.asarray(correct, np.float64)
    if x.ndim != 2 or len(x) == 0:
        raise ValueError(f"features must be [n, d] with at least one row, got shape {x.shape}")
    if y.shape != (len(x), len(scales)):
        raise ValueError(f"correct must have shape {(len(x), len(scales))}, got {y.shape}")
    known = ~np.isnan(y)
    if not np.all((y[known] >= 0) & (y[known] <= 1)):
        raise ValueError("correct must lie in [0, 1], or be NaN where a scale was not tried")
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    if w.shape != (len(x),) or not np.all(np.isfinite(w) & (w >= 0)) or w.sum() == 0:
        raise ValueError(f"weights must be {len(x)} numbers >= 0, not all 0, got shape {w.shape}")
    # A row's weight counts for the scales that were tried [n, s].
    weighed = np.where(known, w[:, None], 0.0)
    totals = zip(scales, weighed.sum(axis=0), strict=True)
    empty = [scale for scale, total in totals if total == 0]
    if empty:
        raise ValueError(f"no row has a score at scale {empty[0]}; leave it out or label it")
    return x, np.where(known, y, 0.0), weighed


def center_and_spread(features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give what standardises features [n, d]: mean [d] and deviation [d], 1 for a constant."""
    spread = features.std(axis=0)
    return features.mean(axis=0), np.where(spread > 0, spread, 1.0)


def log_odds(probabilities: FloatArray) -> FloatArray:
    """Turn probabilities of any shape into log-odds, kept within about +-14."""
    p = np.clip(np.asarray(probabilities, np.float64), 1e-6, 1 - 1e-6)
    return np.asarray(logit(p))
