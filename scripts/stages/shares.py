"""How many processes label into one folder, and which of them this one is."""

import os
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from labels.labelling.sharing import Share
from scripts.stages.model import Opening
from scripts.terminal.output import print_table
from scripts.terminal.outputs import write_table


def read_share(shard: str | None) -> Share:
    """Find out which parts of a run this process labels.

    Args:
        shard: I/N, the I-th of N shares, counted from 0; None to ask torchrun.

    Returns:
        The share.

    Raises:
        click.UsageError: if torchrun splits the work already.
        click.BadParameter: if `shard` is no such pair.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))  # torchrun sets these
    if shard is None:
        return Share(int(os.environ.get("RANK", "0")), size)
    if size > 1:
        raise click.UsageError("torchrun splits the work by itself: leave --shard out")
    number, _, count = shard.partition("/")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        raise click.BadParameter(f"expected I/N, 0/8 to 7/8, got {shard!r}", param_hint="--shard")
    return Share(int(number), int(count))


def take_device(opening: Opening) -> Opening:
    """Give each process that torchrun started its own GPU.

    Args:
        opening: which checkpoint, and where to.

    Returns:
        The same with `cuda:0`, `cuda:1` and so on for `cuda`.
    """
    # Counted on this machine, as its GPUs are; RANK counts over all machines.
    rank = os.environ.get("LOCAL_RANK")
    return replace(opening, device=f"cuda:{rank}") if rank and opening.device == "cuda" else opening


def show_status(folder: Path, json_file: Path | None) -> None:
    """Print how far a run is."""
    from labels.labelling.status import read_status

    status = read_status(folder)
    for name in ("parts", "images", "questions"):
        done = status[name]["done"]
        total = status[name]["all"]
        click.echo(f"{name:<10}{done} of {total} ({100 * done / max(total, 1):.1f} %)")
    header = ("worker", "parts", "questions", "questions/s", "last part")
    print_table(header, [_describe_worker(worker) for worker in status["workers"]])
    click.echo(_describe_rest(status))
    if json_file:
        write_table(json_file, status)


def _describe_worker(worker: dict[str, Any]) -> list[object]:
    last = datetime.fromtimestamp(worker["last"]).isoformat(" ", "seconds")
    return [worker["worker"], worker["parts"], worker["questions"], worker["speed"], last]


def _describe_rest(status: dict[str, Any]) -> str:
    if status["finished"]:
        return f"finished: {status['source']}"
    left = status["questions"]["all"] - status["questions"]["done"]
    seconds = status["seconds_left"]
    rest = f"{left} questions in {len(status['missing'])} parts are left"
    if seconds is None:
        return f"{rest}; no process has made one lately: run m3scale label to go on"
    return f"{rest}, about {seconds:.0f} s"
