"""The command `m3scale report`: held-out outcomes to results.json, a page and pictures."""

import shlex
from dataclasses import replace
from pathlib import Path

import click

from predictor.report.folder import PAGE, is_markdown, list_own_files, read_results
from scripts.stages.cutting import Cutting, describe_cutting
from scripts.stages.model import Opening
from scripts.stages.report import ReportInputs, plan_experiment, run_report
from scripts.stages.run_folder import PARTS
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import LARGEST_SEED, Whole
from scripts.terminal.options import (
    drop_option,
    json_option,
    option_of,
    part_option,
    quiet_option,
    run_option,
    seeds_option,
    settings_options,
    split_option,
    studies_option,
)
from scripts.terminal.output import print_headline, training_bar, wants_progress
from scripts.terminal.outputs import check_file, check_folder, write_table


def _write_markdown(
    context: click.Context, _: click.Parameter, paths: tuple[Path, Path] | None
) -> None:
    """Write an existing results.json as Markdown, and end."""
    if paths is None:
        return
    from predictor.report.report import write_markdown

    source, target = paths
    check_file(target, is_markdown, [source])
    command = shlex.join(["m3scale", "report", "--markdown", str(source), str(target)])
    write_markdown(read_results(source), target, command)
    click.echo(f"{'Markdown':<24}{target}")
    context.exit()


@click.command(cls=OneLineCommand)
@run_option
@split_option
@click.option(
    "--seed", default=0, show_default=True, type=Whole(0, LARGEST_SEED), help="Seed of --split."
)
@drop_option
@settings_options(ReportInputs, "inputs")
@part_option("--out", PARTS.report, "Folder of the report.", written=True)
@seeds_option(5)
@studies_option
@option_of(Opening, "device")
@click.option(
    "--markdown",
    nargs=2,
    type=click.Path(path_type=Path),
    metavar="RESULTS FILE",
    is_eager=True,  # it ends the command before another option is found missing
    expose_value=False,
    callback=_write_markdown,
    help="Only write the results.json RESULTS as Markdown to FILE; nothing is measured.",
)
@json_option
@quiet_option
def main(
    inputs: ReportInputs,
    split: tuple[float, ...] | None,
    seed: int,
    drop_shared: bool,
    out: Path,
    seeds: int,
    studies: bool,
    device: str,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Measure a router on questions it never saw, beside fixed scales, controls and limits.

    Examples: m3scale report --run runs/mine

    m3scale report --markdown runs/mine/report/results.json results.md

    The router and everything it is compared with are trained again for every seed. Lambda is solved
    on the calibration split; no outcome of the test split chooses anything, its costs only say
    where the comparison at equal cost stops. Needs no model.
    """
    check_folder(out, list_own_files)
    inputs = replace(inputs, cutting=Cutting(split, seed, drop_shared))
    settings = plan_experiment(seeds, studies)
    with training_bar(wants_progress(quiet)) as progress:
        results = run_report(inputs, out, settings, progress, device)
    if json_file:
        write_table(json_file, results)
    for line in describe_cutting(results["meta"]):
        click.echo(line)
    print_headline(results)
    click.echo(f"{'report':<24}{out / PAGE}")
