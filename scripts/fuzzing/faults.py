"""Commands that are killed, or whose writes fail, at a chosen moment.

A warm process has imported everything and forks a child for each run, so a run costs what the
command costs. Writes are counted and broken by a small library in C that is loaded before all
others (`faults.c`).
"""

import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["none", "kill", "EIO", "ENOSPC"]
SOURCE = Path(__file__).with_name("faults.c")
PATIENCE = 300.0
"""A run that takes longer hangs [seconds]."""

LIBRARY = "M3SCALE_FAULTS"
"""Environment variable: the library that the process was started with."""

# In the order of the enumeration in faults.c. A full disk stays full; a bad block is one call.
_MODES: dict[Kind, tuple[int, int]] = {
    "none": (0, 0),
    "kill": (1, 0),
    "EIO": (2, errno.EIO),
    "ENOSPC": (3, errno.ENOSPC),
}


@dataclass(frozen=True)
class Fault:
    """What goes wrong in a run.

    Attributes:
        kind: `kill` before a write, one write that fails with EIO, or a disk that is full from
            one write on.
        write: number of that write, from 1.
        seconds: kill after this time instead; None for never.
    """

    kind: Kind = "none"
    write: int = 0
    seconds: float | None = None


@dataclass(frozen=True)
class Run:
    """How a run ended.

    Attributes:
        code: exit code; negative for a signal.
        said: what it wrote to stderr.
        writes: calls that write below its folder.
        seconds: how long it took.
    """

    code: int
    said: str
    writes: int
    seconds: float


def load_faults(module: str, folder: Path) -> None:
    """Start this program again with the library in C loaded first, unless it is.

    Args:
        module: the module that is run, with the arguments of this process.
        folder: where to build the library. An OSError says that there is no C compiler.
    """
    if LIBRARY in os.environ:
        return
    library = folder / "faults.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    # A thread more for every core would only wait: many small runs share the machine.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", LIBRARY: str(library)}
    environment["LD_PRELOAD"] = str(library)
    os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], environment)


def begin_counting() -> None:
    """Give this process, a worker, a counter of its own."""
    ctypes.CDLL(os.environ[LIBRARY]).faults_begin()


def fork_run(
    arguments: Sequence[str], folder: Path, fault: Fault, prepare: Callable[[], None]
) -> Run:
    """Run `m3scale` in a child of this process.

    Args:
        arguments: what stands behind `m3scale`.
        folder: where it works; writes below it are counted.
        fault: what goes wrong.
        prepare: called in the child before the command.

    Returns:
        How it ended.
    """
    library = ctypes.CDLL(os.environ[LIBRARY])
    library.faults_count.restype = ctypes.c_long
    begun = time.monotonic()
    said = folder.with_name(f"{folder.name}.stderr")
    child = os.fork()
    if child == 0:
        _be_child(arguments, folder, said, lambda: _arm(library, folder, fault), prepare)
    if fault.seconds is not None:
        time.sleep(fault.seconds)
        os.kill(child, signal.SIGKILL)
    # A run that hangs is ended and told by its signal.
    alarm = threading.Timer(PATIENCE, os.kill, (child, signal.SIGALRM))
    alarm.start()
    _, status = os.waitpid(child, 0)
    alarm.cancel()
    return Run(
        os.waitstatus_to_exitcode(status),
        said.read_text(errors="replace") if said.exists() else "",
        library.faults_count(),
        time.monotonic() - begun,
    )


def _arm(library: ctypes.CDLL, folder: Path, fault: Fault) -> None:
    mode, number = _MODES[fault.kind]
    library.faults_arm(os.fsencode(folder), mode, ctypes.c_long(fault.write), number)


def _be_child(
    arguments: Sequence[str],
    folder: Path,
    said: Path,
    arm: Callable[[], None],
    prepare: Callable[[], None],
) -> None:
    """Run the command and end this process, whatever happens."""
    code = 1
    try:
        os.chdir(folder)
        handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 2)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        prepare()
        arm()
        # A process of its own, so that a traceback, an exit and a full pipe are what they are.
        from scripts.cli import main

        main.main(list(arguments), prog_name="m3scale")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)
