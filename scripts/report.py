"""The command `m3scale report`: held-out outcomes to results.json, a page and pictures."""

from pathlib import Path

import click

from m3_backbone.files import write_json
from predictor.report.folder import PAGE
from scripts.stages.model import Opening
from scripts.stages.report import ReportInputs, plan_experiment, run_report
from scripts.stages.run_folder import PARTS
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import (
    json_option,
    option_of,
    part_option,
    quiet_option,
    run_option,
    seeds_option,
    settings_options,
    studies_option,
)
from scripts.terminal.output import print_headline, training_bar, wants_progress


@click.command(cls=OneLineCommand)
@run_option
@settings_options(ReportInputs, "inputs")
@part_option("--out", PARTS.report, "Folder of the report.")
@seeds_option(5)
@studies_option
@option_of(Opening, "device")
@json_option
@quiet_option
def main(
    inputs: ReportInputs,
    out: Path,
    seeds: int,
    studies: bool,
    device: str,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Measure a router on questions it never saw, beside fixed scales, controls and limits.

    Example: m3scale report --run runs/mine

    The router and everything it is compared with are trained again for every seed. Lambda is solved
    on the calibration split. Needs no model.
    """
    settings = plan_experiment(seeds, studies)
    with training_bar(wants_progress(quiet)) as progress:
        results = run_report(inputs, out, settings, progress, device)
    print_headline(results)
    click.echo(f"{'report':<24}{out / PAGE}")
    if json_file:
        write_json(json_file, results)
