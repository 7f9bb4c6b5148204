"""`python -m scripts.benchmarks.label`: how many times faster than the plain loop labelling is."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from scripts.benchmarks.settings import LabelBenchSettings, write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, settings_options
from scripts.terminal.output import print_table

EACH = (1, 2, 5)
PREFIX_EACH = (1, 2, 3, 5)
SIZES = {"mini": "mini", "tiny": "tiny", "7b-shape": "7b"}


@click.command(cls=OneLineCommand)
@settings_options(LabelBenchSettings, "settings")
@click.option("--each", multiple=True, type=click.IntRange(1), help="Questions per image: 1, 2, 5.")
@click.option("--prefix", is_flag=True, help="Measure where sharing the prompt's beginning pays.")
@json_option
def main(
    settings: LabelBenchSettings, each: tuple[int, ...], prefix: bool, json_file: Path | None
) -> None:
    """Compare label with one generate per question and scale: batch one, image encoded each time.

    Both run in turns in one process, on one model and the same questions; in float32 their greedy
    answers must be equal.

    Example: python -m scripts.benchmarks.label --json label.json
    """
    measure = measure_prefixes if prefix else measure_speed
    measured = measure(each or (PREFIX_EACH if prefix else EACH), settings)
    write_measures(json_file, "label", {**asdict(settings), **measured}, settings.device)


def measure_speed(each: tuple[int, ...], settings: LabelBenchSettings) -> dict[str, Any]:
    """Time label and the plain loop, and print the table.

    Raises:
        ValueError: if an answer differs in float32.
    """
    from scripts.benchmarks.label_timing import compare, measure_matrix_rate

    works = make_workloads(each, settings)
    measured: dict[int, dict[str, Any]] = {}
    rate = 0.0
    for count, work in zip(each, works, strict=True):
        # The highest rate counts: a machine that is busy with other things is slower.
        rate = max(rate, measure_matrix_rate(settings.device, work.backbone.model.dtype))
        measured[count] = compare(work, settings.plain_images, settings.repeats)
    for one in measured.values():
        # FLOPs per question times questions per second, beside the most that the device can do.
        one["utilisation"] = one["flops_per_question"] * one["median"]["label"] / rate
    print_table(
        [
            "questions per image",
            "plain /s",
            "label /s",
            "times",
            "CPU time",
            "same answers",
            "of matrix rate",
        ],
        [
            [
                count,
                one["median"]["plain"],
                one["median"]["label"],
                one["speedup"],
                one["processor_speedup"],
                one["equal_answers"],
                one["utilisation"],
            ]
            for count, one in measured.items()
        ],
    )
    click.echo(f"matrix products run at {rate / 1e12:.3g} TFLOP/s")
    # After the table, which shows where. In half precision two ways to one sum may round apart.
    if settings.dtype == "float32" and any(one["equal_answers"] < 1 for one in measured.values()):
        raise ValueError("label and the plain loop gave different answers: see the table")
    return {"matrix_rate": rate, "each": measured}


def measure_prefixes(each: tuple[int, ...], settings: LabelBenchSettings) -> dict[str, Any]:
    """Time both ways of reading prompts, and print the table."""
    from scripts.benchmarks.label_timing import measure_prefix

    works = make_workloads(each, settings)
    measured = {
        count: measure_prefix(work, settings.repeats)
        for count, work in zip(each, works, strict=True)
    }
    click.echo("times faster when the beginning of the prompt is read once per image")
    scales = [row["scale"] for row in measured[each[0]]]
    print_table(
        ["questions per image", *(f"scale {scale}" for scale in scales)],
        [[count, *(row["speedup"] for row in rows)] for count, rows in measured.items()],
    )
    return {"prefix": measured}


def make_workloads(each: tuple[int, ...], settings: LabelBenchSettings) -> list[Any]:
    """Open the model and gather questions, one workload for each number of questions per image."""
    from scripts.benchmarks.label_timing import Workload, pick_questions
    from scripts.benchmarks.models import make_questions, open_model

    size = SIZES[settings.size]
    backbone = open_model(size, settings.device, settings.dtype)
    source = make_questions(size, settings.images, max(each))
    return [
        Workload(backbone, pick_questions(source, settings.images, n), settings.max_new_tokens)
        for n in each
    ]


if __name__ == "__main__":
    main()
