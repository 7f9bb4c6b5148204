"""What a command is going to write is checked before it does any work.

A file may replace what a command wrote before, and nothing else of a user's: that is told by its
content. Folders are checked by what writes them; here they meet the command's inputs.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from m3_backbone.files import Owned, check_output, write_json
from m3_backbone.serialization import parse_json

TABLES = (
    {"full", "rows"},  # ablate
    {"question", "answer", "scale", "visual_tokens"},  # ask, a list of them
    {"scales", "fixed", "always_right"},  # audit
    {"n_questions", "n_images", "fixed"},  # label
    {"parts", "workers", "missing"},  # label --status
    {"settings", "columns", "image_notes"},  # oracle
    {"headline", "families", "router"},  # report and demo
    {"kind", "calibration", "certified"},  # train
    {"certified", "proven_again"},  # verify
    {"checkpoint", "scales", "encode_ms"},  # profile
)
"""Keys of what each command writes as JSON, by which it is known for the project's own."""


class OutputFile(click.Path):
    """A file to write.

    Attributes:
        is_own: tells of a file that is there whether it may be replaced.
    """

    def __init__(self, is_own: Callable[[Path], bool]) -> None:
        super().__init__(path_type=Path)
        self.is_own = is_own


class OutputFolder(click.Path):
    """A folder to write; no input, though it may be there already."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)


def is_table(path: Path) -> bool:
    """Tell whether a file is JSON that a command wrote by --json, or a profile.

    Args:
        path: the file. What is no JSON is a ValueError.
    """
    content = parse_json(path.read_bytes())
    first = content[0] if isinstance(content, list) and content else content
    if not isinstance(first, dict):
        return False
    meta = first.get("meta")  # of reports and benchmarks
    measured = isinstance(meta, dict) and meta.keys() >= {"command", "hardware"}
    return measured or any(first.keys() >= form for form in TABLES)


def write_table(path: Path, content: object) -> None:
    """Write what a command prints as JSON.

    Args:
        path: the file. A ValueError says that it is something else by now: it may lie in the folder
            that the command has just written, under the name of one of its files.
        content: what `write_json` takes.
    """
    check_file(path, is_table)
    write_json(path, content)


def check_files(context: click.Context) -> None:
    """Check every `OutputFile` of a command.

    Args:
        context: the command's, its options read. A ValueError names a file that cannot be written,
            or should not be.
    """
    for one in context.command.params:
        path = context.params.get(one.name or "")
        if isinstance(one.type, OutputFile) and path is not None:
            check_file(path, one.type.is_own, _list_inputs(context, one))
            _check_apart(path, context)


def _check_apart(path: Path, context: click.Context) -> None:
    """Refuse a file where the command is going to make a folder; in the folder it may lie."""
    place = Path(os.path.realpath(path))
    for one in context.command.params:
        folder: Path | None = context.params.get(one.name or "")
        if isinstance(one.type, OutputFolder) and folder is not None:
            other = Path(os.path.realpath(folder))
            if place == other or place in other.parents:
                raise ValueError(f"{path} cannot be a file: {folder} is written as a folder")


def check_file(path: Path, is_own: Callable[[Path], bool], inputs: Iterable[Path] = ()) -> None:
    """Refuse a file that cannot be written, or that something else than an older one stands in for.

    Args:
        path: the file.
        is_own: see `OutputFile`.
        inputs: files and folders that are going to be read.

    Raises:
        ValueError: if it is so.
    """
    check_output(path, inputs)
    if not path.is_file() or path.stat().st_size == 0:
        return
    try:
        own = is_own(path)
    except (ValueError, OSError):
        own = False  # another kind of file, or one that may not be read
    if not own:
        raise ValueError(
            f"{path} exists and is nothing that m3scale wrote; move it away or name another file"
        )


def check_folder(path: Path, owned: Owned) -> None:
    """Refuse a folder that the running command should not write into.

    Args:
        path: the folder.
        owned: see `m3_backbone.files.replacing`. A ValueError says what is wrong.
    """
    check_output(path, _list_inputs(click.get_current_context()), owned)


def _list_inputs(context: click.Context, *but: click.Parameter) -> Iterator[Path]:
    """List what exists of the paths that a command was given, but for its output folders."""
    for one in context.command.params:
        if one in but or isinstance(one.type, OutputFolder):
            continue
        given: Any = context.params.get(one.name or "")
        for value in given if isinstance(given, tuple) else (given,):
            if isinstance(value, str | Path) and _exists(value):
                yield Path(value)


def _exists(value: str | Path) -> bool:
    # A question or a name on the Hub may be no path at all.
    try:
        return bool(str(value)) and Path(value).exists()
    except (OSError, ValueError):
        return False
