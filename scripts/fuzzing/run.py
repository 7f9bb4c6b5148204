"""Try bad input on every command: `python -m scripts.fuzzing.run --seconds 600`."""

import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from m3_backbone.files import write_json
from scripts.fuzzing.counts import describe_commit
from scripts.terminal.output import print_table

MEMORY = 12 * 2**30
"""Address space that a call may take [bytes]; what libraries map at import is in it."""


@click.command()
@click.option("--seconds", default=600.0, show_default=True, type=click.FloatRange(0), help="Time.")
@click.option("--calls", type=click.IntRange(min=1), help="Most calls; the time alone if left out.")
@click.option("--seed", default=0, show_default=True, help="Seed of the first call.")
@click.option("--only", multiple=True, help="A generator; repeatable.  [default: all]")
@click.option(
    "--own-process",
    default=0.01,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of the calls that are real processes, which may crash.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Counts and faults.")
def main(
    seconds: float,
    calls: int | None,
    seed: int,
    only: tuple[str, ...],
    own_process: float,
    json_file: Path | None,
) -> None:
    """Count what became of bad calls; exit with 1 if one ended in anything but a clean refusal.

    Example: python -m scripts.fuzzing.run --seconds 600 --seed 1 --json fuzz.json
    """
    # A call that takes all memory is a fault of that call, not the end of the run.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        counts, faults, distinct = fuzz(Path(folder), seconds, calls, seed, own_process, only)
    verdicts = sorted({verdict for one in counts.values() for verdict in one})
    rows = [[name, sum(one.values()), *(one[v] for v in verdicts)] for name, one in counts.items()]
    print_table(["", "calls", *verdicts], rows)
    click.echo(f"{distinct} distinct inputs, seed {seed}")
    for fault in faults[:50]:
        click.echo(f"{fault['verdict']}: m3scale {fault['arguments']} (seed {fault['seed']})")
        click.echo(f"    {fault['detail']}")
    if json_file:
        content = {"commit": describe_commit(), "seed": seed, "distinct": distinct}
        content |= {"counts": counts, "faults": faults}
        write_json(json_file, content)
    if faults:
        raise SystemExit(1)


def fuzz(
    folder: Path,
    seconds: float,
    calls: int | None,
    seed: int,
    own_process: float,
    only: Sequence[str] = (),
) -> tuple[dict[str, Counter[str]], list[dict[str, Any]], int]:
    """Make and run bad calls until the time is over.

    Args:
        folder: an empty folder to work in.
        seconds: time, not counting the making of the user's home.
        calls: most calls; None for no limit.
        seed: seed of the first call; the next ones count on from it, so each can be repeated.
        own_process: share of real processes.
        only: names of generators; all if there are none.

    Returns:
        Counts of verdicts per generator, the faults, and the number of distinct inputs.
    """
    from scripts.fuzzing.calls import GENERATORS
    from scripts.fuzzing.harness import FAULTS, run_call
    from scripts.fuzzing.world import build_world

    world = build_world(folder)
    names = list(only or GENERATORS)
    shares = [GENERATORS[name][1] for name in names]
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    faults: list[dict[str, Any]] = []
    seen: set[int] = set()
    end = time.monotonic() + seconds
    number = seed
    while time.monotonic() < end and (calls is None or number < seed + calls):
        # Each call has a seed of its own, so that a fault is repeated without the calls before it.
        draw = random.Random(number)
        name = draw.choices(names, shares)[0]
        call = GENERATORS[name][0](draw, world)
        # Hashes, not calls: their files would fill the memory.
        seen.add(hash((call.arguments, tuple(sorted(call.files.items())))))
        outcome = run_call(call, world, draw.random() < own_process)
        counts[name][outcome.verdict] += 1
        if outcome.verdict in FAULTS:
            shown = " ".join(map(repr, call.arguments))
            faults.append({"seed": number, "verdict": outcome.verdict, "arguments": shown[:300]})
            faults[-1] |= {"generator": name, "detail": outcome.detail}
        number += 1
    return counts, faults, len(seen)


if __name__ == "__main__":
    main()
