"""Rows of columns and cells, as every reader of files gives them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, overload

Record: TypeAlias = Mapping[str, Any]
"""One row: column -> cell. A column that a row lacks is an empty cell."""


class Rows(Sequence[Record]):
    """Rows that are read when they are taken; memory holds none of them."""

    def __init__(self, count: int, read: Callable[[int], Record]) -> None:
        """Take how many there are, and what reads one by its number or raises ValueError."""
        self._count = count
        self._read = read

    def __len__(self) -> int:
        """Count the rows."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | Sequence[Record]:
        """Read one row, or several."""
        numbers = range(self._count)[index]
        if isinstance(numbers, range):
            return [self._read(number) for number in numbers]
        return self._read(numbers)


@dataclass(frozen=True)
class Table:
    """The rows of a file, or of several.

    Attributes:
        rows: read by number.
        columns: names of all columns, in order.
    """

    rows: Sequence[Record]
    columns: tuple[str, ...]
