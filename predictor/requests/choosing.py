"""Choosing the scales of a batch, each row by its own operating point, and the reasons."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from predictor.data import FloatArray, IntArray
from predictor.policy.budgets import OperatingPoint
from predictor.policy.certificates import Certificate
from predictor.requests.decisions import GIVEN, KNOB, ROUTER, UNFAMILIAR


def choose_scales(
    points: Sequence[OperatingPoint | None],
    probabilities: Mapping[bool, FloatArray],
    tokens: FloatArray,
    room: IntArray,
    outside: NDArray[np.bool_],
) -> tuple[IntArray, list[str]]:
    """Choose a scale for every row, among those that its prompt has room for.

    Args:
        points: the operating point of each row; None where a scale is given.
        probabilities: P(correct) [n, s], calibrated under True and the router's own under False;
            either may be missing where no point uses it.
        tokens: visual tokens, rising along the scales [n, s].
        room: most visual tokens of each row [n].
        outside: which rows are too unlike the training split for the router [n].

    Returns:
        Column of each row, -1 where the scale is given [n], and the reason of each.
    """
    fitting = np.maximum((tokens <= room[:, None]).sum(axis=1), 1)  # [n]
    columns = np.full(len(points), -1, np.int64)
    reasons = [GIVEN if point is None else find_reason(point) for point in points]
    # By identity: a batch has few points, and rows that share one are chosen together.
    kinds = [(id(point), int(count)) for point, count in zip(points, fitting, strict=True)]
    for kind in dict.fromkeys(kinds):
        rows = np.array([row for row, other in enumerate(kinds) if other == kind])
        point = points[rows[0]]
        if point is not None:
            # Of the first scales alone: the others have no room.
            part = (rows[:, None], np.arange(kind[1]))
            columns[rows] = point.choose(probabilities[point.calibrated][part], tokens[part])
    for row in np.flatnonzero(outside & (columns >= 0)):
        columns[row], reasons[row] = fitting[row] - 1, UNFAMILIAR
    return columns, reasons


def find_reason(point: OperatingPoint) -> str:
    """Tell whether the router's probabilities matter to an operating point."""
    return KNOB if isinstance(point, Certificate) and point.lam is None else ROUTER
