"""Files and folders that are either whole or not there, whoever writes them and however they end.

All is written under a name of the writing process and renamed: two that write the same thing never
meet. What this is not: knowledge of what is in a file.
"""

import hashlib
import json
import math
import os
import re
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

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


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is never seen half-written, not even after a power cut.

    Args:
        path: the file; replaced if there is one.
        content: all of its bytes.

    Raises:
        OSError: if the file cannot be written; nothing is left behind.
    """
    leftover = leftover_path(path)
    try:
        _write(leftover, content)
        os.replace(leftover, path)
    except OSError as error:
        leftover.unlink(missing_ok=True)
        raise OSError(explain(error, path)) from error
    _sync_folder(path.parent)


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
        leftover.mkdir()
        for name, content in contents.items():
            _write(leftover / name, content)
        _sync_folder(leftover)
        os.replace(leftover, path)  # refuses to replace a folder that holds something
    except OSError as error:
        shutil.rmtree(leftover, ignore_errors=True)
        if not path.is_dir():
            raise OSError(explain(error, path)) from error
    _sync_folder(path.parent)


def sweep(folder: Path, everything: bool = False) -> None:
    """Delete what was being written by processes that run no more.

    Args:
        folder: where to look, not below it.
        everything: whether to delete also what a process may be at.
    """
    for leftover in folder.glob(f"*{LEFTOVER}"):
        if everything or _is_abandoned(leftover):
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


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


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _is_abandoned(leftover: Path) -> bool:
    host = re.escape(socket.gethostname())
    found = re.search(rf"\.({host}-\d+){LEFTOVER}$", leftover.name)
    try:
        return bool(found and is_gone(found[1])) or time.time() - leftover.stat().st_mtime > OLD
    except FileNotFoundError:
        return False  # its writer has just renamed it


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return  # Windows cannot open a folder, and renames there need no such help
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def plain(value: Any) -> Any:
    """Turn numpy values into what JSON knows, at seven digits; NaN and infinity become None.

    Args:
        value: numbers, arrays, text, and dicts, lists and tuples of them.

    Returns:
        The same in dicts, lists, floats, ints, text and None.
    """
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(part) for part in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.7g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def to_json(value: Mapping[str, Any]) -> bytes:
    """Write JSON; equal values give equal bytes.

    Args:
        value: JSON-ready values.

    Returns:
        The text, keys sorted, as UTF-8.
    """
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def sha256(content: bytes) -> str:
    """Hash content.

    Args:
        content: any bytes.

    Returns:
        SHA-256 in hex.
    """
    return hashlib.sha256(content).hexdigest()


def write_json(path: Path, content: object) -> Path:
    """Write JSON under a temporary name, then rename.

    Args:
        path: the file; its folder is made.
        content: JSON-ready values; numbers that are not finite become null.

    Returns:
        The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(clean_numbers(content), indent=1, ensure_ascii=False, allow_nan=False)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fresh.write_text(text + "\n", encoding="utf-8")
    os.replace(fresh, path)
    return path


def clean_numbers(value: Any) -> Any:
    """Make a value fit for strict JSON.

    Args:
        value: dicts, lists, strings and numbers, numpy's scalars among them.

    Returns:
        The same with plain Python numbers, null for NaN and infinities, and text for keys.
    """
    if isinstance(value, dict):
        return {str(key): clean_numbers(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [clean_numbers(item) for item in value]
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and not math.isfinite(plain) else plain
