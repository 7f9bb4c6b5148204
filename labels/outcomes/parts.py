"""Parts of a labelling run: a table and features under a seal, whole or not there.

A run is cut into parts of whole images. A part is a folder that appears in one go: features,
outcomes, and a seal with the hashes of both and who made it. Two processes that make the same part
do no harm, the first one's stays. A folder may stand for several parts in a row, which
`labels.outcomes.compact` has joined. What this is not: a reader of what the parts hold.
"""

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m3_backbone.files import leftover_path, sha256, sweep, write_folder

PARTS = "parts"


TABLE = ".parquet"


FEATURES = ".npz"


SEAL = ".json"


PART_NAME = re.compile(r"part-(\d{5,})(?:-(\d{5,}))?")


Work = Mapping[str, Any]
"""Who made a part and how fast: `worker`, `images`, `questions`, `seconds`, `ended` [Unix time]."""


@dataclass(frozen=True, order=True)
class Part:
    """A part, or several in a row that were joined.

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
        """Name one of its files.

        Args:
            suffix: `TABLE`, `FEATURES` or `SEAL`.

        Returns:
            The path.
        """
        flat = self.folder / PARTS / f"{self.name}{SEAL}"  # how it was before parts were folders
        place = flat.parent if flat.exists() and not self.place.exists() else self.place
        return place / f"{self.name}{suffix}"

    def is_present(self) -> bool:
        """Tell whether all of its files are there, without reading them."""
        return all(self.file(suffix).exists() for suffix in (FEATURES, TABLE, SEAL))


def prepare_folder(folder: Path) -> None:
    """Make the folder of a run, prove that it can be written, and sweep leftovers away.

    Args:
        folder: the run's folder, made with its parents where it is missing.

    Raises:
        ValueError: if nothing can be written there.
    """
    try:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        leftover_path(folder / "probe").write_bytes(b"")
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(
            f"cannot write to the folder {folder}: {reason}; choose another one"
        ) from error
    sweep(folder)
    sweep(folder / PARTS)


def part_path(folder: Path, index: int, suffix: str) -> Path:
    """Name a file of a part that stands alone.

    Args:
        folder: the run's folder.
        index: number of the part, from 0.
        suffix: `TABLE`, `FEATURES` or `SEAL`.

    Returns:
        Its path.
    """
    return Part(index, index, folder).file(suffix)


def list_parts(folder: Path) -> list[Part]:
    """List the parts that are there, without reading them.

    Args:
        folder: the run's folder.

    Returns:
        Parts in order, none of which is within another.
    """
    return _sort_out(folder)[0]


def drop_within(folder: Path) -> None:
    """Delete the parts for which a joined one stands.

    Args:
        folder: the run's folder.
    """
    for part in _sort_out(folder)[1]:
        for suffix in (FEATURES, TABLE, SEAL):
            part.file(suffix).unlink(missing_ok=True)
        shutil.rmtree(part.place, ignore_errors=True)


def missing_parts(parts: Iterable[Part], n_parts: int) -> list[int]:
    """Tell what is missing of a run.

    Args:
        parts: the parts that are there.
        n_parts: parts of the whole run.

    Returns:
        Numbers of the missing parts, ascending.
    """
    return sorted(set(range(n_parts)).difference(*(part.numbers for part in parts)))


def write_part(part: Part, run: str, contents: Mapping[str, bytes], work: Iterable[Work]) -> None:
    """Write a part; if another process has, its part stays.

    Args:
        part: which.
        run: id of the run that the part belongs to.
        contents: bytes of `FEATURES` and of `TABLE`.
        work: who made it, one entry a part.
    """
    if part.place.exists() and not part.is_present():
        shutil.rmtree(part.place, ignore_errors=True)  # a file was lost
    seal = {
        "run": run,
        "sha256": {suffix: sha256(contents[suffix]) for suffix in (FEATURES, TABLE)},
        "work": [dict(entry) for entry in work],
    }
    sealed = {**contents, SEAL: json.dumps({**seal, "seal": _hash_seal(seal)}, indent=1).encode()}
    write_folder(part.place, {f"{part.name}{suffix}": sealed[suffix] for suffix in sealed})
    _read_seal(part, run)  # what was there first must be of the same run


def check_part(part: Part, run: str) -> None:
    """Verify every byte of a part.

    Args:
        part: which.
        run: id of the run that it must belong to.
    """
    for suffix in (FEATURES, TABLE):
        read_part(part, run, suffix)


def read_part(part: Part, run: str, suffix: str) -> bytes:
    """Read a file of a part, verified against the seal.

    Args:
        part: which.
        run: id of the run that it must belong to.
        suffix: `TABLE` or `FEATURES`.

    Returns:
        The bytes of the file.

    Raises:
        ValueError: if the file or the seal is damaged, or belongs to another run.
    """
    hashes, path = _read_seal(part, run)["sha256"], part.file(suffix)
    content = path.read_bytes()
    if hashes.get(suffix) != sha256(content):
        raise ValueError(
            f"{path} is damaged (its SHA-256 is not the one in {part.name}{SEAL}); delete it "
            "and run m3scale label again to make it anew"
        )
    return content


def read_work(part: Part, run: str) -> list[Work]:
    """Read who made a part.

    Args:
        part: which.
        run: id of the run that it must belong to.

    Returns:
        One entry for each part that was joined; none if it was made before that was noted.
    """
    work: list[Work] = _read_seal(part, run).get("work", [])
    return work


def _sort_out(folder: Path) -> tuple[list[Part], list[Part]]:
    """List the parts that are there, and those within one of them, whole or not."""
    stems = {path.name.removesuffix(SEAL) for path in (folder / PARTS).glob("part-*")}
    names = [match for match in map(PART_NAME.fullmatch, stems) if match]
    parts = [Part(int(name[1]), int(name[2] or name[1]), folder) for name in names]
    kept: list[Part] = []
    within: list[Part] = []
    for part in sorted(parts, key=lambda part: (part.first, -part.last)):
        if kept and part.last <= kept[-1].last:
            within.append(part)
        elif part.is_present():
            kept.append(part)
    return kept, within


def _read_seal(part: Part, run: str) -> dict[str, Any]:
    path = part.file(SEAL)
    try:
        seal: dict[str, Any] = json.loads(path.read_bytes())
        owner, _ = seal["run"], dict(seal["sha256"])
        mark = seal.pop("seal", None)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(_damaged_seal(path)) from error
    if mark != (_hash_seal(seal) if "work" in seal or mark else None):
        raise ValueError(_damaged_seal(path))
    if owner != run:
        raise ValueError(
            f"{path} belongs to another run ({owner}, not {run}); delete the folder "
            f"{part.folder / PARTS} or choose another one"
        )
    return seal


def _damaged_seal(path: Path) -> str:
    return f"{path} is damaged; delete it and run m3scale label again to make the part anew"


def _hash_seal(seal: Mapping[str, Any]) -> str:
    return sha256(json.dumps(seal, sort_keys=True).encode())
