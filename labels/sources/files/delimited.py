"""Rows from CSV and TSV with a header, quoted as spreadsheets and pandas do."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from labels.sources.files.table import Record, Rows, Table
from labels.sources.files.texts import Places, skip_mark

LARGEST_CELL = 2**31 - 1
"""Characters; the parser's own limit of 131,072 is less than an image in base64."""


def read_delimited(file: BinaryIO, delimiter: str, most: int | None = None) -> Table:
    """Find the rows of a CSV or TSV file; its first line names the columns.

    Args:
        file: the file, in UTF-8.
        delimiter: what stands between two cells.
        most: rows to find at most.

    Returns:
        The rows: cells are text, and empty ones None.

    Raises:
        ValueError: if quotes are not closed, or two columns have one name.
    """
    csv.field_size_limit(LARGEST_CELL)
    places = Places(file)
    ends = [skip_mark(file)]
    # Strict: a quote that is never closed would take all that follows for one cell.
    records = csv.reader(_decode_lines(file, ends), delimiter=delimiter, strict=True)
    try:
        columns = tuple(next(records, ()))
        double = next((name for name in columns if columns.count(name) > 1), None)
        if double is not None:
            raise ValueError(f"two of its columns are called {double!r:.80}")
        start = ends[-1]
        while len(places) != most and (cells := next(records, None)) is not None:
            if cells:  # none in a blank line
                places.add(start, ends[-1])
            start = ends[-1]
    except csv.Error as error:
        raise ValueError(f"line {records.line_num}: {error}") from error

    def read(index: int) -> Record:
        text = io.StringIO(places.read(index).decode(), newline="")
        cells = next(csv.reader(text, delimiter=delimiter, strict=True))
        if len(cells) != len(columns):
            raise ValueError(
                f"row {index + 1}: expected {len(columns)} cells as in the header, got {len(cells)}"
            )
        return {name: cell or None for name, cell in zip(columns, cells, strict=True)}

    return Table(Rows(len(places), read), columns)


def _decode_lines(file: BinaryIO, ends: list[int]) -> Iterator[str]:
    """Give the lines one by one; the last entry of `ends` is where the last one ends [bytes]."""
    for line in file:
        ends[-1] += len(line)
        yield line.decode()
