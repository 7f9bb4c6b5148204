"""One logistic regression per scale: the baseline that every other router has to beat.

Its own Newton solver, because scores may be soft, because a fit is then the same to the last bit
on every run, and because loading a router should not import scikit-learn.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from predictor.data import FloatArray
from predictor.routers.base import (
    center_and_spread,
    check_finite,
    check_fit,
    check_width,
    log_odds,
    pack_arrays,
    sigmoid,
    unpack_arrays,
)

# Makes the penalty on a threshold a ten-thousandth of that on a slope: thresholds are free.
_FREE = 100.0


WEIGHTS = "router.npz"


@dataclass(frozen=True)
class LinearSettings:
    """Settings of the linear router.

    Attributes:
        l2: strength of the ridge penalty on standardised features; the intercept is free.
        max_steps: most Newton steps.
    """

    l2: float = 30.0
    max_steps: int = 30


def fit_logistic(
    features: FloatArray, target: FloatArray, weights: FloatArray, settings: LinearSettings
) -> FloatArray:
    """Fit one ridge-penalised logistic regression by Newton's method.

    Args:
        features: feature rows [n, d].
        target: P(correct) or 0/1 [n].
        weights: row weights [n].
        settings: penalty and step limit.

    Returns:
        d coefficients and the intercept [d + 1].

    Source: iteratively reweighted least squares, e.g. Hastie et al., The Elements of Statistical
        Learning, section 4.4.1.
    """
    x = np.column_stack([features, np.ones(len(features))])
    penalty = np.full(x.shape[1], settings.l2)
    penalty[-1] = 1e-6
    beta = np.zeros(x.shape[1])
    beta[-1] = float(log_odds(np.asarray(np.average(target, weights=weights))))
    for _ in range(settings.max_steps):
        p = sigmoid(x @ beta)
        gradient = x.T @ (weights * (p - target)) + penalty * beta
        # The floor keeps the system solvable where every probability is already extreme.
        curvature = np.maximum(weights * p * (1 - p), 1e-6 * weights)
        step = np.linalg.solve((x.T * curvature) @ x + np.diag(penalty), gradient)
        # A full Newton step can overshoot on separable rows; its length is bounded in log-odds.
        beta = beta - step * min(1.0, 5.0 / max(float(np.abs(x @ step).max()), 1e-12))
        if np.abs(step).max() < 1e-8:
            break
    return beta


class LinearRouter:
    """Per-scale logistic regression on standardised features."""

    kind: ClassVar[str] = "linear"

    def __init__(self, scales: tuple[int, ...], settings: LinearSettings | None = None) -> None:
        self.scales = scales
        self.settings = settings or LinearSettings()
        self.coefficients_: FloatArray | None = None

    def fit(
        self, features: FloatArray, correct: FloatArray, *, weights: FloatArray | None = None
    ) -> "LinearRouter":
        """Learn from outcomes; see `Router.fit`.

        Args:
            features: feature rows [n, d].
            correct: score of every scale [n, s], NaN where it was not tried.
            weights: weight of each row [n].

        Returns:
            The router itself.
        """
        x, y, w = check_fit(features, correct, weights, self.scales)
        check_finite(x, "linear")
        center, spread = center_and_spread(x)
        standard = (x - center) / spread
        # One row a scale, folded back to raw features so that prediction is one product. A scale
        # whose scores are all alike needs no special case: the penalty leaves it its intercept.
        heads = np.stack(
            [fit_logistic(standard, y[:, k], w[:, k], self.settings) for k in range(y.shape[1])]
        )
        slopes = heads[:, :-1] / spread
        self.coefficients_ = np.column_stack([slopes, heads[:, -1] - slopes @ center])
        return self

    def predict_proba(self, features: FloatArray) -> FloatArray:
        """Estimate P(correct) at every scale; see `Router.predict_proba`.

        Args:
            features: feature rows [n, d].

        Returns:
            Probabilities [n, s].
        """
        learnt = self.coefficients_
        x = check_width(features, None if learnt is None else learnt.shape[1] - 1)
        return np.zeros(0) if learnt is None else sigmoid(x @ learnt[:, :-1].T + learnt[:, -1])

    def to_files(self) -> dict[str, bytes]:
        """Give the coefficients as an .npz.

        Returns:
            File name -> content.

        Raises:
            ValueError: if the router is not fitted.
        """
        if self.coefficients_ is None:
            raise ValueError("this router is not fitted; call fit first")
        return {WEIGHTS: pack_arrays({"coefficients": self.coefficients_})}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "LinearRouter":
        """Rebuild a fitted router.

        Args:
            files: what `to_files` gave.
            scales: the scales in column order [s].

        Returns:
            The router.

        Raises:
            ValueError: if the file is missing or does not fit the scales.
        """
        coefficients = unpack_arrays(files.get(WEIGHTS, b"")).get("coefficients", np.zeros(0))
        if coefficients.ndim != 2 or len(coefficients) != len(scales):
            raise ValueError(f"{WEIGHTS} must hold coefficients for {len(scales)} scales")
        router = cls(scales)
        router.coefficients_ = coefficients
        return router


class OrdinalRouter(LinearRouter):
    """The linear router with the same slopes for every scale whose scores vary."""

    kind: ClassVar[str] = "ordinal"

    def fit(
        self, features: FloatArray, correct: FloatArray, *, weights: FloatArray | None = None
    ) -> "OrdinalRouter":
        """Learn from outcomes; see `Router.fit`.

        Args:
            features: feature rows [n, d].
            correct: score of every scale [n, s], NaN where it was not tried.
            weights: weight of each row [n].

        Returns:
            The router itself.
        """
        x, y, w = check_fit(features, correct, weights, self.scales)
        check_finite(x, "ordinal")
        center, spread = center_and_spread(x)
        heard = w > 0
        varied = np.flatnonzero([np.ptp(y[heard[:, k], k]) > 0 for k in range(y.shape[1])])
        # Half a row each way, as if it had been seen: an even score is never quite 0 or 1.
        fixed = log_odds(((y * heard).sum(axis=0) + 0.5) / (heard.sum(axis=0) + 1))
        slopes, thresholds = np.zeros((y.shape[1], x.shape[1])), fixed
        if len(varied):
            asked = np.tile(_FREE * np.eye(len(varied)), (len(x), 1))
            design = np.column_stack([np.repeat((x - center) / spread, len(varied), 0), asked])
            found = fit_logistic(design, y[:, varied].ravel(), w[:, varied].ravel(), self.settings)
            slopes[varied] = found[: x.shape[1]] / spread
            thresholds[varied] = np.maximum.accumulate(found[-1] + _FREE * found[x.shape[1] : -1])
        self.coefficients_ = np.column_stack([slopes, thresholds - slopes @ center])
        return self
