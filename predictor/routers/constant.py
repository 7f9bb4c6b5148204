"""The router that knows nothing: every scale's mean score, whatever is asked.

The floor of all comparisons; with it the policy uses one fixed scale for each lambda.
"""

from typing import ClassVar

import numpy as np

from predictor.data import FloatArray, NameArray
from predictor.routers.base import ArrayRouter


class ConstantRouter(ArrayRouter):
    """The training split's mean score of every scale; of features only the number is kept.

    >>> correct = np.array([[0.0, 1.0], [1.0, 1.0]])
    >>> router = ConstantRouter((36, 576)).fit(np.zeros((2, 3)), correct)
    >>> router.predict_proba(np.ones((1, 3)))
    array([[0.5, 1. ]])
    """

    kind: ClassVar[str] = "constant"
    takes_missing: ClassVar[bool] = True
    file: ClassVar[str] = "rates.npz"
    shapes: ClassVar[dict[str, str]] = {"rates": "s", "width": ""}

    def _learn(self, x: FloatArray, y: FloatArray, w: FloatArray, clusters: NameArray) -> None:
        self.arrays_ = {
            "rates": np.average(y, axis=0, weights=w),
            "width": np.array(x.shape[1]),
        }

    def _predict(self, x: FloatArray) -> FloatArray:
        return np.tile(self.arrays_["rates"], (len(x), 1))

    def _width(self) -> int:
        return int(self.arrays_["width"])
