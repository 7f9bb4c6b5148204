"""One logistic regression per scale: the baseline that every other router has to beat."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import expit

from predictor.data import FloatArray, IntArray, NameArray
from predictor.routers.base import ArrayRouter, center_and_spread, log_odds

# Makes the penalty on a threshold a ten-thousandth of that on a slope: thresholds are free.
_FREE = 100.0


@dataclass(frozen=True)
class LinearSettings:
    """Settings of the linear router.

    Attributes:
        l2: strength of the ridge penalty on standardised features; the intercept is free.
        max_steps: most Newton steps.
        ordinal_rows: rows that the ordinal router learns from; more are drawn at random.
        seed: seed of that draw.
    """

    l2: float = 30.0
    max_steps: int = 30
    ordinal_rows: int = 20_000
    seed: int = 0


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
    """
    # Not at the top: a saved router predicts without it.
    from sklearn.linear_model import LogisticRegression

    # A soft target is a right row and a wrong row that share the weight [2n].
    parts = np.concatenate([weights * target, weights * (1 - target)])
    right = np.repeat([1, 0], len(target))
    kept = np.flatnonzero(parts > 0)
    # Nothing to tell apart, or nothing to tell it by: only the intercept is left.
    if len(set(right[kept])) == 1 or not np.ptp(features, axis=0).any():
        mean = np.asarray(np.average(target, weights=weights))
        return np.append(np.zeros(features.shape[1]), log_odds(mean))
    fitted = LogisticRegression(
        C=1 / settings.l2, solver="newton-cholesky", tol=1e-7, max_iter=settings.max_steps
    ).fit(features[kept % len(target)], right[kept], parts[kept])
    return np.append(fitted.coef_[0], fitted.intercept_)


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

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray, clusters: NameArray) -> None:
        center, spread = center_and_spread(x)
        standard = (x - center) / spread
        heads = np.stack(
            [fit_logistic(standard, y[:, k], w[:, k], self.settings) for k in range(y.shape[1])]
        )  # [s, d + 1]
        self._keep(heads[:, :-1] / spread, heads[:, -1], center)

    def _keep(self, slopes: FloatArray, offsets: FloatArray, center: FloatArray) -> None:
        # Folded back to raw features, so that prediction is one product.
        self.arrays_ = {"coefficients": np.column_stack([slopes, offsets - slopes @ center])}

    def _predict(self, x: FloatArray) -> FloatArray:
        learnt = self.arrays_["coefficients"]
        return np.asarray(expit(x @ learnt[:, :-1].T + learnt[:, -1]))

    def _width(self) -> int:
        return int(self.arrays_["coefficients"].shape[1]) - 1


class OrdinalRouter(LinearRouter):
    """The linear router with the same slopes for every scale whose scores vary.

    It learns from at most `LinearSettings.ordinal_rows`, since each comes once per scale.
    """

    kind: ClassVar[str] = "ordinal"

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray, clusters: NameArray) -> None:
        center, spread = center_and_spread(x)
        known = w > 0
        varied = np.flatnonzero([np.ptp(y[known[:, k], k]) > 0 for k in range(y.shape[1])])
        # Half a row each way, as if it had been seen: an even score is never quite 0 or 1.
        thresholds = log_odds(((y * known).sum(axis=0) + 0.5) / (known.sum(axis=0) + 1))
        # A scale that never varies keeps slope 0 and its rate as threshold [s, d].
        slopes = np.zeros((y.shape[1], x.shape[1]))
        if len(varied):
            rows = self._draw(w)
            # Every row comes once per scale, with a column that marks the scale [n * v, d + v].
            marks = np.tile(_FREE * np.eye(len(varied)), (len(rows), 1))
            standard = (x[rows] - center) / spread
            design = np.column_stack([np.repeat(standard, len(varied), 0), marks])
            target, weights = (part[np.ix_(rows, varied)].ravel() for part in (y, w))
            beta = fit_logistic(design, target, weights, self.settings)
            d = x.shape[1]
            slopes[varied] = beta[:d] / spread
            # A larger scale is never less likely to be right.
            thresholds[varied] = np.maximum.accumulate(beta[-1] + _FREE * beta[d:-1])
        self._keep(slopes, thresholds, center)

    def _draw(self, w: FloatArray) -> IntArray:
        """Give the rows to learn from, in their order."""
        known = np.flatnonzero(w.any(axis=1))
        if len(known) <= self.settings.ordinal_rows:
            return known
        rng = np.random.default_rng(self.settings.seed)
        return np.sort(rng.choice(known, self.settings.ordinal_rows, replace=False))
