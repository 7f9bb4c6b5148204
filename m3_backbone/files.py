"""The one way to write: files and folders that replace the old ones in one step, and JSON.

All is written under a name of the writing process and renamed, so two processes that write the same
thing never meet, and a kill leaves the old or the new, never half of either. Knows nothing of what
is in a file.
"""

import hashlib
import json
import math
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LEFTOVER = ".tmp"

OLD = 3600.0
"""Nobody writes one file for so long [seconds]; what another machine left is swept after it."""


def worker_name() -> str:
    """Name this process so that all processes on all machines have their own name.

    Returns:
        Host name and process id, such as `node7-4711`.
    """
    return f"{socket.gethostname()}-{os.getpid()}"


def is_gone(worker: str) -> bool:
    """Tell whether a process surely runs no more.

    Args:
        worker: what `worker_name` gave it.

    Returns:
        True if it ran on this machine and its id is free, or has become that of this process. Of
        other machines nothing is known.
    """
    host, _, number = worker.rpartition("-")
    if host != socket.gethostname() or os.name != "posix":
        return False
    if int(number) == os.getpid():
        return True
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def leftover_path(path: Path) -> Path:
    """Name what becomes a file or folder once it is whole.

    Args:
        path: the file or folder.

    Returns:
        A name beside it that is this process's own.
    """
    return path.with_name(f"{path.name}.{worker_name()}{LEFTOVER}")


@contextmanager
def replacing(target: Path, over_folder: bool = False) -> Iterator[Path]:
    """Write a file or folder under another name; at the end it takes the target's place.

    Args:
        target: the file or folder. Its parents are made; what is there stays until the new one is
            on disk, and for good if anything is raised.
        over_folder: whether a folder that holds something may be replaced; else that is an error.

    Yields:
        The path to write to. Nothing is there yet; if nothing is there at the end either, the
        target stays.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
        FileNotFoundError: if something that was to be read meanwhile is missing.
    """
    leftover = leftover_path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove(leftover)
        yield leftover
        if leftover.exists():
            _sync_all(leftover)
            if over_folder and target.is_dir():
                _swap_folders(leftover, target)
            else:
                os.replace(leftover, target)  # fails on a folder that holds something
    except FileNotFoundError:
        raise  # of something that was to be read
    except OSError as error:
        raise OSError(explain(error, target)) from error
    finally:
        _remove(leftover)
    _sync(target.parent)


def write_atomically(path: Path, content: bytes) -> Path:
    """Write a file so that it is never seen half-written, not even after a power cut.

    Args:
        path: the file; replaced if there is one. Its folder is made.
        content: all of its bytes.

    Returns:
        The file. An OSError says what could not be written; nothing is left behind then.
    """
    with replacing(path) as leftover:
        leftover.write_bytes(content)
    return path


def write_folder(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a folder of files that appears whole; if another process was faster, its stays.

    Args:
        path: the folder.
        contents: name of each file, and its bytes.

    Raises:
        OSError: if it cannot be written; nothing is left behind.
    """
    leftover = leftover_path(path)
    try:
        write_files(leftover, contents)
        _sync_all(leftover)
        os.replace(leftover, path)  # refuses to replace a folder that holds something
    except OSError as error:
        if not path.is_dir():
            raise OSError(explain(error, path)) from error
    finally:
        _remove(leftover)
    _sync(path.parent)


def write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Make a folder and write files into it.

    Args:
        folder: the folder, which is not there yet.
        contents: name of each file, and its bytes.
    """
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def sweep(folder: Path, everything: bool = False) -> None:
    """Delete what was being written by processes that run no more.

    Args:
        folder: where to look, not below it.
        everything: whether to delete also what a process may be at.
    """
    for leftover in folder.glob(f"*{LEFTOVER}"):
        if everything or _is_abandoned(leftover):
            _remove(leftover)


def explain(error: OSError, path: Path) -> str:
    """Say in one line what could not be written, why, and what to do.

    Args:
        error: what the system said.
        path: what was to be written.

    Returns:
        The line.
    """
    return (
        f"cannot write {path}: {error.strerror or error}; what was written before is whole: make "
        "room and run the same command again"
    )


def sha256(content: bytes) -> str:
    """Hash content.

    Args:
        content: any bytes.

    Returns:
        SHA-256 in hex.
    """
    return hashlib.sha256(content).hexdigest()


def short_hash(text: str) -> str:
    """Hash a text to an id that a person can compare.

    Args:
        text: any text.

    Returns:
        16 hex digits of its SHA-256.
    """
    return sha256(text.encode())[:16]


def json_ready(value: Any, digits: int | None = None) -> Any:
    """Turn values into what strict JSON knows.

    Args:
        value: numbers, arrays, text, and dicts, lists and tuples of them; numpy's among them.
        digits: significant digits of a float; all if None.

    Returns:
        The same as dicts with text for keys, lists, floats, ints, text and None, which also stands
        for NaN and infinities.

    >>> json_ready({1: (0.5, float("nan"))})
    {'1': [0.5, None]}
    >>> json_ready([1 / 3], digits=7)
    [0.3333333]
    """
    if hasattr(value, "tolist"):  # numpy's arrays and scalars; without importing numpy here
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): json_ready(item, digits) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(item, digits) for item in value]
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return value if digits is None else float(f"{value:.{digits}g}")


def to_json(value: Mapping[str, Any]) -> bytes:
    """Write JSON; equal values give equal bytes.

    Args:
        value: JSON-ready values.

    Returns:
        The text, keys sorted, as UTF-8.
    """
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


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


def _swap_folders(leftover: Path, target: Path) -> None:
    # A folder that holds something cannot be replaced by a rename: it steps aside first.
    aside = leftover.with_name(f"{leftover.name}{LEFTOVER}")
    os.replace(target, aside)
    try:
        os.replace(leftover, target)
    except OSError:
        os.replace(aside, target)
        raise
    _remove(aside)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _is_abandoned(leftover: Path) -> bool:
    host = re.escape(socket.gethostname())
    writer = re.search(rf"\.({host}-\d+){LEFTOVER}$", leftover.name)
    try:
        return bool(writer and is_gone(writer[1])) or time.time() - leftover.stat().st_mtime > OLD
    except FileNotFoundError:
        return False  # its writer has just renamed it


def _sync_all(path: Path) -> None:
    """Make sure that a file, or a folder and all in it, is on disk."""
    if path.is_dir():
        for entry in path.iterdir():
            _sync_all(entry)
    _sync(path)


def _sync(path: Path) -> None:
    """Make sure that a file, or the list of names in a folder, is on disk."""
    if path.is_dir() and os.name != "posix":
        return  # Windows cannot open a folder, and renames there need no such help
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
