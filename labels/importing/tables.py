"""Files to records: CSV, TSV, JSON, JSON lines and Excel, each record with names for its cells.

What this is not: a view on what the names mean; that is what the layouts know.
"""

import csv
import zipfile
from pathlib import Path
from typing import Any

from labels.importing.cells import Record
from m3_backbone.serialization import one_line, parse_json

LONGEST_CELL = 2**24
"""Characters of a cell, such as an image in base64."""

MOST_UNPACKED = 2**30
"""Bytes that an Excel file may unpack to."""

SEPARATORS = {".csv": ",", ".tsv": "\t"}


def read_records(path: Path) -> list[Record]:
    """Read a table.

    Args:
        path: a .csv, .tsv or .xlsx file; of any other, JSON with one object a line, or a .json file
            that is one list or object.

    Returns:
        One dict a row, at least one; cells as the file has them.

    Raises:
        ValueError: if the file cannot be read as what its name says, or has no row.
    """
    suffix = path.suffix.lower()
    if suffix in SEPARATORS:
        records = _read_separated(path, SEPARATORS[suffix])
    elif suffix == ".xlsx":
        records = _read_excel(path)
    else:
        records = _read_json(path, suffix == ".json")
    if not records:
        raise ValueError(f"{path} has no rows")
    return records


def list_records(values: object, path: Path) -> list[Record]:
    """Take the records of a JSON list.

    Args:
        values: the list.
        path: the file, for messages.

    Returns:
        The records, at least one.

    Raises:
        ValueError: if it is no list, is empty, or holds something else.
    """
    if not isinstance(values, list) or not values:
        raise ValueError(f"{path} has no rows")
    return [_check_record(value, f"{path}, row {row}") for row, value in enumerate(values, 1)]


def _read_separated(path: Path, separator: str) -> list[Record]:
    # Module-wide, as csv knows no other way; nothing else here reads CSV.
    csv.field_size_limit(LONGEST_CELL)
    rows: list[list[Any]] = []
    start = 1  # line of the row that is being read
    try:
        # utf-8-sig drops the mark that spreadsheets put first; newline="" is csv's own wish.
        with path.open(encoding="utf-8-sig", newline="") as file:
            # Strict: a quote that is never closed would take all that follows for one cell.
            reader = csv.reader(file, delimiter=separator, strict=True)
            for row in reader:
                rows += [row] if row else []  # none in a blank line
                start = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {start}: expected a table in UTF-8: {error}; is a quote not closed, "
            "or is something behind it?"
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a table in UTF-8: {error}") from error
    for number, cells in enumerate(rows):
        if len(cells) < len(rows[0]):
            raise ValueError(
                f"{path}, row {number}: it has {len(cells)} cells, the table has {len(rows[0])} "
                "columns; is the file cut short?"
            )
    return _name_cells(path, rows)


def _read_excel(path: Path) -> list[Record]:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MOST_UNPACKED:
            raise ValueError(f"it unpacks to {unpacked} bytes")
        # A text that begins with = was written as a formula, which has no value before Excel ran.
        values, formulas = _read_sheet(path, data_only=True), _read_sheet(path, data_only=False)
        rows = [
            [text if value is None else value for value, text in zip(*pair, strict=True)]
            for pair in zip(values, formulas, strict=True)
        ]
    except ImportError as error:
        raise ValueError(
            f"{path}: Excel files need openpyxl (pip install openpyxl); or save it as .csv"
        ) from error
    # A damaged file makes openpyxl raise whatever its parts raise: KeyError, ParseError, TypeError.
    except Exception as error:
        raise ValueError(f"{path}: expected an Excel table: {one_line(error)}") from error
    return _name_cells(path, [row for row in rows if any(cell is not None for cell in row)])


def _read_sheet(path: Path, data_only: bool) -> list[list[Any]]:
    """Read the first sheet: of formulas what Excel made of them, or their text.

    Raises:
        ValueError: if another sheet has the same columns, whose rows would be lost.
    """
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=data_only)
    for sheet in book.worksheets:
        # Or every row is filled up to the last cell of the sheet: 17 thousand million of one stray.
        sheet.reset_dimensions()
    heads = [next(sheet.iter_rows(values_only=True), ()) for sheet in book.worksheets]
    if any(heads[0]) and heads[0] in heads[1:]:
        other = book.worksheets[heads.index(heads[0], 1)].title
        raise ValueError(f"the sheet {other!r} has the same columns as the first: join the two")
    rows = [list(row) for row in book.worksheets[0].iter_rows(values_only=True)]
    book.close()
    return rows


def _name_cells(path: Path, rows: list[list[Any]]) -> list[Record]:
    if not rows:
        return []
    names = ["" if name is None else str(name).strip() for name in rows[0]]
    while names and not names[-1]:
        names.pop()  # columns without a name at the end, which spreadsheets leave
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise ValueError(f"{path} has more than one column {double[0]!r}")
    records = []
    for number, cells in enumerate(rows[1:], start=1):
        if any(cell not in (None, "") for cell in cells[len(names) :]):
            raise ValueError(f"{path}, row {number}: it has more cells than the table has columns")
        # Spreadsheets leave out empty cells at the end.
        padded = [*cells, *[None] * (len(names) - len(cells))]
        records.append(dict(zip(names, padded, strict=False)))
    return records


def _read_json(path: Path, may_be_one: bool) -> list[Record]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected JSON or JSON lines in UTF-8, or a table (.csv, .tsv, .xlsx): {error}"
        ) from error
    whole = _parse_whole(text) if may_be_one else None
    if whole is not None:
        return list_records(whole if isinstance(whole, list) else [whole], path)
    # Not splitlines: JSON may hold other separators, such as U+2028, inside a text.
    lines = [(row, line) for row, line in enumerate(text.split("\n"), 1) if line.strip()]
    return [
        _check_record(_parse_line(line, path, row), f"{path}, line {row}") for row, line in lines
    ]


def _parse_whole(text: str) -> object:
    try:
        return parse_json(text)
    except ValueError:
        return None  # JSON lines under another name, perhaps


def _parse_line(line: str, path: Path, row: int) -> object:
    try:
        return parse_json(line)
    except ValueError as error:
        raise ValueError(
            f"{path}, line {row}: expected one JSON object per line: {error}"
        ) from error


def _check_record(value: object, where: str) -> Record:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected one JSON object per line, got another value")
    return value
