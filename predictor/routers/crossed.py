"""The rows that all scales of the boosted router share, made while LightGBM reads them."""

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from predictor.data import FloatArray


class CrossedRows(lgb.Sequence):
    """Every row once per scale, with the scale's number as a last feature [n * s, d + 1].

    Never held whole: at a million rows it would be several times all else.

    Attributes:
        x: feature rows [n, d].
        scales: number of scales s.
        batch_size: rows that LightGBM takes in one go.
    """

    batch_size = 8192

    def __init__(self, x: FloatArray, scales: int) -> None:
        self.x = x
        self.scales = scales

    def __len__(self) -> int:
        return len(self.x) * self.scales

    def __getitem__(self, index: int | slice | list[int]) -> NDArray[np.float64]:
        if isinstance(index, slice):
            return self._cross(np.arange(index.start, index.stop))
        return self._cross(np.asarray(index, np.int64))

    def _cross(self, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        rows, scales = np.divmod(numbers, self.scales)
        return np.concatenate([self.x[rows], scales[..., None]], axis=-1)
