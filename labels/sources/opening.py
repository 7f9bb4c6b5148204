"""Opens a source that has rows: local files, a folder, a saved data set, or one of the Hub.

What is here is never looked for on the Hub. Local files are read by `labels.sources.files`, which
keeps no copies: what is in a file counts, and nothing that was read of it before.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labels.sources.files.folders import find_files, open_files
from labels.sources.files.opening import PACKED, kind_of, list_kinds
from labels.sources.files.table import Table
from m3_backbone.serialization import one_line

ANY_SPLIT = "test"
"""The split of a source that has several, where none was named."""

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)?(?::[^/\\]+)?")
FILE_ENDINGS = (*".txt .xlsx .xls .zip .tar .arrow .md .yaml .yml .png .jpg .jpeg".split(), PACKED)
SAVED = ("dataset_dict.json", "state.json")


@dataclass(frozen=True)
class Opened:
    """A source's rows.

    Attributes:
        table: the rows and columns.
        name: what to call it.
        folder: where its relative image paths start.
        split: the split whose rows alone count, by their column `SPLIT_COLUMN`; None if all do.
    """

    table: Table
    name: str
    folder: Path
    split: str | None = None


SPLIT_COLUMN = "split"


def open_source(
    source: str, split: str | None, most: int | None = None, field: str | None = None
) -> Opened:
    """Open a source.

    Args:
        source: a path, or a name on the Hub; what exists is a path.
        split: the split. Rows of a file with a column `SPLIT_COLUMN` are chosen by it; a file
            without one has no splits.
        most: rows that are needed at most.
        field: where a .json file holds its rows.

    Returns:
        The rows.

    Raises:
        FileNotFoundError: if the source looks like a path and there is nothing.
        ValueError: if it cannot be read.
    """
    path = Path(source).expanduser()
    if path.is_file():
        # Rows of other splits may stand in front.
        table = open_files([path], None if split else most, field)
        chosen = split if SPLIT_COLUMN in table.columns else None
        return Opened(table, source, path.parent, chosen)
    if path.is_dir():
        return _open_folder(source, path, split or ANY_SPLIT, most, field)
    if path.exists():
        raise ValueError(f"{source} is no regular file; expected a file of {list_kinds()}")
    if not HUB_NAME.fullmatch(source) or kind_of(path) or path.suffix.lower() in FILE_ENDINGS:
        raise FileNotFoundError(f"there is no data set at {source}; check the path")
    _refuse_field(source, field)
    return _open_hub(source, split or ANY_SPLIT)


def _open_folder(
    source: str, path: Path, split: str, most: int | None, field: str | None
) -> Opened:
    if any((path / name).exists() for name in SAVED):
        _refuse_field(source, field)
        return _open_saved(source, path, split)
    files = find_files(path, split)
    return Opened(open_files(files, most, field), f"{source}:{split}", files[0].parent)


def _refuse_field(source: str, field: str | None) -> None:
    if field is not None:
        raise ValueError(f"--field names a part of a .json file; {source} has none")


def _open_saved(source: str, path: Path, split: str) -> Opened:
    import datasets

    with _datasets_errors(source):
        loaded = datasets.load_from_disk(str(path))
    if isinstance(loaded, dict):
        if split not in loaded:
            raise ValueError(f"{source} has no split {split!r}; it has: {', '.join(loaded)}")
        loaded = loaded[split]
    return _keep_encoded(source, loaded, path)


def _open_hub(source: str, split: str) -> Opened:
    import datasets  # a second of import that local files do not need

    name, _, configuration = source.partition(":")
    with _datasets_errors(source):
        loaded = datasets.load_dataset(name, configuration or None, split=split)
    return _keep_encoded(source, loaded, Path())


def _keep_encoded(source: str, loaded: Any, folder: Path) -> Opened:
    """Let a data set give images as they are stored: they are checked and hashed before."""
    import datasets

    encoded = datasets.Image(decode=False)
    with _datasets_errors(source):
        for column, feature in loaded.features.items():
            if isinstance(feature, datasets.Image):
                loaded = loaded.cast_column(column, encoded)
            elif isinstance(getattr(feature, "feature", None), datasets.Image):
                loaded = loaded.cast_column(column, datasets.List(encoded))
    name = f"{source}:{loaded.split}" if loaded.split else source
    return Opened(Table(loaded, tuple(loaded.column_names)), name, folder)


@contextmanager
def _datasets_errors(source: str) -> Iterator[None]:
    import datasets

    # It is kept quiet, and what it could not do is said in one line.
    were_off = datasets.are_progress_bars_disabled()
    verbosity = datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # what it logs, it raises as well
    try:
        yield
    except Exception as error:  # of folders and repositories that are no data sets it raises any
        # What went wrong is in the cause; `datasets` wraps it in a general message.
        reason = one_line(error.__cause__ or error)
        raise ValueError(f"{source} cannot be read as a data set: {reason}") from error
    finally:
        datasets.logging.set_verbosity(verbosity)
        if not were_off:
            datasets.enable_progress_bars()
