"""Try bad input on every command: `python -m scripts.fuzzing.run --seconds 600`."""

import itertools
import multiprocessing
import random
import resource
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from m3_backbone.files import write_json
from scripts.fuzzing.counts import describe_commit
from scripts.terminal.output import print_table

MEMORY = 12 * 2**30
"""Address space that a call may take [bytes]; what libraries map at import is in it."""


SEED = "seed"
"""File that says which call is being run."""


@dataclass(frozen=True)
class Plan:
    """Which calls are made.

    Attributes:
        seconds: time, not counting the making of the user's home.
        calls: most calls of each process; None for no limit.
        seed: seed of the first call; the next ones count on from it, so each can be repeated.
        own_process: share of real processes.
        only: names of generators; all if there are none.
    """

    seconds: float
    calls: int | None
    seed: int
    own_process: float
    only: Sequence[str] = ()


@dataclass
class Result:
    """What became of calls.

    Attributes:
        counts: generator -> how often each verdict.
        faults: what was no clean refusal, with its seed.
        seen: hashes of the distinct inputs.
        seconds: generator -> time that its calls took.
    """

    counts: dict[str, Counter[str]]
    faults: list[dict[str, Any]] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, other: "Result") -> None:
        """Take in what another process found."""
        for name, count in other.counts.items():
            self.counts[name].update(count)
        self.faults += other.faults
        self.seen |= other.seen
        for name, seconds in other.seconds.items():
            self.seconds[name] += seconds


@click.command()
@click.option("--seconds", default=600.0, show_default=True, type=click.FloatRange(0), help="Time.")
@click.option(
    "--calls",
    type=click.IntRange(1),
    help="Most calls of each process.",
)
@click.option("--seed", default=0, show_default=True, help="Seed of the first call.")
@click.option("--only", multiple=True, help="A generator; repeatable.  [default: all]")
@click.option(
    "--own-process",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the calls that are real processes, which may crash.",
)
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1), help="Processes.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Counts and faults.")
def main(
    seconds: float,
    calls: int | None,
    seed: int,
    only: tuple[str, ...],
    own_process: float,
    workers: int,
    json_file: Path | None,
) -> None:
    """Count what became of bad calls; exit with 1 if one ended in anything but a clean refusal.

    Example: python -m scripts.fuzzing.run --seconds 600 --seed 1 --json fuzz.json
    """
    # A call that takes all memory is a fault of that call, not the end of the run.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    plan = Plan(seconds, calls, seed, own_process, only)
    with tempfile.TemporaryDirectory() as folder:
        result = fuzz_parallel(Path(folder), plan, workers)
    _print_result(result)
    click.echo(f"{len(result.seen)} distinct inputs, seed {seed}")
    if json_file:
        content = {"commit": describe_commit(), "seed": seed, "distinct": len(result.seen)}
        write_json(json_file, {**content, "counts": result.counts, "faults": result.faults})
    if result.faults:
        raise SystemExit(1)


def _print_result(result: Result) -> None:
    verdicts = sorted({verdict for one in result.counts.values() for verdict in one})
    rows = []
    for name, one in result.counts.items():
        calls = sum(one.values())
        each = f"{1000 * result.seconds[name] / max(calls, 1):.0f}"
        rows.append([name, calls, each, *(one[verdict] for verdict in verdicts)])
    print_table(["", "calls", "ms each", *verdicts], rows)
    for fault in result.faults[:50]:
        click.echo(f"{fault['verdict']}: m3scale {fault['arguments']} (seed {fault['seed']})")
        click.echo(f"    {fault['detail']}")


def fuzz_parallel(folder: Path, plan: Plan, workers: int) -> Result:
    """Share the seeds of a plan out to processes, each with a home of its own.

    Args:
        folder: an empty folder to work in.
        plan: which calls.
        workers: processes.

    Returns:
        What became of all calls.

    Raises:
        ClickException: if a call ended a process; it names the seeds at which they were.
    """
    if workers == 1:
        return fuzz(folder, plan)
    # Forked, so that all hash alike; before torch is loaded, whose threads no fork survives.
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("fork"))
    folders = [folder / str(number) for number in range(workers)]
    with executor:
        parts = [
            executor.submit(fuzz, one, replace(plan, seed=plan.seed + number), workers)
            for number, one in enumerate(folders)
        ]
        try:
            whole, *others = (part.result() for part in parts)
        except BrokenProcessPool as error:
            seeds = ", ".join((one / SEED).read_text() for one in folders if (one / SEED).exists())
            raise click.ClickException(
                f"a call ended its process: give --calls 1 and --seed one of {seeds}"
            ) from error
    for other in others:
        whole.add(other)
    return whole


def fuzz(folder: Path, plan: Plan, stride: int = 1) -> Result:
    """Make and run bad calls until the time is over.

    Args:
        folder: a folder to work in, empty or not there.
        plan: which calls.
        stride: take each `stride`-th seed only.

    Returns:
        What became of them.
    """
    from scripts.fuzzing.calls import GENERATORS
    from scripts.fuzzing.harness import FAULTS, run_call
    from scripts.fuzzing.world import build_world

    world = build_world(folder)
    names = list(plan.only or GENERATORS)
    shares = [GENERATORS[name][1] for name in names]
    result = Result({name: Counter() for name in names})
    end = time.monotonic() + plan.seconds
    for number in itertools.islice(itertools.count(plan.seed, stride), plan.calls):
        begun = time.monotonic()
        if begun >= end:
            break
        (folder / SEED).write_text(str(number))
        # Each call has a seed of its own, so that a fault is repeated without the calls before it.
        draw = random.Random(number)
        name = draw.choices(names, shares)[0]
        call = GENERATORS[name][0](draw, world)
        # Hashes, not calls: their files would fill the memory.
        result.seen.add(hash((call.arguments, tuple(sorted(call.files.items())))))
        outcome = run_call(call, world, draw.random() < plan.own_process)
        result.counts[name][outcome.verdict] += 1
        result.seconds[name] += time.monotonic() - begun
        if outcome.verdict in FAULTS:
            shown = " ".join(map(repr, call.arguments))[:300]
            fault = {"seed": number, "verdict": outcome.verdict, "arguments": shown}
            result.faults.append({**fault, "generator": name, "detail": outcome.detail})
    return result


if __name__ == "__main__":
    main()
