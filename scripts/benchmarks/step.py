"""`python -m scripts.benchmarks.step`: what encoding once per step saves, in seconds and bytes."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import click

from scripts.benchmarks.settings import StepSettings, write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, settings_options
from scripts.terminal.output import print_table


@click.command(cls=OneLineCommand)
@settings_options(StepSettings, "settings")
@click.option(
    "--repeats",
    default=5,
    show_default=True,
    type=click.IntRange(min=1),
    help="Timed steps of each kind.",
)
@json_option
@click.option("--memory-of", type=click.Choice(["shared", "naive"]), hidden=True)
def main(
    settings: StepSettings, repeats: int, json_file: Path | None, memory_of: str | None
) -> None:
    """Compare encoding once per step with encoding once per scale, on random weights.

    Times are taken in turns in one process; each memory is the peak of a process of its own.

    Example: python -m scripts.benchmarks.step --size tiny --json step.json
    """
    from scripts.benchmarks.step_timing import KINDS, measure_memory, measure_times

    if memory_of:
        click.echo(json.dumps(measure_memory(settings, memory_of)))
        return
    # Before this process makes a model of its own, so that each child has the device to itself.
    memory = {kind: ask_memory(settings, kind) for kind in KINDS}
    measured = measure_times(settings, repeats)
    print_table(
        ["encoding", "seconds", "peak MiB", "of it before the step"],
        [
            (
                kind,
                measured["median_seconds"][kind],
                *(memory[kind][when] / 2**20 for when in ("peak", "start")),
            )
            for kind in KINDS
        ],
    )
    click.echo(
        f"{measured['speedup']:.2f} times as fast; gradients up to "
        f"{measured['largest_gradient']:.3g} differ by {measured['largest_difference']:.3g}"
    )
    content = {**asdict(settings), **measured, "memory_bytes": memory}
    write_measures(json_file, "step", content, settings.device)


def ask_memory(settings: StepSettings, kind: str) -> dict[str, int]:
    """Measure the memory of one kind of step in a process of its own.

    Raises:
        ValueError: if that process fails, for want of memory or else.
    """
    given = asdict(settings)
    options = ["--bf16" if given.pop("bf16") else "--fp32"]
    options += [f"--{name}={value}" for name, value in given.items()]
    command = [sys.executable, "-m", "scripts.benchmarks.step", f"--memory-of={kind}", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ValueError(f"the {kind} step failed: {reason}; try a smaller --batch or --size")
    # The last line alone: a library may have spoken before.
    answer: dict[str, int] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
