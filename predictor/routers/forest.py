"""Decision trees as arrays, evaluated in numpy. Not a learner.

Every tree numbers its leaves from left to right, and every node says which leaves are ruled out
when a row goes right: those on its left. A row ends at the first leaf that no node rules out. Such
arrays can hold no cycle and no wrong child, whoever made them.

Source: Lucchese et al. 2015 (QuickScorer, SIGIR), for the leaves as bits of one number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.data import FloatArray

MOST_LEAVES = 64  # bits of the number that stands for a tree's leaves

AXES = {"feature": "mt", "threshold": "mt", "missing_right": "mt", "gone": "mt", "value": "lt"}
"""Arrays of a forest and their axes: m nodes of a tree, l leaves of a tree, t trees."""


@dataclass(frozen=True)
class Forest:
    """Trees side by side; where one has fewer nodes than another, nodes without effect follow.

    Attributes:
        feature: feature that each node looks at [m, t].
        threshold: a row goes right if the feature is more than this [m, t].
        missing_right: whether NaN goes right; else it goes left [m, t].
        gone: leaves that are ruled out when a row goes right, as bits; unsigned [m, t].
        value: what each leaf adds to the sum [m + 1, t].
    """

    feature: NDArray[Any]
    threshold: FloatArray
    missing_right: NDArray[Any]
    gone: NDArray[Any]
    value: FloatArray

    def check(self, width: int) -> "Forest":
        """Refuse what no training gives.

        Args:
            width: number of features.

        Returns:
            The same forest.

        Raises:
            ValueError: if a feature or a leaf is not there.
        """
        nodes, trees = self.feature.shape
        if nodes == 0 or trees == 0 or self.value.shape != (nodes + 1, trees):
            raise ValueError("a forest needs trees, and a leaf more than nodes; train again")
        integers = self.feature.dtype.kind in "iu" and self.gone.dtype.kind == "u"
        bits = 8 * self.gone.dtype.itemsize
        # The last leaf is left of no node: one is always left over.
        if not integers or bits <= nodes or np.any(self.gone >> self.gone.dtype.type(nodes)):
            raise ValueError("a node rules out leaves that are not there; train the router again")
        if self.feature.min() < 0 or self.feature.max() >= width:
            raise ValueError(f"a node looks at a feature that is none of {width}; train again")
        return self

    def rule_out(self, x: FloatArray) -> NDArray[Any]:
        """Find the leaves that a row's nodes rule out.

        Args:
            x: feature rows [n, d].

        Returns:
            The leaves of each tree as bits [t, n].
        """
        seen = np.ascontiguousarray(x.T).take(self.feature, axis=0)  # [m, t, n]
        right = seen > self.threshold[..., None]  # NaN goes left
        if np.isnan(x).any():
            right |= np.isnan(seen) & self.missing_right[..., None]
        return np.asarray(np.bitwise_or.reduce(self.gone[..., None] * right, axis=0))

    def read_leaves(self, gone: NDArray[Any]) -> FloatArray:
        """Give the values of the first leaves that are left.

        Args:
            gone: leaves that are ruled out, as bits [t, n].

        Returns:
            Values [t, n].
        """
        # Adding 1 turns the ones at the end into zeros; they are as many as the leaf's number.
        leaf = np.bitwise_count(gone & ~(gone + gone.dtype.type(1)))
        return np.asarray(self.value[leaf, np.arange(self.value.shape[1])[:, None]])


def join_forests(forests: Sequence[Forest]) -> Forest:
    """Put the trees of several forests side by side."""
    nodes = max(len(forest.feature) for forest in forests)
    columns = {}
    for field in fields(Forest):
        parts = [getattr(forest, field.name) for forest in forests]
        rows = nodes + (field.name == "value")
        padded = [np.pad(part, ((0, rows - len(part)), (0, 0))) for part in parts]
        columns[field.name] = np.concatenate(padded, axis=1)
    return Forest(**columns)


def cut_blocks(x: FloatArray) -> Iterator[FloatArray]:
    """Cut rows [n, d] so that the conditions of all nodes stay in a processor's cache."""
    for start in range(0, len(x), 32):
        yield x[start : start + 32]
