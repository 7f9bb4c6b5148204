"""One training at a time writes an unfinished run; a second one is refused before it trains."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from m3_backbone.processes import worker_name
from m3_backbone.training.distributed import group_rank
from scripts.finetuning.start import LOCK, unfinished


@contextmanager
def writing_alone(out: Path) -> Iterator[None]:
    """Keep other trainings away from a run for as long as the block lasts.

    Of processes that train together the first one, which writes, keeps them away. The lock ends
    with its process, however that ends.

    Args:
        out: the folder that the training writes.

    Yields:
        Nothing.

    Raises:
        ValueError: if another process trains into the folder.
    """
    if group_rank() > 0 or os.name != "posix":
        yield
        return
    path = unfinished(out).with_name(LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        if not _lock(handle):
            holder = os.read(handle, 200).decode(errors="replace") or "another process"
            raise ValueError(
                f"{holder} trains into {out} at this moment: wait for its end, stop it, or name "
                "another --out"
            )
        os.ftruncate(handle, 0)
        os.write(handle, worker_name().encode())
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # what was trained so far keeps the folder
                path.parent.rmdir()
    finally:
        os.close(handle)


def _lock(handle: int) -> bool:
    """Take the lock of an open file, and tell whether it was free."""
    import fcntl  # which Windows lacks

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: nobody can be kept away there
    # Whoever had it may have removed the file meanwhile; a lock on that would keep nobody away.
    return os.fstat(handle).st_nlink > 0
