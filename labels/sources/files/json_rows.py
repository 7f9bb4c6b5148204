"""Rows from JSON: one object a line, or one value that holds them all.

Parsed by Python's own parser, which names what is wrong with a file and does not end the process.
"""

from collections.abc import Mapping
from typing import Any, BinaryIO

from labels.sources.files.table import Record, Rows, Table
from labels.sources.files.texts import Places, skip_mark
from m3_backbone.serialization import parse_json, show

KEYS = ("id", "sample_id")
"""Columns of the keys where a file holds {key: row}."""


def read_json_lines(file: BinaryIO, most: int | None = None) -> Table:
    """Find the rows of a file with one JSON object a line.

    Args:
        file: the file; blank lines count for nothing.
        most: rows to find at most.

    Returns:
        The rows, and the columns that any of them has.
    """
    places = Places(file)
    columns: dict[str, None] = {}
    start = skip_mark(file)
    for line in file:  # ends at "\n" alone: other line separators may stand in a text
        if line.strip():
            places.add(start, start + len(line))
            # Of a line that is no row: it is named when it is read.
            columns.update(dict.fromkeys(_columns(line)))
        start += len(line)
        if len(places) == most:
            break

    def read(index: int) -> Record:
        return _parse_row(places.read(index), f"row {index + 1}")

    rows = Rows(len(places), read)
    if len(rows) and not columns:
        rows[0]  # raises: not even the first is a row
    return Table(rows, tuple(columns))


def read_json(file: BinaryIO, field: str | None = None, most: int | None = None) -> Table:
    """Read the rows of a file that is one JSON value, or has one object a line all the same.

    Args:
        file: the file: a list of rows; {key: row}; or an object with one of these under a name.
        field: that name; needed only if there are several lists.
        most: rows to take at most.

    Returns:
        The rows. Keys become the columns `KEYS` of rows that lack them.

    Raises:
        ValueError: if it is no JSON, or it is not clear where in it the rows are.
    """
    skip_mark(file)
    content = file.read()
    try:
        value = parse_json(content)
    except ValueError:
        if field is None and _columns(content.partition(b"\n")[0]):
            file.seek(0)
            return read_json_lines(file, most)
        raise
    file.close()
    found = _find_rows(value, field)[:most]
    columns = dict.fromkeys(name for row in found if isinstance(row, Mapping) for name in row)

    def read(index: int) -> Record:
        return _check_row(found[index], f"row {index + 1}")

    return Table(Rows(len(found), read), tuple(columns))


def _columns(line: bytes) -> list[str]:
    try:
        return list(_parse_row(line, ""))
    except ValueError:
        return []


def _parse_row(line: bytes, name: str) -> Record:
    try:
        value = parse_json(line)
    except ValueError as error:
        raise ValueError(f"{name} is not JSON: {error}") from error
    return _check_row(value, name)


def _check_row(value: Any, name: str) -> Record:
    if not isinstance(value, dict):
        raise ValueError(f"{name}: expected an object, got {show(value)}")
    return value


def _find_rows(value: Any, field: str | None) -> list[Any]:
    if field is not None:
        if not isinstance(value, dict) or field not in value:
            there = ", ".join(map(show, list(value)[:8])) if isinstance(value, dict) else "a list"
            raise ValueError(f"it has no field {field!r}; it has: {there}")
        value = value[field]
    elif _is_row(value):
        value = [value]
    elif isinstance(value, dict):
        value = _find_list(value)
    if isinstance(value, dict) and value and all(isinstance(row, dict) for row in value.values()):
        value = [{**dict.fromkeys(KEYS, key), **row} for key, row in value.items()]
    elif isinstance(value, dict) and not any(
        p == [] or isinstance(p, dict) for p in value.values()
    ):
        value = [value]  # a file of lines that has a single one
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of rows, or {{key: row}}, got {show(value)}")
    return value


def _is_row(value: Any) -> bool:
    """Tell whether a value is a single row: its lists, such as that of its answers, are cells."""
    return isinstance(value, dict) and isinstance(value.get("question"), str)


def _find_list(value: dict[str, Any]) -> Any:
    """Find the one list of objects under a name; without any, the value itself may be {key: row}.

    Raises:
        ValueError: if there are several.
    """
    names = [
        name
        for name, part in value.items()
        if isinstance(part, list) and part and isinstance(part[0], dict)
    ]
    if len(names) > 1:
        raise ValueError(
            f"it has several lists: {', '.join(map(show, names))}; say which with --field"
        )
    return value[names[0]] if names else value
