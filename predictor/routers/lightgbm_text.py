"""LightGBM's text of a model, read into a forest without LightGBM.

LightGBM's own reader ends the process on a text that is not as it wrote it. This one takes what our
settings make it write (one class, numbers only, no linear leaves) and refuses all else.
"""

import math
import sys
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from m3_backbone.serialization import show
from predictor.routers.base import MOST_FEATURES
from predictor.routers.forest import MOST_LEAVES, Forest, join_forests

T = TypeVar("T", int, float)

HEADER = {"num_class": "1", "num_tree_per_iteration": "1", "objective": "cross_entropy"}
TREE = {"num_cat": "0", "is_linear": "0"}
"""Fields that must be as they are here."""

_DEFAULT_LEFT, _NAN_IS_MISSING = 2, 8
"""Bits of `decision_type`: where missing numbers go, and whether NaN is one (else it is 0)."""


def read_forest(content: bytes, width: int) -> Forest:
    """Read a model.

    Args:
        content: what `Booster.model_to_string` gave, as UTF-8.
        width: number of features that it must have.

    Raises:
        ValueError: if the text is no such model.
    """
    text, end, _ = content.decode().partition("\nend of trees\n")
    head, *trees = text.split("\nTree=")
    header = _read_fields(head, HEADER)
    if not end or not trees or "average_output" in header:
        raise ValueError("not a whole LightGBM model; train the router again")
    [last] = _read_numbers(header, "max_feature_idx", 1, int)
    if last + 1 != width:
        raise ValueError(f"boosted router expects {width} features, a booster {last + 1}")
    forests = [_read_tree(_read_fields(tree, TREE)) for tree in trees]
    return join_forests(forests).check(width)


def constant_forest(value: float) -> Forest:
    """Make a forest of one tree that gives one value, whatever the features."""
    none = np.zeros((1, 1), np.int32)  # a node that rules out nothing
    gone = np.zeros((1, 1), np.uint32)
    return Forest(none, np.zeros((1, 1)), none > 0, gone, np.array([[value], [0.0]]))


def _read_fields(text: str, wanted: dict[str, str]) -> dict[str, str]:
    fields = {}
    for line in text.splitlines():
        name, _, value = line.partition("=")
        fields[name] = value
    for name, value in wanted.items():
        if fields.get(name, value) != value:
            raise ValueError(f"a LightGBM model with {name}={show(fields[name])} is not ours")
    return fields


def _read_numbers(
    fields: dict[str, str], name: str, count: int, number: Callable[[str], T]
) -> list[T]:
    try:
        values = [number(word) for word in fields[name].split()]
    except (KeyError, ValueError) as error:
        raise ValueError(f"a LightGBM model's {name} cannot be read; train again") from error
    if len(values) != count or not all(map(math.isfinite, values)):
        raise ValueError(f"a LightGBM model's {name} must be {count} finite numbers; train again")
    return values


def _read_threshold(word: str) -> float:
    # Infinite where only missing numbers go right. No feature is infinite, so that the largest
    # number does the same, and a saved router holds finite numbers alone. Of NaN it stays NaN.
    return min(float(word), sys.float_info.max)


def _read_tree(fields: dict[str, str]) -> Forest:
    [leaves] = _read_numbers(fields, "num_leaves", 1, int)
    if not 1 <= leaves <= MOST_LEAVES:
        raise ValueError(f"a tree has {leaves} leaves, at most {MOST_LEAVES} can be read")
    values = _read_numbers(fields, "leaf_value", leaves, float)
    if leaves == 1:
        return constant_forest(values[0])
    count = leaves - 1
    children = [_read_numbers(fields, f"{side}_child", count, int) for side in ("left", "right")]
    gone, order = _number_leaves(*children)
    thresholds = np.array(_read_numbers(fields, "threshold", count, _read_threshold))
    types = np.array(_read_numbers(fields, "decision_type", count, int))
    both = _DEFAULT_LEFT | _NAN_IS_MISSING
    if np.any(types & ~both):
        raise ValueError("a LightGBM model splits categories or zeros; that is not ours")
    feature = _read_numbers(fields, "split_feature", count, int)
    if not 0 <= min(feature) <= max(feature) < MOST_FEATURES:
        raise ValueError("a LightGBM model splits a feature that is not there; train again")
    right = np.where(types & _NAN_IS_MISSING, types & _DEFAULT_LEFT == 0, thresholds < 0)
    return Forest(
        feature=np.array(feature, np.int32)[:, None],
        threshold=thresholds[:, None],
        missing_right=right[:, None],
        gone=np.array(gone, np.uint32 if leaves <= 32 else np.uint64)[:, None],
        value=np.array(values)[order][:, None],
    )


def _number_leaves(left: list[int], right: list[int]) -> tuple[list[int], list[int]]:
    """Go through a tree from left to right.

    Args:
        left: left child of each node; a leaf is -1 - its number [m].
        right: right child of each node [m].

    Returns:
        The leaves on the left of each node, as bits [m], and the numbers of the leaves from left
        to right [m + 1].

    Raises:
        ValueError: if a node or a leaf is not reached exactly once.
    """
    gone: dict[int, int] = {}
    order: list[int] = []

    def go(child: int) -> None:
        if child < 0:
            order.append(-1 - child)
            return
        if child >= len(left) or child in gone:
            raise ValueError("a tree has a cycle or a child that is not there; train again")
        gone[child] = 0  # it has been here
        first = len(order)
        go(left[child])
        gone[child] = (1 << len(order)) - (1 << first)
        go(right[child])

    go(0)
    if len(gone) < len(left) or sorted(order) != list(range(len(left) + 1)):
        raise ValueError("a tree has nodes or leaves that cannot be reached; train again")
    return [gone[node] for node in range(len(left))], order
