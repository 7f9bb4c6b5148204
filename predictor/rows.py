"""Features that need not fit into memory: rows that lie elsewhere and are read a block at a time.

What this is not: a reader of files. Whoever owns the files gives rows that act as `Rows` says.
"""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK = 2**25
"""Numbers that are looked at in one go, 128 MiB as float32."""


class Rows(Protocol):
    """Rows [n, ...] that are read when they are indexed; picking some of them reads nothing."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, n first."""
        ...

    @property
    def finite(self) -> bool:
        """Whether no row holds NaN or an infinite number."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> NDArray[np.floating[Any]]: ...

    def pick(self, rows: NDArray[np.int64]) -> "Rows":
        """Keep the rows of these numbers [k], in their order."""
        ...


Features = NDArray[np.floating[Any]] | Rows
"""An array, or rows that are read when they are needed."""


def pick_rows(values: Features, rows: NDArray[np.int64]) -> Features:
    """Keep the rows of these numbers [k], in their order, and read none that is not in memory."""
    return values[rows] if isinstance(values, np.ndarray) else values.pick(rows)


def is_finite(values: Features) -> bool:
    """Tell whether there is neither NaN nor an infinite number."""
    return bool(np.isfinite(values).all()) if isinstance(values, np.ndarray) else values.finite


def cut_rows(count: int, width: int) -> Iterator[slice]:
    """Cut rows into blocks of about `BLOCK` numbers.

    Args:
        count: number of rows.
        width: numbers in a row.

    Yields:
        The blocks in order; an empty one if there are no rows.

    >>> list(cut_rows(5, BLOCK // 2))
    [slice(0, 2, None), slice(2, 4, None), slice(4, 5, None)]
    """
    step = max(BLOCK // max(width, 1), 1)
    for start in range(0, max(count, 1), step):
        yield slice(start, min(start + step, count))


def cut_chosen(rows: NDArray[np.int64], width: int) -> list[NDArray[np.int64]]:
    """Cut chosen rows into blocks of about `BLOCK` numbers.

    Args:
        rows: numbers of the rows [k].
        width: numbers in a row.

    Returns:
        The blocks, in the order given; ascending where there are several, since the disk is read
        several times faster in its own order.
    """
    cuts = list(cut_rows(len(rows), width))
    ordered = np.sort(rows) if len(cuts) > 1 else rows
    return [ordered[cut] for cut in cuts]
