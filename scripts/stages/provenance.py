"""What produced a figure: the code, the machine and the command.

Nothing is measured here; `m3scale profile` and `scripts.benchmarks` do that.
"""

import importlib.metadata
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def describe_code() -> str:
    """Give `git describe` of the clone, else the version of the installed package."""
    version = importlib.metadata.version("m3scale")
    # Or git would describe whatever repository site-packages happens to lie in.
    if not (REPOSITORY / ".git").exists():
        return version
    command = ["git", "describe", "--always", "--dirty", "--tags"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return version  # no git on this machine, or no commit yet
    return f"{version}+{done.stdout.strip()}"


def describe_command() -> str:
    """Give the command line as it can be typed again."""
    return shlex.join(["m3scale", *sys.argv[1:]])


def describe_hardware(device: str = "cpu") -> str:
    """Name the machine in one line.

    Args:
        device: the torch device that the model ran on.

    Returns:
        Processor, usable cores, memory, accelerator if used, Python and torch.
    """
    import torch

    parts = [f"{_count_cores()} x {_name_processor()}", *_tell_memory()]
    if device.startswith("cuda"):
        parts.append(torch.cuda.get_device_name(device))
    parts += [f"Python {platform.python_version()}", f"torch {torch.__version__}"]
    return ", ".join(parts)


def _count_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # what a container may use, not what the machine has
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _name_processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []  # not Linux
    for line in lines:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _tell_memory() -> list[str]:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return []  # Windows has no sysconf
    return [f"{total / 2**30:.0f} GiB"]
