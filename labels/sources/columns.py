"""Which columns of a table hold the fields of a question.

A field is named by a column; by several with commas between them (`SEVERAL`); by a file name that
is made of columns, such as "{image_id}.jpg"; or by some of these with | between
them, of which the first counts that the table has. A | at the end says that there may be none.
"""

import re
from collections.abc import Mapping, Sequence

from labels.cells import is_empty, read_text
from labels.sources.files.table import Record

REQUIRED_COLUMNS = ("image", "question", "answers")
OPTIONAL_COLUMNS = ("sample_id", "metric", "choices", "group", "answer_index", "context")
FIELDS = (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)

SEVERAL = ("image", "choices")

USUAL = {"image": "image|file_name"}
"""Other usual names of a field's column; those of image folders have `file_name`."""

PART = re.compile(r"\{([^{}:]+)(?::0([1-9][0-9]?))?\}")
"""A column in a file name; {NAME:012} fills up with zeros to 12 digits."""


def map_columns(
    source: str, present: Sequence[str], columns: Mapping[str, str], needed: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Find the columns of each field.

    Args:
        source: what messages call the table.
        present: its columns.
        columns: field -> column, where its name is another; see the module.
        needed: fields that must be there.

    Returns:
        Field -> its columns, of the fields that the table has.

    Raises:
        ValueError: if a field is unknown, or one that is needed or was named has no column.
    """
    mapped: dict[str, tuple[str, ...]] = {}
    for field in columns:
        if field not in FIELDS:
            raise ValueError(f"unknown field {field!r} in the columns; known: {', '.join(FIELDS)}")
    for field in FIELDS:
        named = columns.get(field, USUAL.get(field, field))
        names = _alternatives(named, present)
        ways = [_split(field, name, present) for name in names if name]
        found = [way for way in ways if not _missing(way, present)]
        if found:
            mapped[field] = found[0]
        elif field in needed or (field in columns and "" not in names):
            raise ValueError(
                f"{source} has no column {_missing(ways[0], present)[0]!r} for the field "
                f"{field!r}; it has: {', '.join(present)}; name the right one as {field}=COLUMN"
            )
    return mapped


def take_cell(row: Record, column: str) -> object:
    """Take the cell of a column, or make the file name of an image; None if a part is missing."""
    if column in row or not PART.search(column):
        return row.get(column)
    parts = [name for name, _ in PART.findall(column)]
    if any(is_empty(row.get(name)) for name in parts):
        return None

    def fill(match: re.Match[str]) -> str:
        text = read_text(row[match[1]], f"column {match[1]!r}")
        return text.zfill(int(match[2] or 0))

    return PART.sub(fill, column)


def _alternatives(named: str, present: Sequence[str]) -> list[str]:
    # A column may have such a mark in its name, so the whole name is tried first.
    return [named] if named in present else named.split("|")


def _split(field: str, named: str, present: Sequence[str]) -> tuple[str, ...]:
    return tuple(named.split(",")) if field in SEVERAL and named not in present else (named,)


def _missing(names: Sequence[str], present: Sequence[str]) -> list[str]:
    """List the columns, also those within file names, that are not there."""
    parts = [
        part
        for name in names
        for part in ([name] if name in present else [n for n, _ in PART.findall(name)] or [name])
    ]
    return [part for part in parts if part not in present]
