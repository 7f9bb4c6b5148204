"""`python -m scripts.benchmarks.label`: how many times faster than the plain loop labelling is."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from m3_backbone.files import write_json
from scripts.stages.provenance import describe_code, describe_hardware
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.output import print_table

EACH = (1, 2, 5)


PREFIX_EACH = (1, 2, 3, 5)


SIZES = {"mini": "mini", "tiny": "tiny", "7b-shape": "7b"}


@click.command(cls=OneLineCommand, context_settings={"show_default": True})
@click.option("--size", default="mini", type=click.Choice(list(SIZES)), help="Which model.")
@click.option("--device", default="cpu", help="Torch device.")
@click.option("--dtype", default="float32", type=click.Choice(["float32", "bfloat16"]))
@click.option("--images", default=32, type=click.IntRange(1), help="Images that are labelled.")
@click.option("--plain-images", default=4, type=click.IntRange(1), help="Of them, for the loop.")
@click.option("--each", multiple=True, type=click.IntRange(1), help="Questions an image: 1, 2, 5.")
@click.option("--max-new-tokens", default=16, type=click.IntRange(1), help="Longest answer.")
@click.option("--repeats", default=3, type=click.IntRange(1), help="Timed rounds of each.")
@click.option("--prefix", is_flag=True, help="Measure where sharing the prompt's beginning pays.")
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="JSON file to write.")
def main(each: tuple[int, ...], prefix: bool, json_path: Path | None, **given: Any) -> None:
    """Compare label with one generate a question and scale, batch one, image encoded each time.

    Both run in turns in one process, on one model and the same questions; in float32 their greedy
    answers must be equal.

    Example: python -m scripts.benchmarks.label --json label.json
    """
    measure = measure_prefixes if prefix else measure_speed
    measured = measure(each or (PREFIX_EACH if prefix else EACH), given)
    if json_path:
        command = shlex.join(["python", "-m", "scripts.benchmarks.label", *sys.argv[1:]])
        meta = {
            "code_version": describe_code(),
            "hardware": describe_hardware(given["device"]),
            "command": command,
        }
        click.echo(f"wrote {write_json(json_path, {**given, **measured, 'meta': meta})}")


def measure_speed(each: tuple[int, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Time label and the plain loop, and print the table.

    Raises:
        ValueError: if an answer differs in float32.
    """
    from scripts.benchmarks.label_timing import compare, measure_matrix_rate

    works = make_workloads(each, given)
    found, rate = {}, 0.0
    for count, work in zip(each, works, strict=True):
        # The most that is seen: a machine that is busy with other things is slower.
        rate = max(rate, measure_matrix_rate(given["device"], work.backbone.model.dtype))
        found[count] = compare(work, given["plain_images"], given["repeats"])
    for one in found.values():
        one["utilisation"] = one["flops_per_question"] * one["median"]["label"] / rate
    print_table(
        [
            "questions an image",
            "plain /s",
            "label /s",
            "times",
            "CPU time",
            "same answers",
            "of matrix rate",
        ],
        [
            [
                *(count, one["median"]["plain"], one["median"]["label"], one["speedup"]),
                *(one["processor_speedup"], one["equal_answers"], one["utilisation"]),
            ]
            for count, one in found.items()
        ],
    )
    click.echo(f"matrix products run at {rate / 1e12:.3g} TFLOP/s")
    if given["dtype"] == "float32" and any(one["equal_answers"] < 1 for one in found.values()):
        raise ValueError("label and the plain loop gave different answers: see the table")
    return {"matrix_rate": rate, "each": found}


def measure_prefixes(each: tuple[int, ...], given: dict[str, Any]) -> dict[str, Any]:
    """Time both ways of reading prompts, and print the table."""
    from scripts.benchmarks.label_timing import measure_prefix

    works = make_workloads(each, given)
    found = {
        count: measure_prefix(work, given["repeats"])
        for count, work in zip(each, works, strict=True)
    }
    click.echo("times faster when the beginning of the prompt is read once an image")
    scales = [row["scale"] for row in found[each[0]]]
    print_table(
        ["questions an image", *(f"scale {scale}" for scale in scales)],
        [[count, *(row["speedup"] for row in rows)] for count, rows in found.items()],
    )
    return {"prefix": found}


def make_workloads(each: tuple[int, ...], given: dict[str, Any]) -> list[Any]:
    """Open the model and gather questions, one workload for each number of questions an image."""
    from scripts.benchmarks.label_timing import Workload, pick_questions
    from scripts.benchmarks.models import make_questions, open_model

    size = SIZES[given["size"]]
    backbone = open_model(size, given["device"], given["dtype"])
    source = make_questions(size, given["images"], max(each))
    return [
        Workload(backbone, pick_questions(source, given["images"], n), given["max_new_tokens"])
        for n in each
    ]


if __name__ == "__main__":
    main()
