"""Time and peak memory of a step on any device."""

import resource
import sys
import time
from collections.abc import Callable

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
