"""`python -m scripts.benchmarks.adaptive`: what adaptive answering saves, from image to answer."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.benchmarks.settings import AdaptiveBenchSettings, write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, settings_options
from scripts.terminal.output import print_table

if TYPE_CHECKING:
    from scripts.benchmarks.adaptive_timing import Times

MEANS = (16, 72, 144)


@click.command(cls=OneLineCommand)
@settings_options(AdaptiveBenchSettings, "settings")
@click.option("--mean", multiple=True, type=click.IntRange(1, 576), help="16, 72, 144.")
@json_option
def main(settings: AdaptiveBenchSettings, mean: tuple[int, ...], json_file: Path | None) -> None:
    """Compare encode, route and generate with reading every image at its largest scale.

    The router is a trained one of the model's width whose work is timed, but which scale a question
    gets is set here, so that their mean is as wanted. All run in turns on the same questions.

    Example: python -m scripts.benchmarks.adaptive --json adaptive.json
    """
    from scripts.benchmarks.adaptive_timing import FIXED, measure_times

    times = measure_times(mean or MEANS, settings)
    rows = []
    for name, rounds in times.items():
        # The median round, whose parts add up.
        middle = sorted(rounds, key=lambda one: one.total)[len(rounds) // 2]
        parts = (middle.encode, middle.route, middle.generate)
        ratios = [
            _median(times[FIXED], kind) / _median(rounds, kind) for kind in ("total", "processor")
        ]
        rows.append([name, middle.tokens, *(1000 * part for part in parts), *ratios])
    columns = ["way", "mean tokens", "encode ms", "route ms", "generate ms", "times", "CPU time"]
    print_table(columns, rows)
    measured = {name: [asdict(one) for one in rounds] for name, rounds in times.items()}
    write_measures(json_file, "adaptive", {**asdict(settings), "ways": measured}, settings.device)


def _median(rounds: Sequence["Times"], kind: str) -> float:
    seconds: list[float] = [getattr(one, kind) for one in rounds]
    return statistics.median(seconds)


if __name__ == "__main__":
    main()
