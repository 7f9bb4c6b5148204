"""Wall time, processor time and peak memory of a step on any device."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import torch

from m3_backbone.inference.execution import wait_for


def peak_bytes(device: str) -> int:
    """Read the largest memory so far: of the device where it keeps count, else of the process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    # Linux counts KiB, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def time_step(step: Callable[[], object], device: str) -> float:
    """Run a step and give its wall time, until the device is done [seconds]."""
    wait_for(device)  # what was queued before is not the step's
    started = time.perf_counter()
    step()
    wait_for(device)
    return time.perf_counter() - started


def processor_seconds() -> float:
    """Read the processor time so far of this process and, on Linux, of those below it [seconds]."""
    return time.process_time() + sum(map(_read_seconds, _list_below(os.getpid())))


def _list_below(process: int) -> Iterator[int]:
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, _read_if_there(path).split()):
            yield child
            yield from _list_below(child)


def _read_seconds(process: int) -> float:
    # Behind the name, which may hold spaces: fields 14 and 15 of all, in ticks.
    fields = _read_if_there(Path(f"/proc/{process}/stat")).rpartition(")")[2]
    used = sum(map(int, fields.split()[11:13]))
    return used / float(os.sysconf("SC_CLK_TCK"))


def _read_if_there(path: Path) -> str:
    """Read a file of a process or a thread; nothing if that has ended meanwhile."""
    # It may end before the file is opened, and between that and the reading.
    with suppress(FileNotFoundError, ProcessLookupError):
        return path.read_text(encoding="utf-8")
    return ""
