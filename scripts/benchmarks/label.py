"""`python -m scripts.benchmarks.label`: how many times faster than the plain loop labelling is."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.benchmarks.settings import LabelBenchSettings, write_measures
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, settings_options
from scripts.terminal.output import print_table

if TYPE_CHECKING:
    from scripts.benchmarks.label_timing import Way, Workload

EACH = (1, 2, 5)
PREFIX_EACH = (1, 2, 3, 5)


@click.command(cls=OneLineCommand)
@settings_options(LabelBenchSettings, "settings")
@click.option("--each", multiple=True, type=click.IntRange(1), help="Questions per image: 1, 2, 5.")
@click.option("--prefix", is_flag=True, help="Measure where sharing the prompt's beginning pays.")
@click.option("--vllm", is_flag=True, help="Time vLLM too, from pixels and from our tokens.")
@json_option
def main(
    settings: LabelBenchSettings,
    each: tuple[int, ...],
    prefix: bool,
    vllm: bool,
    json_file: Path | None,
) -> None:
    """Compare label with one generate per question and scale: batch one, image encoded each time.

    All run in turns in one process, on one model and the same questions; in float32 their greedy
    answers must be equal.

    Example: python -m scripts.benchmarks.label --json label.json
    """
    if prefix:
        measured = measure_prefixes(each or PREFIX_EACH, settings)
    else:
        measured = measure_speed(each or EACH, settings, vllm)
    write_measures(json_file, "label", {**asdict(settings), **measured}, settings.device)


def measure_speed(
    each: tuple[int, ...], settings: LabelBenchSettings, vllm: bool
) -> dict[str, Any]:
    """Time label, the plain loop and vLLM if wanted, and print the table.

    Raises:
        ValueError: if an answer differs in float32.
    """
    from scripts.benchmarks.label_timing import PLAIN, answer_by_label, answer_plainly

    works = make_workloads(each, settings)
    ways = {PLAIN: answer_plainly, "label": answer_by_label}
    with ExitStack() as opened:
        if vllm:
            from scripts.benchmarks.vllm_ways import open_vllm

            started = open_vllm(works[0].backbone, settings.size, settings.dtype)
            ways.update(opened.enter_context(started))
        measured, rate = _compare_all(dict(zip(each, works, strict=True)), ways, settings)
    rows = [
        (count, name, one) for count, work in measured.items() for name, one in work["ways"].items()
    ]
    shown = ("median", "speedup", "processor_speedup", "equal_answers", "utilisation")
    print_table(
        [
            "questions per image",
            "way",
            "questions/s",
            "times",
            "CPU time",
            "same",
            "of matrix rate",
        ],
        [[count, name, *(one[key] for key in shown)] for count, name, one in rows],
    )
    click.echo(f"matrix products run at {rate / 1e12:.3g} TFLOP/s")
    # After the table, which shows where. In half precision two ways to one sum may round apart.
    if settings.dtype == "float32" and any(one["equal_answers"] < 1 for _, _, one in rows):
        raise ValueError("an answer differs from the plain loop's: see the table")
    return {"matrix_rate": rate, "each": measured}


def _compare_all(
    works: Mapping[int, "Workload"], ways: Mapping[str, "Way"], settings: LabelBenchSettings
) -> tuple[dict[int, dict[str, Any]], float]:
    """Compare on each workload, and give what was measured and the rate of matrix products."""
    from scripts.benchmarks.label_timing import compare, count_flops, measure_matrix_rate

    measured: dict[int, dict[str, Any]] = {}
    rate = 0.0
    for count, work in works.items():
        # The highest rate counts: a machine that is busy with other things is slower.
        rate = max(rate, measure_matrix_rate(settings.device, work.backbone.model.dtype))
        flops = count_flops(work) / len(work.questions)
        timed = compare(work, ways, settings.plain_images, settings.repeats)
        measured[count] = {"flops_per_question": flops, "ways": timed}
    for one in measured.values():
        for way in one["ways"].values():
            # FLOPs that label needs per question times questions per second, beside the most that
            # the device can do.
            way["utilisation"] = one["flops_per_question"] * way["median"] / rate
    return measured, rate


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


def make_workloads(each: tuple[int, ...], settings: LabelBenchSettings) -> list["Workload"]:
    """Open the model and gather questions, one workload for each number of questions per image."""
    from scripts.benchmarks.label_timing import Workload, pick_questions
    from scripts.benchmarks.models import make_questions, open_model

    size = settings.size.removesuffix("-shape")
    backbone = open_model(size, settings.device, settings.dtype, settings.layers)
    source = make_questions(size, settings.images, max(each))
    return [
        Workload(backbone, pick_questions(source, settings.images, n), settings.max_new_tokens)
        for n in each
    ]


if __name__ == "__main__":
    main()
