"""The command of the benchmark."""

import statistics
from dataclasses import asdict
from pathlib import Path

import click

from scripts.benchmarks.serve.settings import ServeBenchSettings
from scripts.benchmarks.settings import write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, settings_options
from scripts.terminal.output import print_table

COLUMNS = ("per_second", "p50_ms", "p95_ms", "p99_ms", "accuracy", "visual_tokens")


@click.command(cls=OneLineCommand)
@settings_options(ServeBenchSettings, "settings")
@json_option
def main(settings: ServeBenchSettings, json_file: Path | None) -> None:
    """Load `m3scale serve` at a budget and at the largest scale, in turns in one run.

    Example: python -m scripts.benchmarks.serve --json serve.json
    """
    from scripts.benchmarks.serve.load import measure_load

    ways = measure_load(settings)
    rows = [
        {name: statistics.median(one[name] for one in rounds) for name in COLUMNS}
        for rounds in ways.values()
    ]
    print_table(
        ["way", *COLUMNS], [[way, *row.values()] for way, row in zip(ways, rows, strict=True)]
    )
    times = rows[0]["per_second"] / rows[1]["per_second"]
    click.echo(f"{times:.2f} times as many answers a second")
    write_measures(
        json_file, "serve", {**asdict(settings), "times": times, "ways": ways}, settings.device
    )


if __name__ == "__main__":
    main()
