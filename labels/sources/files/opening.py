"""Opens a local file of any kind that is read here, by the ending of its name."""

import gzip
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from labels.sources.files.delimited import read_delimited
from labels.sources.files.json_rows import read_json, read_json_lines
from labels.sources.files.parquet_rows import read_parquet
from labels.sources.files.table import Table
from m3_backbone.serialization import one_line

PACKED = ".gz"

TEXTS: dict[str, Callable[[BinaryIO, int | None], Table]] = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".csv": lambda file, most: read_delimited(file, ",", most),
    ".tsv": lambda file, most: read_delimited(file, "\t", most),
}
"""Ending -> reader of at most so many rows; all of these may be packed, `PACKED` in addition."""

KINDS = (*TEXTS, ".json", ".parquet")

RATIO = 200
BASE = 2**26
"""A packed file may hold so many times its size, and this many bytes beside; a bomb holds more."""


def kind_of(path: Path) -> str:
    """Give the ending by which a file is read, "" if there is no reader of it.

    >>> kind_of(Path("q.jsonl.GZ")), kind_of(Path("q.xlsx")), kind_of(Path("q.parquet.gz"))
    ('.jsonl', '', '')
    """
    name = path.name.lower()
    bare = name.removesuffix(PACKED)
    kind = Path(bare).suffix
    return kind if kind in KINDS and (kind != ".parquet" or bare == name) else ""


def open_table(path: Path, most: int | None = None, field: str | None = None) -> Table:
    """Open a file as rows.

    Args:
        path: a file of one of `KINDS`.
        most: rows to read at most, from the start; fewer are only found faster.
        field: where a .json file holds its rows; found by itself if None.

    Returns:
        The rows.

    Raises:
        ValueError: if the file is of another kind, damaged, or empty.
    """
    kind = kind_of(path)
    if not kind:
        raise ValueError(f"{path} is no file that questions are read from; known: {list_kinds()}")
    if field is not None and kind != ".json":
        raise ValueError(f"--field names a part of a .json file; {path} has none")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty; expected one question a line or row")
    try:
        return read_parquet(path) if kind == ".parquet" else _read_text(path, kind, most, field)
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path} cannot be read as a data set: {one_line(error)}") from error


def list_kinds() -> str:
    """List the endings that are read, for messages."""
    return f"{', '.join(KINDS)} (all but .parquet also with {PACKED})"


def _read_text(path: Path, kind: str, most: int | None, field: str | None) -> Table:
    file = _unpack(path) if path.name.lower().endswith(PACKED) else path.open("rb")
    try:
        return read_json(file, field, most) if kind == ".json" else TEXTS[kind](file, most)
    except ValueError:
        file.close()
        raise


def _unpack(path: Path) -> BinaryIO:
    # Into a nameless file: rows are read in any order, which a packed file is slow at.
    limit = RATIO * path.stat().st_size + BASE
    # It is handed over open, and closed with the rows.
    unpacked = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        with gzip.open(path) as packed:
            while chunk := packed.read(2**20):
                unpacked.write(chunk)
                if unpacked.tell() > limit:
                    raise ValueError(f"it holds more than {RATIO} times its own size")
        unpacked.seek(0)
    except BaseException:
        unpacked.close()
        raise
    return unpacked
