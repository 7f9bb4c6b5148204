"""One logistic regression per scale: the baseline that every other router has to beat.

Its own Newton solver, because scores may be soft, because a fit is then the same to the last bit
on every run, and because loading a router should not import scikit-learn.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from predictor.data import FloatArray
from predictor.routers.base import ArrayRouter, center_and_spread, log_odds, sigmoid

# Makes the penalty on a threshold a ten-thousandth of that on a slope: thresholds are free.
_FREE = 100.0


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


class LinearRouter(ArrayRouter):
    """Logistic regression of each scale on standardised features.

    Attributes:
        settings: what it was built with; a loaded router has the defaults here.
    """

    kind: ClassVar[str] = "linear"
    file: ClassVar[str] = "router.npz"
    shapes: ClassVar[dict[str, str]] = {"coefficients": "sc"}  # c is d + 1: the intercept is last

    def __init__(self, scales: tuple[int, ...], settings: LinearSettings | None = None) -> None:
        super().__init__(scales)
        self.settings = settings or LinearSettings()

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray) -> None:
        center, spread = center_and_spread(x)
        standard = (x - center) / spread
        # A scale whose scores are all alike needs no special case: the penalty leaves it its
        # intercept.
        heads = np.stack(
            [fit_logistic(standard, y[:, k], w[:, k], self.settings) for k in range(y.shape[1])]
        )  # [s, d + 1]
        self._keep(heads[:, :-1] / spread, heads[:, -1], center)

    def _keep(self, slopes: FloatArray, offsets: FloatArray, center: FloatArray) -> None:
        # Folded back to raw features, so that prediction is one product.
        self.arrays_ = {"coefficients": np.column_stack([slopes, offsets - slopes @ center])}

    def _predict(self, x: FloatArray) -> FloatArray:
        learnt = self.arrays_["coefficients"]
        return sigmoid(x @ learnt[:, :-1].T + learnt[:, -1])

    def _width(self) -> int:
        return int(self.arrays_["coefficients"].shape[1]) - 1


class OrdinalRouter(LinearRouter):
    """The linear router with the same slopes for every scale whose scores vary."""

    kind: ClassVar[str] = "ordinal"

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray) -> None:
        center, spread = center_and_spread(x)
        known = w > 0
        varied = np.flatnonzero([np.ptp(y[known[:, k], k]) > 0 for k in range(y.shape[1])])
        # Half a row each way, as if it had been seen: an even score is never quite 0 or 1.
        thresholds = log_odds(((y * known).sum(axis=0) + 0.5) / (known.sum(axis=0) + 1))
        slopes = np.zeros((y.shape[1], x.shape[1]))
        if len(varied):
            # Every row comes once per scale, with a column that marks the scale [n * v, d + v].
            marks = np.tile(_FREE * np.eye(len(varied)), (len(x), 1))
            design = np.column_stack([np.repeat((x - center) / spread, len(varied), 0), marks])
            beta = fit_logistic(design, y[:, varied].ravel(), w[:, varied].ravel(), self.settings)
            d = x.shape[1]
            slopes[varied] = beta[:d] / spread
            # A larger scale is never less likely to be right.
            thresholds[varied] = np.maximum.accumulate(beta[-1] + _FREE * beta[d:-1])
        self._keep(slopes, thresholds, center)
