"""Names the processes that write, and tells which of them run no more."""

import os
import socket

WHOLE_MACHINE = 0xEFFFFFFC
"""What Linux calls the process numbers that are the machine's own (PROC_PID_INIT_INO)."""


def worker_name() -> str:
    """Name this process so that all processes on all machines have their own name.

    Returns:
        Host name and process id, such as `node7-4711`; in a container its own number between them.
    """
    return f"{_name_machine()}-{os.getpid()}"


def _name_machine() -> str:
    """Name what counts processes: the machine, or one of the containers on it."""
    try:
        number = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # not on Linux
        return socket.gethostname()
    return socket.gethostname() + (f"-{number}" if number != WHOLE_MACHINE else "")


def is_gone(worker: str) -> bool:
    """Tell whether a process surely runs no more.

    Args:
        worker: what `worker_name` gave it.

    Returns:
        True if it ran on this machine and its id is free, or has become that of this process. Of
        other machines nothing is known.
    """
    host, _, number = worker.rpartition("-")
    if host != _name_machine() or os.name != "posix":
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
