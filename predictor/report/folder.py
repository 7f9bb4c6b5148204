"""The report's folder: names of its files, which of them are the report's, and its results.

Light to import, so that a command can name the page before anything is drawn.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

from annotated_types import Ge, Len

from m3_backbone.files import recover
from m3_backbone.serialization import parse_json

if TYPE_CHECKING:
    from predictor.data import Results

RESULTS: Final = "results.json"
PAGE: Final = "index.html"
MARKDOWN: Final = "report.md"
FIGURES: Final = "figures"
GALLERY: Final = "gallery"

TITLE: Final = "Choosing visual tokens per question"
"""Title of every report, by which its page and its Markdown are known."""


def read_results(source: str | Path) -> "Results":
    """Read the results of a report.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "study.json"
    >>> _ = file.write_text('{"headline": {"target": 72.0, "ogc_72": 0.8264}}')
    >>> read_results(file)["headline"]["ogc_72"]
    0.8264

    Args:
        source: a report's folder, or a results.json itself under any name.

    Returns:
        The results; a damaged file is a ValueError that names what is wrong in it.

    Raises:
        FileNotFoundError: if there are none.
    """
    from m3_backbone.schemas import read_saved

    recover(Path(source))
    path = Path(source) / RESULTS if Path(source).is_dir() else Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"no results in {source}: {path} is missing; run `m3scale report`")
    read_saved(SavedResults, path, "run `m3scale report` again")
    # As it is written: the schema says what must hold of a section and drops nothing.
    results: Results = parse_json(path.read_bytes())
    return results


Points: TypeAlias = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class SavedResults:
    """What must hold of the sections that every report shows, where they are there."""

    headline: dict[str, float | str | bool | None]
    scales: Annotated[list[Annotated[int, Ge(1)]], Len(0, 1000)] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)
    fixed: Points = field(default_factory=dict)
    oracle: Points = field(default_factory=dict)
    families: Points = field(default_factory=dict)
    scale_histogram: dict[str, dict[str, float | None]] = field(default_factory=dict)
    router: dict[str, Any] | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    gallery: list[dict[str, Any]] | None = None


def list_own_files(folder: Path) -> set[str]:
    """Tell which entries of a folder are those of an older report.

    Args:
        folder: the folder.

    Returns:
        Their names. The folders of figures and pictures are among them, though a user's files may
        lie in these too.

    Raises:
        ValueError: if a page, results or figures are there that no report wrote.
    """
    marks = {PAGE: is_page, MARKDOWN: is_markdown, RESULTS: _is_results}
    for name, is_own in marks.items():
        if os.path.lexists(folder / name) and not is_own(folder / name):
            raise ValueError(_not_a_report(folder, name))
    own = {name for name in marks if (folder / name).is_file()}
    pictures = {name for name in (FIGURES, GALLERY) if os.path.lexists(folder / name)}
    if RESULTS not in own and pictures:
        raise ValueError(_not_a_report(folder, min(pictures)))
    for name in pictures:
        if (folder / name).is_symlink() or not (folder / name).is_dir():
            raise ValueError(_not_a_report(folder, name))
    return own | pictures


def is_page(path: Path) -> bool:
    """Tell whether a file is the page of a report."""
    return f"<title>{TITLE}</title>".encode() in _read_start(path)


def is_markdown(path: Path) -> bool:
    """Tell whether a file is a report as Markdown."""
    return _read_start(path).startswith(f"# {TITLE}\n".encode())


def _is_results(path: Path) -> bool:
    try:
        results = read_results(path)
    except (OSError, ValueError):
        return False
    return {"headline", "fixed", "router"} <= results.keys()


def _read_start(path: Path) -> bytes:
    """Read the first bytes of a file; none of what is no file or may not be read."""
    try:
        if not path.is_file():
            return b""  # a pipe would wait for a writer
        with path.open("rb") as file:
            return file.read(65536)
    except OSError:
        return b""


def _not_a_report(folder: Path, name: str) -> str:
    return f"{folder / name} is not of a report of m3scale; choose another folder, or move it away"
