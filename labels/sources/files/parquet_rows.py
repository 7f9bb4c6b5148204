"""Rows from Parquet, a few at a time: a file of images is never in memory as a whole."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from labels.sources.files.table import Record, Rows, Table

DAMAGE = (
    pa.ArrowException,
    OSError,
    ValueError,
    LookupError,
    OverflowError,
    StopIteration,
    MemoryError,
)
"""What pyarrow raises of a damaged file; memory where a damaged count asks for too much of it."""

BATCH = 32
"""Rows that are decoded together."""


def read_parquet(path: Path) -> Table:
    """Open a Parquet file.

    Args:
        path: the file.

    Returns:
        The rows; those that stand near each other are read fastest in their order.

    Raises:
        ValueError: if it is no Parquet file, or damaged.
    """
    try:
        window = Window(path)
    except DAMAGE as error:
        raise ValueError(str(error)) from error
    return Table(Rows(window.count, window.read), tuple(window.columns))


class Window:
    """The batch of a file in which the last row was.

    Attributes:
        count: rows of the file.
        columns: names of its columns.
    """

    def __init__(self, path: Path) -> None:
        """Read the footer of the file.

        Raises:
            ValueError: if two columns have one name.
        """
        # Not mapped into memory: a file that is cut meanwhile would end the process.
        self._file = pq.ParquetFile(path, memory_map=False)
        self.count = self._file.metadata.num_rows
        self.columns = self._file.schema_arrow.names
        double = [name for name in self.columns if self.columns.count(name) > 1]
        if double:
            raise ValueError(f"{path} has more than one column {double[0]!r}")
        self._batches: Iterator[pa.RecordBatch] = iter(())
        self._batch: pa.RecordBatch | None = None
        # Numbers of the first row of the batch, and of the row behind the group it is from.
        self._start, self._end = 0, 0
        # First row and end of a part that is damaged, and what is wrong with it.
        self._broken: tuple[range, Exception] = (range(0), ValueError())
        self._lock = threading.Lock()  # images are loaded ahead by other threads

    def read(self, index: int) -> Record:
        """Read one row.

        Args:
            index: its number.

        Returns:
            Column -> cell.

        Raises:
            ValueError: if this part of the file is damaged.
        """
        try:
            with self._lock:
                batch = self._find_batch(index)
                row: Record = batch.slice(index - self._start, 1).to_pylist()[0]
        except DAMAGE as error:
            raise ValueError(f"row {index + 1} cannot be read: {error}") from error
        return row

    def _find_batch(self, index: int) -> pa.RecordBatch:
        rows, error = self._broken
        if index in rows:  # at once: what stands before it need not be read again
            raise error
        if not self._start <= index < self._end:
            self._open_group(index)
        while self._batch is None or index >= self._start + len(self._batch):
            self._start += 0 if self._batch is None else len(self._batch)
            try:
                self._batch = next(self._batches)
            except DAMAGE as damage:
                self._broken = range(self._start, self._end), damage
                # Nothing is left from which another row could be taken for this one.
                self._batch, self._start, self._end = None, 0, 0
                raise
        return self._batch

    def _open_group(self, index: int) -> None:
        """Begin at the start of the group of rows that holds a row."""
        group, start = 0, 0
        while index >= start + (rows := self._file.metadata.row_group(group).num_rows):
            start += rows
            group += 1
        self._batch, self._start, self._end = None, start, start + rows
        self._batches = self._file.iter_batches(BATCH, row_groups=[group], use_threads=False)
