"""Wall time, processor time and peak memory of a step on any device."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import torch


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


def wait_for(device: str) -> None:
    """Let a device finish what it was asked to do."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def processor_seconds() -> float:
    """Read the processor time so far of this process and, on Linux, of those below it [seconds]."""
    return time.process_time() + sum(map(_read_seconds, _list_below(os.getpid())))


def _list_below(process: int) -> Iterator[int]:
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, path.read_text(encoding="utf-8").split()):
            yield child
            yield from _list_below(child)


def _read_seconds(process: int) -> float:
    with suppress(FileNotFoundError):  # it may have ended meanwhile
        # Behind the name, which may hold spaces: fields 14 and 15 of all, in ticks.
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2]
        used = sum(map(int, fields.split()[11:13]))
        return used / float(os.sysconf("SC_CLK_TCK"))
    return 0.0
