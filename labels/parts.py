"""Files that are either whole or not there: atomic writing, and parts under a seal.

A labelling run is cut into parts of whole images. A part is a file of features, then a table of
outcomes, then a seal with the hashes of both; the seal is written last, so a part without one
was cut off and is made again. What this is not: a reader of what the parts hold.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

PARTS = "parts"
TABLE = ".parquet"
FEATURES = ".npz"
SEAL = ".json"
LEFTOVER = ".tmp"


def write_atomically(path: Path, content: bytes, sync_folder: bool = True) -> None:
    """Write a file so that it is never seen half-written, not even after a power cut.

    Args:
        path: the file; replaced if there is one.
        content: all of its bytes.
        sync_folder: whether to wait until its name is on the disk as well; of files that are
            written one after the other, the last one's wait is enough.

    Raises:
        OSError: if the file cannot be written; nothing is left behind.
    """
    leftover = path.with_name(path.name + LEFTOVER)
    try:
        with leftover.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(leftover, path)
    except OSError:
        leftover.unlink(missing_ok=True)
        raise
    if sync_folder:
        _sync_folder(path.parent)


def prepare_folder(folder: Path) -> None:
    """Make the folder of a run, prove that it can be written, and sweep leftovers away.

    Args:
        folder: the run's folder, made with its parents where it is missing.

    Raises:
        ValueError: if nothing can be written there.
    """
    probe = folder / f"probe{LEFTOVER}"
    try:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(
            f"cannot write to the folder {folder}: {reason}; choose another one"
        ) from error
    for place in (folder, folder / PARTS):
        for leftover in place.glob(f"*{LEFTOVER}"):
            leftover.unlink()


def part_path(folder: Path, index: int, suffix: str) -> Path:
    """Name a file of a part.

    Args:
        folder: the run's folder.
        index: number of the part, from 0.
        suffix: `TABLE`, `FEATURES` or `SEAL`.

    Returns:
        Its path.
    """
    return folder / PARTS / f"part-{index:05d}{suffix}"


def write_part(folder: Path, index: int, run: str, contents: Mapping[str, bytes]) -> None:
    """Write the files of a part, and its seal last.

    Args:
        folder: the run's folder.
        index: number of the part.
        run: id of the run that the part belongs to.
        contents: bytes of `FEATURES` and of `TABLE`.
    """
    part_path(folder, index, SEAL).unlink(missing_ok=True)
    for suffix in (FEATURES, TABLE):
        write_atomically(part_path(folder, index, suffix), contents[suffix], sync_folder=False)
    seal = {
        "run": run,
        "sha256": {suffix: _hash(contents[suffix]) for suffix in (FEATURES, TABLE)},
    }
    write_atomically(part_path(folder, index, SEAL), json.dumps(seal, indent=1).encode())


def is_present(folder: Path, index: int) -> bool:
    """Tell whether all files of a part are there, without reading them.

    Args:
        folder: the run's folder.
        index: number of the part.

    Returns:
        True if the part was once completed.
    """
    return all(part_path(folder, index, suffix).exists() for suffix in (FEATURES, TABLE, SEAL))


def check_part(folder: Path, index: int, run: str) -> bool:
    """Tell whether a part is done, and verify every byte of it if so.

    Args:
        folder: the run's folder.
        index: number of the part.
        run: id of the run that the part must belong to.

    Returns:
        False if the part is still to be made.
    """
    if not is_present(folder, index):
        return False
    for suffix in (FEATURES, TABLE):
        read_part(folder, index, run, suffix)
    return True


def read_part(folder: Path, index: int, run: str, suffix: str) -> bytes:
    """Read a file of a part, verified against the seal.

    Args:
        folder: the run's folder.
        index: number of the part.
        run: id of the run that the part must belong to.
        suffix: `TABLE` or `FEATURES`.

    Returns:
        The bytes of the file.

    Raises:
        FileNotFoundError: if the part is not complete.
        ValueError: if the file or the seal is damaged, or belongs to another run.
    """
    if not is_present(folder, index):
        raise FileNotFoundError(
            f"{part_path(folder, index, TABLE)} is not complete; run m3scale label again to make it"
        )
    path = part_path(folder, index, suffix)
    content = path.read_bytes()
    if _read_seal(folder, index, run).get(suffix) != _hash(content):
        raise ValueError(
            f"{path} is damaged (its SHA-256 is not the one in {_seal_name(index)}); delete it "
            "and run m3scale label again to make it anew"
        )
    return content


def _read_seal(folder: Path, index: int, run: str) -> dict[str, str]:
    path = part_path(folder, index, SEAL)
    try:
        seal = json.loads(path.read_bytes())
        owner, hashes = seal["run"], dict(seal["sha256"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is damaged; delete it and run m3scale label again to make the part anew"
        ) from error
    if owner != run:
        raise ValueError(
            f"{path} belongs to another run ({owner}, not {run}); delete the folder "
            f"{folder / PARTS} or choose another one"
        )
    return hashes


def _seal_name(index: int) -> str:
    return part_path(Path(), index, SEAL).name


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows cannot open a folder, and renames there need no such help
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
