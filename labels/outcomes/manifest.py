"""The manifest of a labelling run: its settings, and whether it is finished.

Two runs with different settings must never share a folder; the manifest is how that is noticed.
What this is not: a record of progress, which the parts themselves are.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Interval

from m3_backbone.files import recover, write_atomically
from m3_backbone.schemas import CLOSED, parse_saved, read_saved
from m3_backbone.serialization import short_hash

MANIFEST = "manifest.json"
QUESTIONS_FILE = "questions.parquet"
CODE_VERSION = "code_version"

IMPORTED = "imported"
"""Prefix of the checkpoint of imported tables, which have no features."""

Setting = str | int | float | list[int]

Count = Annotated[int, Interval(ge=0, le=10**9)]
"""Bounded, as a damaged count must not take all memory."""

UNNAMED: dict[str, Setting] = {
    "pooling": "average",
    "losses": 0,
    "first_token": 0,
    "extras": "",
    "skipped": 0,
    "repeats": 1,
    "jitter": 0,
    "sample_temperature": 0.0,
    "wordings": "",
}
"""Settings whose manifest does not name them: of older runs, and of runs that do without."""

FORMER = {"skipped_rows"}
"""Settings that older runs name and that decide nothing: `questions` says what was left out, and
this was a hash of messages, which hold the paths as they were spelt."""


@dataclass(frozen=True)
class Manifest:
    """What a run's folder holds.

    Attributes:
        source: name of the question set, for people.
        settings: all that decides what the run writes; equal settings give equal tables.
        n_questions: questions of the set.
        n_images: distinct images of the set.
        n_parts: parts of the finished run.
        finished: whether all parts are there.
    """

    __pydantic_config__ = CLOSED

    source: str
    settings: dict[str, Setting]
    n_questions: Count
    n_images: Count
    n_parts: Annotated[int, Interval(ge=0, le=10**6)]
    finished: bool = False

    @property
    def run(self) -> str:
        """Id of the run: a hash over its settings."""
        return short_hash(json.dumps(self.settings, sort_keys=True))


def package_version() -> str:
    """Give the installed version of this project, "unknown" in a checkout without installation."""
    try:
        return version("m3scale")
    except PackageNotFoundError:
        return "unknown"


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a run's folder."""
    # The id shows whether somebody has edited the settings.
    content = {"run": manifest.run, **asdict(manifest)}
    write_atomically(folder / MANIFEST, json.dumps(content, indent=1).encode() + b"\n")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest from a run's folder.

    Raises:
        FileNotFoundError: if there is none.
        ValueError: if it is damaged.
    """
    path = folder / MANIFEST
    recover(folder)
    if not path.is_file():
        raise FileNotFoundError(
            f"{folder} holds no labelling run (no {MANIFEST}); m3scale label makes one"
        )
    remedy = "delete it and run m3scale label again"
    content = read_saved(dict[str, Any], path, remedy)
    # Not a field: it is computed from the settings and compared below.
    run = content.pop("run", None)
    manifest = parse_saved(Manifest, content, str(path), remedy)
    if run != manifest.run:
        raise ValueError(
            f"{path} was edited: its settings do not give its run id; delete the folder and run "
            "m3scale label again"
        )
    return manifest


def open_run(folder: Path, wanted: Manifest) -> Manifest:
    """Begin a run in a folder, or resume the one that is there.

    Args:
        folder: the run's folder.
        wanted: the run that is to be in it.

    Returns:
        The manifest in the folder: `wanted`, or the finished run with the same settings.
    """
    if not (folder / MANIFEST).is_file():
        write_manifest(folder, wanted)
    # Read even if just written: another process may have begun another run here meanwhile.
    present = read_manifest(folder)
    # A finished table stays good when the code moves on; an unfinished one must not be mixed.
    ignore = {CODE_VERSION} if present.finished else set()
    check_same_settings(folder, present, wanted, ignore)
    return present


def check_same_settings(
    folder: Path, present: Manifest, wanted: Manifest, ignore: set[str] | None = None
) -> None:
    """Refuse to go on with a run under other settings.

    Args:
        folder: the run's folder, for the message.
        present: the run that is there.
        wanted: the run that is wanted.
        ignore: settings that may differ.

    Raises:
        ValueError: if another setting differs; the message shows each difference.
    """
    differences = _list_differences(present.settings, wanted.settings, ignore or set())
    if differences:
        raise ValueError(
            f"{folder} holds a run with other settings: {'; '.join(differences)}. Use the same "
            "settings, choose another folder, or delete this one"
        )


def finish_run(folder: Path, manifest: Manifest) -> Manifest:
    """Mark a run, all of whose parts are there, as finished; give its new manifest."""
    finished = replace(manifest, finished=True)
    write_manifest(folder, finished)
    return finished


def _list_differences(
    present: Mapping[str, Setting], wanted: Mapping[str, Setting], ignore: set[str]
) -> list[str]:
    # What a manifest names wins over what older runs left out.
    present = {**UNNAMED, **present}
    wanted = {**UNNAMED, **wanted}
    return [
        f"{name} is {present.get(name)!r} there but {wanted.get(name)!r} now"
        for name in sorted((present.keys() | wanted.keys()) - ignore - FORMER)
        if present.get(name) != wanted.get(name)
    ]
