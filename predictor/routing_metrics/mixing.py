"""Choices that are mixed, so that what is compared costs the same.

The gap closed changes by about 0.01 with each visual token, and a lambda that was solved on another
split spends a little less or more than its budget. So contestants are compared where a coin decides
between two behaviours of each, and all spend the budget exactly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from predictor.data import FloatArray, IntArray


@dataclass(frozen=True)
class Mixture:
    """For each of q budgets two choices, and how often the second is taken.

    Attributes:
        first: index of the chosen scale of every question [n, q].
        second: the same of the dearer choice [n, q].
        share: how often the second is taken, in [0, 1] [q].
    """

    first: IntArray
    second: IntArray
    share: FloatArray

    @classmethod
    def plain(cls, chosen: IntArray) -> "Mixture":
        """Take choices [n, q] as they are."""
        return cls(chosen, chosen, np.zeros(chosen.shape[1]))

    @classmethod
    def join(cls, mixtures: Sequence["Mixture"]) -> "Mixture":
        """Put the columns of several mixtures beside each other."""
        return cls(
            np.hstack([one.first for one in mixtures]),
            np.hstack([one.second for one in mixtures]),
            np.concatenate([one.share for one in mixtures]),
        )

    def column(self, number: int) -> "Mixture":
        """Keep one budget."""
        one = slice(number, number + 1)
        return Mixture(self.first[:, one], self.second[:, one], self.share[one])

    def average(self, measure: Callable[[IntArray], FloatArray]) -> FloatArray:
        """Measure both choices.

        Args:
            measure: choices [n, q] to numbers [..., q].

        Returns:
            What the coin gives on average [..., q].

        >>> mixed = Mixture(np.array([[0]]), np.array([[1]]), np.array([0.25]))
        >>> mixed.average(lambda chosen: np.array([[1.0, 9.0]])[0, chosen])
        array([[3.]])
        """
        first, second = measure(self.first), measure(self.second)
        return np.asarray(first + self.share * (second - first))

    def pick(self, table: FloatArray) -> FloatArray:
        """Give what every question gets of a table [n, s] on average [n, q]."""
        values = np.asarray(table, np.float64)
        return self.average(lambda chosen: np.take_along_axis(values, chosen, axis=1))
