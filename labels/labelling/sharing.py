"""Shares of a run, and the lock that keeps two processes from making the same one.

What this is not: what keeps a table right. That no part is there twice is `labels.outcomes.parts`'s
doing; the lock only spares work.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Share:
    """Which parts a process makes: every `size`-th, from number `rank` on."""

    rank: int = 0
    size: int = 1

    def take(self, indices: Sequence[int]) -> list[int]:
        """Take this share of the numbers of parts."""
        return [index for index in indices if index % self.size == self.rank]


ALONE = Share()


@contextmanager
def hold(folder: Path, share: Share = ALONE) -> Iterator[None]:
    """Keep others from labelling into a folder; shares do not exclude each other.

    The folder itself is locked, until the process ends in whatever way. Where the file system has
    no such locks, there is none.

    Args:
        folder: the run's folder, made if it is not there.
        share: what this process makes of the run.

    Yields:
        Nothing. A folder that is still empty afterwards is not left behind.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY) if os.name == "posix" else None
    try:
        if handle is not None:
            _lock(handle, folder, is_shared=share.size > 1)
        yield
    finally:
        if handle is not None:
            os.close(handle)
        with suppress(OSError):  # something is in it
            for path in new:
                path.rmdir()


def _lock(handle: int, folder: Path, is_shared: bool) -> None:
    import fcntl  # not on Windows

    try:
        fcntl.flock(handle, fcntl.LOCK_NB | (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX))
    except OSError as error:  # any other: NFS, for one, locks no folders
        if isinstance(error, BlockingIOError):
            raise ValueError(
                f"another process labels into {folder}: wait for it, or share the work by "
                "--workers N in one process, or by --shard I/N in each of several"
            ) from error
