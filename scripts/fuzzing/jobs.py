"""The commands that are killed and starved of disk: where each starts from and what it writes.

All of them are as small as they can be: a run takes a second or less, but for demo.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from scripts.fuzzing.faults import Fault, fork_run
from scripts.fuzzing.world import copy_tree

OTHER: Final = "other-router"
"""What `pull` fetches, beside the folder that it writes to."""


@dataclass(frozen=True)
class Job:
    """A command that writes.

    Attributes:
        arguments: what stands behind `m3scale`.
        inputs: entries of a demo's run that it starts from; a user's note is put into each folder
            that it writes to.
        outputs: what must be the old or the new at any time, each by itself.
        unfinished: what may lie there until the command has been run again.
        exact: whether two runs write the same bytes; if not, names and sizes above 0 must agree.
    """

    arguments: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    unfinished: tuple[str, ...] = ()
    exact: bool = True


SPLITS: Final = ("outcomes/router-train", "outcomes/calibration")
TRAIN: Final = "train --run . --kind linear --no-tune"
DEMO: Final = (
    "demo --train-images 5 --calibration-images 2 --test-images 2 --outside-images 2 "
    "--rephrased-images 2 --seeds 1 --kind linear --quiet --out"
)
JOBS: Final = {
    "train": Job(f"{TRAIN} --seed 1", (*SPLITS, "router"), ("router",)),
    "pull": Job("pull owner/name router", ("router", OTHER), ("router",)),
    "profile": Job(
        "profile --limit 1 --repeats 1 --max-new-tokens 1 --out profile.json",
        ("profile.json",),
        ("profile.json",),
    ),
    "convert": Job("convert m3-mini official --to official", (), ("official",)),
    "finetune": Job(
        "finetune --model m3-mini --steps 2 --batch 1 --turns 1 --scales 1 --tower-rate 0 "
        "--language-rate 0 --save-seconds 0 --out tuned",
        (),
        ("tuned",),
        ("tuned.unfinished",),
    ),
    "report": Job("report --run . --seeds 1", ("outcomes", "router", "report"), ("report",)),
    "demo": Job(
        f"{DEMO} .",
        (),
        ("profile.json", "router", "report", "example.png"),
        ("outcomes",),
        exact=False,
    ),
}
"""Command -> how it is run."""


class Clock(threading.local):
    """Goes on by a millisecond a look of the same thread, so that times are alike in each run.

    How often other threads look in between depends on the load of the machine.
    """

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> float:
        """Look at it [seconds]."""
        self.looks += 1
        return self.looks / 1024  # a power of two: differences are the same to the last bit


def _time_once(
    works: Mapping[str, Sequence[Callable[[], object]]], repeats: int
) -> dict[str, NDArray[np.float64]]:
    for pieces in works.values():
        for piece in pieces:
            piece()
    return {name: np.full((repeats, len(pieces)), 1.0) for name, pieces in works.items()}


REPLACED: Final[dict[str, Callable[..., object]]] = {
    "huggingface_hub.snapshot_download": lambda *_, **__: os.path.abspath(OTHER),
    # Most of the time goes here, and nothing is written: figures and times are made in memory.
    "predictor.report.report._draw": lambda name, _: (f"<svg>{name}</svg>",) * 2 + (b"\x89PNG",),
    "scripts.stages.profile.time_in_turn": _time_once,
}
"""Function -> what stands in its place."""


def be_repeatable() -> None:
    """Replace what differs from run to run or is slow, in a process that ends with the command."""
    time.perf_counter = time.monotonic = Clock()
    for name, function in REPLACED.items():
        patch(name, function).start()


def build_base(folder: Path, commands: list[str]) -> None:
    """Make everything that the jobs start from.

    Args:
        folder: an empty folder.
        commands: names of the jobs; less is made for a few of them.

    Raises:
        RuntimeError: if a command fails.
    """
    whole = any(name in ("report", "demo") for name in commands)
    # A report needs all that a demo makes; a router needs two splits.
    calls = [f"{DEMO} ."] if whole else _label_and_train(commands)
    if "pull" in commands:
        calls.append(f"{TRAIN} --seed 2 --out {OTHER}")
    if "profile" in commands and not whole:
        calls.append(JOBS["profile"].arguments)
    for call in calls:
        run = fork_run(call.split(), folder, Fault(), be_repeatable)
        if run.code != 0:
            raise RuntimeError(f"m3scale {call} failed: {run.said}")


def _label_and_train(commands: list[str]) -> list[str]:
    if not {"train", "pull"}.intersection(commands):
        return []
    label = "label --source scenes:{} --limit {} --quiet --out outcomes/{}"
    splits = (("router-train", 5), ("calibration", 2))
    return [*(label.format(name, count, name) for name, count in splits), TRAIN]


def start_job(job: Job, base: Path, folder: Path) -> None:
    """Make a job's folder anew.

    Args:
        job: the job.
        base: what `build_base` made.
        folder: where the job is going to work.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in job.inputs:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy = copy_tree if (base / name).is_dir() else shutil.copy2
        copy(base / name, folder / name)
    for name in job.outputs:
        if (folder / name).is_dir():
            (folder / name / "NOTES.txt").write_text("mine\n")
