"""Finds the files of a split in a folder, by name: nothing below it is searched or opened."""

import re
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from labels.sources.files.opening import kind_of, list_kinds, open_table
from labels.sources.files.table import Record, Rows, Table

DATA = "data"
"""Where the Hub's copies keep their files."""

SHOWN = 6

SHARD = re.compile(r"-(\d{5})-of-(\d{5})\b")
"""Number of a part of a split, from 0, and how many there are."""


def find_files(folder: Path, split: str) -> list[Path]:
    """Find the files of a split.

    Args:
        folder: the folder.
        split: its name.

    Returns:
        The files in a folder of that name, or those whose names begin with it, there or in `DATA`;
        or the only file there is.

    Raises:
        ValueError: if there is none, or it is not clear which.
    """
    for place in (folder / split, folder / DATA / split):
        if found := _list_files(place):
            return _check_shards(folder, found)
    files = [*_list_files(folder), *_list_files(folder / DATA)]
    named = [path for path in files if path.name.startswith((f"{split}.", f"{split}-"))]
    if named:
        return _check_shards(folder, named)
    if len(files) == 1:
        return files
    there = ", ".join(path.name for path in files[:SHOWN]) or "none"
    raise ValueError(
        f"{folder} is no saved data set, and of its files none belongs to the split {split!r} "
        f"(there: {there}): name the file; read are {list_kinds()}"
    )


def open_files(paths: Sequence[Path], most: int | None = None, field: str | None = None) -> Table:
    """Open files that follow each other as one table.

    Args:
        paths: the files, at least one.
        most: rows to read at most, from the start.
        field: as in `open_table`.

    Returns:
        All rows, and the columns of any of them.
    """
    tables = [open_table(path, most, field) for path in paths]
    ends = list(accumulate(len(table.rows) for table in tables))

    def read(index: int) -> Record:
        place = next(place for place, end in enumerate(ends) if index < end)
        return tables[place].rows[index - ends[place] + len(tables[place].rows)]

    columns = dict.fromkeys(name for table in tables for name in table.columns)
    return Table(Rows(ends[-1], read), tuple(columns))


def _list_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    files = (path for path in folder.iterdir() if path.name[0] != "." and kind_of(path))
    return sorted(path for path in files if path.is_file())


def _check_shards(folder: Path, files: list[Path]) -> list[Path]:
    kinds = {kind_of(path) for path in files}
    if len({path.parent for path in files}) > 1 or len(kinds) > 1:
        there = ", ".join(path.name for path in files[:SHOWN])
        raise ValueError(f"{folder} holds several files of the split ({there}): name one")
    names = [path.name.removesuffix(".gz") for path in files]
    double = [name for name in names if names.count(name) > 1]
    if double:
        raise ValueError(f"{folder} holds {double[0]} packed and unpacked: name one of the two")
    shards = [match for match in map(SHARD.search, names) if match]
    expected = [(number, len(files)) for number in range(len(files))]
    if shards and sorted((int(one[1]), int(one[2])) for one in shards) != expected:
        there = ", ".join(names[:SHOWN])
        raise ValueError(
            f"{folder} holds parts of the split that are no whole set, numbered from 0 ({there}): "
            "fetch what is missing, and remove what belongs to another set"
        )
    return files
