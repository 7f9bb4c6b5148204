"""A folder takes the place of another that holds something: in one step, or else in two.

What this is not: how folders are written and where, see `files.py`. Some file systems exchange no
folders, such as NFS and Lustre. There the old one steps aside, beside the new one, and that takes
its place. A kill between the two steps leaves both whole, and anyone may take the second step.
"""

import ctypes
import errno
import os
from pathlib import Path

ASIDE = "old"
"""Name of the old folder once it has stepped aside."""

IMPOSSIBLE = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What systems and file systems answer that exchange no folders."""


def exchange(fresh: Path, target: Path) -> None:
    """Put a folder in the place of another.

    Args:
        fresh: the new folder, on disk; its parent is on disk too and holds nothing named `ASIDE`.
        target: the old one, on the same file system. Afterwards it stands where `fresh` stood, or
            beside that as `ASIDE`.

    Raises:
        OSError: if that cannot be done; the old one is in its place then.
    """
    number = _exchange_at_once(fresh, target)
    if number in IMPOSSIBLE:
        _exchange_in_two_steps(fresh, target)
    elif number:
        raise OSError(number, os.strerror(number))


def is_halfway(fresh: Path) -> bool:
    """Tell whether the first of two steps was taken, and the second one was not."""
    return fresh.exists() and fresh.with_name(ASIDE).exists()


def finish(fresh: Path, target: Path) -> None:
    """Take the second step; if another process is faster, that is as good.

    Args:
        fresh: the new folder, as in `exchange`.
        target: its place.

    Raises:
        OSError: if that cannot be done, as where nothing may be written.
    """
    try:
        os.replace(fresh, target)
    except OSError as error:
        if fresh.exists():
            raise OSError(
                f"{target} was being replaced when that was stopped; its new content is whole, in "
                f"{fresh}, and cannot be put in its place: {error.strerror}"
            ) from error


def _exchange_at_once(first: Path, second: Path) -> int:
    # One step of the file system: there is no moment without either. Returns an error's number.
    if os.name != "posix":
        return errno.ENOTSUP
    system = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(first), os.fsencode(second)
    if hasattr(system, "renameat2"):  # Linux
        done = system.renameat2(-100, paths[0], -100, paths[1], 2)
    elif hasattr(system, "renamex_np"):  # macOS
        done = system.renamex_np(*paths, 2)
    else:
        return errno.ENOTSUP
    return ctypes.get_errno() if done else 0


def _exchange_in_two_steps(fresh: Path, target: Path) -> None:
    aside = fresh.with_name(ASIDE)
    os.replace(target, aside)
    try:
        os.replace(fresh, target)
    except OSError:
        if fresh.exists():  # else a reader has taken the second step
            os.replace(aside, target)
            raise
