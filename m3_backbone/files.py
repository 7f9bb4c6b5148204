"""The one way to write: a file or folder takes the place of the old one in one step. And JSON.

Everything is written in a stage, a hidden folder beside the target that belongs to one process and
says so. At the end the stage's content and the target change places. A kill or a full disk at any
moment leaves the old or the new, never half of either and never none; a folder may have to be put
in its place first, see `recover`. Nothing is deleted because of its name: a stage is known by the
note in it, a saved folder by its own files.
"""

import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeAlias

from m3_backbone.exchange import ASIDE, exchange, finish, is_halfway
from m3_backbone.processes import is_gone, worker_name
from m3_backbone.serialization import json_ready, parse_json, sha256, to_json

Owned: TypeAlias = Callable[[Path], Collection[str]]
"""Folder that is to be replaced -> the files in it that this program wrote, such as `a` or `b/c`.

Raises ValueError if the folder is not what this program writes there.
"""

STAGE = ".writing"
"""How the name of a stage ends; it begins with a dot."""

NOTE = "note.json"
FRESH = "new"

_OPEN: set[str] = set()
"""Stages that this process has open."""

_SWEPT: set[Path] = set()
"""Folders where this process has looked for the stages of lost ones."""

OLD = 3600.0
"""Stages of other machines that are older than this are deleted [seconds]."""


@contextmanager
def replacing(target: Path, owned: Owned | None = None) -> Iterator[Path]:
    """Write a file or folder in a stage; at the end it takes the target's place.

    Args:
        target: the file or folder; of a symlink, what it leads to. Its parents are made. What is
            there stays until the new one is on disk, and for good if anything is raised.
        owned: for a folder that may be there already: which of its files are replaced. All others
            in it stay. Without it a folder that holds something is not replaced.

    Yields:
        The path to write to. Nothing is there yet; if nothing is there at the end either, the
        target stays.

    Raises:
        OSError: if it cannot be written; nothing is left behind. One that names another file, such
            as one that was to be read meanwhile, is raised as it is.
    """
    target = Path(os.path.realpath(target))
    stage = None
    try:
        _refuse_special(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        if owned is not None:  # only such a folder is ever exchanged
            recover(target)
        stage = _open_stage(target)
        yield stage / FRESH
        if (stage / FRESH).exists():
            _put_in_place(stage / FRESH, target, owned)
    except OSError as error:
        if not _concerns(error, target):
            raise
        raise OSError(explain(error, target)) from error
    finally:
        if stage is not None:
            _close_stage(stage)
    _sync(target.parent)


def write_atomically(path: Path, content: bytes) -> Path:
    """Write a file so that it is never seen half-written, not even after a power cut.

    Args:
        path: the file; replaced if there is one. Its folder is made.
        content: all of its bytes.

    Returns:
        The file. An OSError says what could not be written; nothing is left behind then.
    """
    with replacing(path) as fresh:
        fresh.write_bytes(content)
    return path


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder of files that appears whole; if another process was faster, its stays.

    Args:
        path: the folder.
        contents: name of each file, and its bytes.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
    """
    try:
        with replacing(path) as fresh:
            write_files(fresh, contents)
    except OSError:
        if not path.is_dir():
            raise


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Make a folder and write files into it.

    Args:
        folder: the folder, which is not there yet.
        contents: name of each file, and its bytes.
    """
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def check_output(path: Path, inputs: Iterable[Path] = (), owned: Owned | None = None) -> None:
    """Refuse an output that cannot be written or would harm something, before any work is done.

    Args:
        path: the file or folder that is going to be written.
        inputs: files and folders that are going to be read.
        owned: as in `replacing`, for a folder; None for a file.

    Raises:
        ValueError: if the place is taken, is an input, or cannot be written to.
    """
    place = Path(os.path.realpath(path))
    _refuse_special(place)
    recover(place)
    for source in inputs:
        read = Path(os.path.realpath(source))
        if place == read or (place in read.parents and owned is None):
            raise ValueError(f"{path} is an input ({source}): name another place to write to")
    if place.is_dir():
        if owned is None:
            raise ValueError(f"{path} is a folder: name a file to write to")
        if any(place.iterdir()):
            owned(place)
    elif place.exists() and owned is not None:
        raise ValueError(f"{path} is a file: name a folder to write to")
    there = next(parent for parent in place.parents if parent.exists())
    try:
        _close_stage(_open_stage(there / place.name))
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(
            f"cannot write to the folder {place.parent}: {reason}; choose another one"
        ) from error


def recover(path: Path) -> None:
    """Put a folder in its place if a kill came between the two steps of its exchange.

    To be called before a folder is read or looked for: it is rare, and costs nothing where the
    folder is there. A process that is just taking the second step is not disturbed by it.

    Args:
        path: the folder. An OSError says that it cannot be put in its place.
    """
    if os.path.exists(path):
        return
    target = Path(os.path.realpath(path))
    for stage in target.parent.glob(f".*{STAGE}"):
        if is_halfway(stage / FRESH) and _read_note(stage).get("target") == target.name:
            finish(stage / FRESH, target)
            sweep(target.parent)
            return


def sweep(folder: Path, everything: bool = False) -> None:
    """Delete the stages of processes that run no more.

    Args:
        folder: where to look, not below it.
        everything: whether to delete also the stages of processes that may still run.
    """
    for stage in folder.glob(f".*{STAGE}"):
        if stage.name not in _OPEN and _is_abandoned(stage, everything):
            _close_stage(stage)


def explain(error: OSError, path: Path) -> str:
    """Say in one line what could not be written, why, and what to do.

    Args:
        error: what the system said.
        path: what was to be written.

    Returns:
        The line.
    """
    # A file within a folder that is being written was told under the name of the stage.
    while error.strerror is None and isinstance(error.__cause__, OSError):
        error = error.__cause__
    return (
        f"cannot write {path}: {error.strerror or error}; what was written before is whole: make "
        "room and run the same command again"
    )


def write_json(path: Path, content: object) -> Path:
    """Write a JSON file in one step.

    Args:
        path: the file; its folder is made.
        content: what `json_ready` takes, keys in the order in which they are to stand.

    Returns:
        The file.
    """
    text = json.dumps(json_ready(content), indent=1, ensure_ascii=False, allow_nan=False)
    return write_atomically(path, f"{text}\n".encode())


def _open_stage(target: Path) -> Path:
    """Make a stage beside a target, and sweep those that lost processes left there.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
    """
    if target.parent not in _SWEPT:
        # Once: a label run writes thousands of parts into one folder, and each look lists them all.
        sweep(target.parent)
        _SWEPT.add(target.parent)
    stage = target.with_name(f".m3scale-{worker_name()}-{secrets.token_hex(4)}{STAGE}")
    _OPEN.add(stage.name)
    note = {"worker": worker_name(), "target": target.name}
    try:
        stage.mkdir()
        (stage / NOTE).write_bytes(to_json({**note, "sha256": sha256(to_json(note))}))
    except OSError:
        _close_stage(stage)  # a full disk may have room for a folder and none for a file
        raise
    return stage


def _close_stage(stage: Path) -> None:
    """Delete a stage, its note last: what is left by a kill in between is known by it."""
    with suppress(OSError, KeyError):
        if is_halfway(stage / FRESH):  # where that cannot be finished, all of it stays
            finish(stage / FRESH, stage.with_name(_read_note(stage)["target"]))
        _remove(stage / FRESH)
        _remove(stage / ASIDE)
        _remove(stage / NOTE)
        stage.rmdir()
    _OPEN.discard(stage.name)


def _is_abandoned(stage: Path, everything: bool) -> bool:
    try:
        written = stage.stat().st_mtime
        # Killed before its note was written: there is nothing else in it.
        if all(path.name == NOTE and not path.stat().st_size for path in stage.iterdir()):
            writer = re.fullmatch(rf"\.m3scale-(.+)-\w+{STAGE}", stage.name)
            return writer is not None and is_gone(writer[1])
    except OSError:
        return False  # its writer has just finished
    note = _read_note(stage)
    if not note:
        return False
    return everything or is_gone(str(note["worker"])) or time.time() - written > OLD


def _read_note(stage: Path) -> dict[str, Any]:
    """Read who made a stage for what; nothing if it is none of ours or has just been closed."""
    try:
        note: dict[str, Any] = parse_json((stage / NOTE).read_bytes())
        mark = note.pop("sha256")
        known = mark == sha256(to_json(note)) and note.keys() >= {"worker", "target"}
        return note if known else {}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def _concerns(error: OSError, target: Path) -> bool:
    """Tell whether an error is about writing a target, and not about another file."""
    if error.filename is None:
        return True
    path = Path(os.fsdecode(error.filename))
    return path == target or path in target.parents or any(p.endswith(STAGE) for p in path.parts)


def _refuse_special(target: Path) -> None:
    if not target.name:  # nothing stands beside it, where a stage could be
        raise ValueError(f"{target} is the root of the file system: name a file or folder in it")
    if target.is_symlink():  # the real path of any other symlink is no symlink
        raise ValueError(f"{target} is a symlink that leads to itself: name a file or folder")
    if target.exists() and not (target.is_file() or target.is_dir()):
        device = target.is_block_device() or target.is_char_device()
        kind = "a device" if device else "no regular file"
        raise ValueError(f"{target} is {kind}: name a file or folder to write to")


def _put_in_place(fresh: Path, target: Path, owned: Owned | None) -> None:
    old = set(os.listdir(target)) if target.is_dir() else set()
    if not old or owned is None:
        _sync_all(fresh)
        os.replace(fresh, target)  # fails on a folder that holds something
        return
    _keep_others(target, fresh, set(owned(target)))
    _sync_all(fresh.parent)  # with its note, by which it is known halfway
    _sync(target.parent)
    exchange(fresh, target)  # what was there is deleted with the stage


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _keep_others(old: Path, fresh: Path, owned: set[str], above: str = "") -> None:
    """Let all that is a user's stand in the new folder too, without copying what is in it."""
    for entry in old.iterdir():
        name, kept = above + entry.name, fresh / entry.name
        if name in owned:
            continue
        if entry.is_symlink() or not entry.is_dir():
            _remove(kept)  # what a user wrote stays, such as an edited card
            os.link(entry, kept, follow_symlinks=False)
            continue
        if not kept.is_dir():
            _remove(kept)
            kept.mkdir()
            shutil.copystat(entry, kept)
        _keep_others(entry, kept, owned, f"{name}/")
        if any(entry.iterdir()) and not any(kept.iterdir()):
            kept.rmdir()  # nothing in it was a user's


def _sync_all(path: Path) -> None:
    """Make sure that a file, or a folder and all in it, is on disk."""
    if path.is_dir() and not path.is_symlink():
        for entry in path.iterdir():
            _sync_all(entry)
    if not path.is_symlink() and (path.is_file() or path.is_dir()):
        _sync(path)


def _sync(path: Path) -> None:
    """Make sure that a file, or the list of names in a folder, is on disk."""
    if path.is_dir() and os.name != "posix":
        return  # Windows cannot open a folder, and renames there need no such help
    # Windows syncs only what is open for writing. Elsewhere reading will do, and a user's file that
    # may not be written can stand in the folder too.
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
