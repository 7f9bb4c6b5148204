"""A cumulative model: one line through the features, a threshold for each scale.

Assumes that what a scale gets right, dearer ones do too, so it needs few rows and its
probabilities never fall with the scale. Where more tokens are not always better it is wrong.

Source: McCullagh 1980, Regression models for ordinal data (proportional odds).
"""

from typing import ClassVar

import numpy as np

from predictor.data import FloatArray
from predictor.interface import center_and_spread, check_finite, check_fit, log_odds
from predictor.linear import LinearRouter, fit_logistic

# Makes the penalty on a threshold a ten-thousandth of that on a slope: thresholds are free.
_FREE = 100.0


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
