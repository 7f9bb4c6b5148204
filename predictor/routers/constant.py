"""The router that knows nothing: every scale's mean score, whatever is asked.

The floor of all comparisons; with it the policy uses one fixed scale for each lambda.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from predictor.data import FloatArray
from predictor.routers.base import check_fit, check_width, pack_arrays, unpack_arrays

RATES = "rates.npz"


class ConstantRouter:
    """The training split's mean score of every scale.

    Attributes:
        scales: the scales in column order [s].
        width_: features it was given; None before `fit`.
        rates_: mean scores [s].
    """

    kind: ClassVar[str] = "constant"

    def __init__(self, scales: tuple[int, ...]) -> None:
        self.scales = scales
        self.width_: int | None = None
        self.rates_: FloatArray = np.zeros(len(scales))

    def fit(
        self, features: FloatArray, correct: FloatArray, *, weights: FloatArray | None = None
    ) -> "ConstantRouter":
        """Average the outcomes; see `Router.fit`.

        Args:
            features: feature rows [n, d]; only their width is noted.
            correct: score of every scale [n, s], NaN where it was not tried.
            weights: weight of each row [n].

        Returns:
            The router itself.
        """
        x, y, w = check_fit(features, correct, weights, self.scales)
        self.width_, self.rates_ = x.shape[1], np.average(y, axis=0, weights=w)
        return self

    def predict_proba(self, features: FloatArray) -> FloatArray:
        """Give the rates for every row; see `Router.predict_proba`.

        Args:
            features: feature rows [n, d].

        Returns:
            Probabilities [n, s].
        """
        return np.tile(self.rates_, (len(check_width(features, self.width_)), 1))

    def to_files(self) -> dict[str, bytes]:
        """Give the rates as an .npz.

        Returns:
            File name -> content.

        Raises:
            ValueError: if the router is not fitted.
        """
        if self.width_ is None:
            raise ValueError("this router is not fitted; call fit first")
        return {RATES: pack_arrays({"rates": self.rates_, "width": np.array(self.width_)})}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes], scales: tuple[int, ...]) -> "ConstantRouter":
        """Rebuild a fitted router.

        Args:
            files: what `to_files` gave.
            scales: the scales in column order [s].

        Returns:
            The router.

        Raises:
            ValueError: if the file is missing or does not fit the scales.
        """
        arrays = unpack_arrays(files.get(RATES, b""))
        if np.shape(arrays.get("rates", np.zeros(0))) != (len(scales),) or "width" not in arrays:
            raise ValueError(f"{RATES} must hold rates for {len(scales)} scales")
        router = cls(scales)
        router.width_, router.rates_ = int(arrays["width"]), arrays["rates"]
        return router
