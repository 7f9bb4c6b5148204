"""`python -m scripts.benchmarks.step`: what encoding once a step saves, in seconds and bytes."""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from m3_backbone.files import write_json
from scripts.stages.provenance import describe_code, describe_hardware
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.output import print_table


@click.command(cls=OneLineCommand, context_settings={"show_default": True})
@click.option("--size", default="tiny", type=click.Choice(["tiny", "300m", "7b"]))
@click.option("--device", default="cpu", help="Torch device.")
@click.option(
    "--dtype",
    default="float32",
    type=click.Choice(["float32", "bfloat16"]),
    help="Number format of the weights.",
)
@click.option("--bf16/--fp32", default=False, help="Precision of the forward passes.")
@click.option("--batch", default=2, type=click.IntRange(min=1), help="Images a step.")
@click.option("--prompt", default=48, type=click.IntRange(min=1), help="Tokens around an image.")
@click.option("--answer", default=16, type=click.IntRange(min=1), help="Tokens of an answer.")
@click.option("--repeats", default=5, type=click.IntRange(min=1), help="Timed steps of each kind.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="JSON file to write.")
@click.option("--memory-of", type=click.Choice(["shared", "naive"]), hidden=True)
def main(repeats: int, json_path: Path | None, memory_of: str | None, **given: Any) -> None:
    """Compare one encoding a step with one encoding a scale, on random weights.

    Times are taken in turns in one process; each memory is the peak of a process of its own.

    Example: python -m scripts.benchmarks.step --size tiny --json step.json
    """
    from scripts.benchmarks.models import Setting
    from scripts.benchmarks.step_timing import KINDS, measure_memory, measure_times

    setting = Setting(**given)
    if memory_of:
        click.echo(json.dumps(measure_memory(setting, memory_of)))
        return
    memory = {kind: ask_memory(given, kind) for kind in KINDS}
    measured = {**given, **measure_times(setting, repeats), "memory_bytes": memory}
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
    if json_path:
        command = shlex.join(["python", "-m", "scripts.benchmarks.step", *sys.argv[1:]])
        meta = {
            "code_version": describe_code(),
            "hardware": describe_hardware(setting.device),
            "command": command,
        }
        click.echo(f"wrote {write_json(json_path, {**measured, 'meta': meta})}")


def ask_memory(given: dict[str, Any], kind: str) -> dict[str, int]:
    """Measure the memory of one kind of step in a process of its own.

    Raises:
        ValueError: if that process fails, for want of memory or else.
    """
    options = [f"--{name}={value}" for name, value in given.items() if name != "bf16"]
    options.append("--bf16" if given["bf16"] else "--fp32")
    command = [sys.executable, "-m", "scripts.benchmarks.step", f"--memory-of={kind}", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ValueError(f"the {kind} step failed: {reason}; try a smaller --batch or --size")
    answer: dict[str, int] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


if __name__ == "__main__":
    main()
