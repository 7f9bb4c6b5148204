"""Shards of a labelling run, here called parts, written atomically with checksums.

A run is cut into parts of whole images. A part is a folder of three files that appear together:
features, outcomes, and a record with the checksums of both and who made them. If two processes make
the same part, the first one's stays. A folder may hold several consecutive parts that
`labels.outcomes.compact` has joined. What this is not: a reader of what the parts hold.
"""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labels.outcomes.manifest import MANIFEST, read_manifest
from m3_backbone.files import STAGE, check_output, sweep, write_folder
from m3_backbone.schemas import CLOSED, parse_saved, read_saved
from m3_backbone.serialization import sha256

PARTS = "parts"
TABLE = ".parquet"
FEATURES = ".npz"
CHECKSUMS = ".json"
PART_NAME = re.compile(r"part-(\d{5,})(?:-(\d{5,}))?")

Work = Mapping[str, Any]
"""Who made a part and how fast: `worker`, `images`, `questions`, `seconds`, `ended` [Unix time]."""


@dataclass(frozen=True)
class Record:
    """What stands beside a part.

    Attributes:
        run: id of the run that the part belongs to.
        sha256: hash of each of its files, by suffix.
        work: who made it, one entry per part that was joined.
        seal: hash of the three above; None in older runs.
    """

    __pydantic_config__ = CLOSED

    run: str
    sha256: dict[str, str]
    work: list[dict[str, int | float | str]] = field(default_factory=list)
    seal: str | None = None


@dataclass(frozen=True, order=True)
class Part:
    """A part, or several consecutive ones that were joined.

    Attributes:
        first: number of the first part, from 0.
        last: number of the last one.
        folder: the run's folder.
    """

    first: int
    last: int
    folder: Path

    @property
    def name(self) -> str:
        """What its folder and files are called."""
        end = f"-{self.last:05d}" if self.last > self.first else ""
        return f"part-{self.first:05d}{end}"

    @property
    def place(self) -> Path:
        """Its folder."""
        return self.folder / PARTS / self.name

    @property
    def numbers(self) -> range:
        """The numbers of its parts."""
        return range(self.first, self.last + 1)

    def file(self, suffix: str) -> Path:
        """Path of the file with the suffix `TABLE`, `FEATURES` or `CHECKSUMS`."""
        # Older runs have the three files side by side, without a folder for each part.
        flat = self.folder / PARTS / f"{self.name}{CHECKSUMS}"
        # Where both are there, the folder counts, as it was written later.
        place = flat.parent if flat.exists() and not self.place.exists() else self.place
        return place / f"{self.name}{suffix}"

    def is_present(self) -> bool:
        """Tell whether all of its files are there, without reading them."""
        return all(self.file(suffix).exists() for suffix in (FEATURES, TABLE, CHECKSUMS))


def prepare_folder(folder: Path) -> None:
    """Make the folder of a run, prove that it can be written, and sweep leftovers away.

    Args:
        folder: the run's folder, made with its parents where it is missing; see `check_folder`.
    """
    check_folder(folder)
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    sweep(folder)
    sweep(folder / PARTS)


def check_folder(folder: Path) -> None:
    """Refuse a folder that no run can be written into.

    Args:
        folder: the folder, which need not be there.

    Raises:
        ValueError: if it holds something, and no run, or cannot be written.
    """
    if folder.is_dir() and not (folder / MANIFEST).is_file():
        there = {path.name for path in folder.iterdir() if not path.name.endswith(STAGE)}
        parts = [path.name for path in (folder / PARTS).glob("[!.]*")]
        # A run that lost its manifest is told as one by its parts.
        is_run = parts and all(re.match(r"part-\d", name) for name in parts)
        if not is_run and (parts or there - {PARTS, "bad_rows.txt"}):
            raise ValueError(
                f"{folder} holds other things than a labelling run; choose another folder"
            )
    if (folder / MANIFEST).is_file():
        read_manifest(folder)
    check_output(folder / "probe")


def part_path(folder: Path, index: int, suffix: str) -> Path:
    """Name a file of part number `index` that was not joined with others."""
    return Part(index, index, folder).file(suffix)


def list_parts(folder: Path) -> list[Part]:
    """List the complete parts of a run in order, without reading them; none is within another."""
    return _sort_out(folder)[0]


def drop_joined(folder: Path) -> None:
    """Delete the parts whose contents are in a joined one."""
    for part in _sort_out(folder)[1]:
        for suffix in (FEATURES, TABLE, CHECKSUMS):
            part.file(suffix).unlink(missing_ok=True)
        shutil.rmtree(part.place, ignore_errors=True)


def missing_parts(parts: Iterable[Part], n_parts: int) -> list[int]:
    """List the numbers of the parts, of `n_parts`, that are not there yet, ascending."""
    return sorted(set(range(n_parts)).difference(*(part.numbers for part in parts)))


def write_part(part: Part, run: str, contents: Mapping[str, bytes], work: Iterable[Work]) -> None:
    """Write a part; if another process has written it meanwhile, that one stays.

    Args:
        part: which.
        run: id of the run that the part belongs to.
        contents: bytes of `FEATURES` and of `TABLE`.
        work: who made it, one entry per part that was joined.
    """
    if part.place.exists() and not part.is_present():
        shutil.rmtree(part.place, ignore_errors=True)  # a file was lost
    record: dict[str, Any] = {
        "run": run,
        "sha256": {suffix: sha256(contents[suffix]) for suffix in (FEATURES, TABLE)},
        "work": [dict(entry) for entry in work],
    }
    record["seal"] = _hash_record(record)  # the record's own checksum
    files = {**contents, CHECKSUMS: json.dumps(record, indent=1).encode()}
    named = {f"{part.name}{suffix}": content for suffix, content in files.items()}
    write_folder(part.place, named)
    _read_record(part, run)  # whichever part is there now must be of the same run


def check_part(part: Part, run: str) -> None:
    """Verify every byte of a part, and that it belongs to a run."""
    for suffix in (FEATURES, TABLE):
        read_part(part, run, suffix)


def read_part(part: Part, run: str, suffix: str) -> bytes:
    """Read a file of a part and verify its checksum.

    Args:
        part: which.
        run: id of the run that it must belong to.
        suffix: `TABLE` or `FEATURES`.

    Raises:
        ValueError: if the file or the record is damaged, or belongs to another run.
    """
    checksums = _read_record(part, run).sha256
    path = part.file(suffix)
    content = path.read_bytes()
    if checksums.get(suffix) != sha256(content):
        raise ValueError(
            f"{path} is damaged (its SHA-256 is not the one in {part.name}{CHECKSUMS}); delete it "
            "and run m3scale label again to make it anew"
        )
    return content


def read_work(part: Part, run: str) -> list[Work]:
    """Read who made a part of a run.

    Returns:
        One entry for each part that was joined; none in older runs, which did not note it.
    """
    return list(_read_record(part, run).work)


def _sort_out(folder: Path) -> tuple[list[Part], list[Part]]:
    """List the complete parts, and those within one of them, complete or not."""
    stems = {path.name.removesuffix(CHECKSUMS) for path in (folder / PARTS).glob("part-*")}
    names = [match for match in map(PART_NAME.fullmatch, stems) if match]
    parts = [Part(int(name[1]), int(name[2] or name[1]), folder) for name in names]
    kept: list[Part] = []
    within: list[Part] = []
    # A joined part comes before the parts within it.
    for part in sorted(parts, key=lambda part: (part.first, -part.last)):
        if kept and part.last <= kept[-1].last:
            within.append(part)
        elif part.is_present():
            kept.append(part)
    return kept, within


def _read_record(part: Part, run: str) -> Record:
    path = part.file(CHECKSUMS)
    remedy = "delete it and run m3scale label again to make the part anew"
    content = read_saved(dict[str, Any], path, remedy)
    record = parse_saved(Record, content, str(path), remedy)
    # Out of the record, as it was not yet in it when it was hashed.
    content.pop("seal", None)
    # Records of older runs have neither `work` nor a checksum of their own.
    is_old = record.seal is None and "work" not in content
    if not is_old and record.seal != _hash_record(content):
        raise ValueError(f"{path} is damaged (its seal is not its SHA-256); {remedy}")
    if record.run != run:
        raise ValueError(
            f"{path} belongs to another run ({record.run}, not {run}); delete the folder "
            f"{part.folder / PARTS} or choose another one"
        )
    return record


def _hash_record(record: Mapping[str, Any]) -> str:
    return sha256(json.dumps(record, sort_keys=True).encode())
