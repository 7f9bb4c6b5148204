"""The command `m3scale report`: held-out outcomes to results.json, a page and pictures."""

from pathlib import Path

import click

from m3_backbone.files import write_json
from predictor.report.folder import PAGE
from scripts.stages.report import ReportInputs, find_inputs, plan_experiment, run_report
from scripts.stages.run_folder import RunFolder
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import (
    choose_folder,
    device_option,
    json_option,
    profile_option,
    quiet_option,
    run_option,
    studies_option,
)
from scripts.terminal.output import print_headline, training_bar, wants_progress


@click.command(cls=OneLineCommand)
@run_option
@click.option(
    "--train",
    type=click.Path(path_type=Path),
    help="Label folder the router learnt from.  [default: RUN/outcomes/router-train]",
)
@click.option(
    "--calibration",
    type=click.Path(path_type=Path),
    help="Label folder it was calibrated on.  [default: RUN/outcomes/calibration]",
)
@click.option(
    "--test",
    type=click.Path(path_type=Path),
    help="Label folder to report, images of its own.  [default: RUN/outcomes/test]",
)
@click.option(
    "--outside",
    type=click.Path(path_type=Path),
    help="Label folder with unseen content, reported apart.  [default: RUN/outcomes/ood if there]",
)
@click.option(
    "--rephrased",
    type=click.Path(path_type=Path),
    help="Label folder with questions of the test split, by sample_id, in other words.  "
    "[default: RUN/outcomes/rephrased if there]",
)
@profile_option
@click.option(
    "--router", type=click.Path(path_type=Path), help="Saved router.  [default: RUN/router]"
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the report.  [default: RUN/report]"
)
@click.option(
    "--seeds", default=5, show_default=True, type=click.IntRange(1), help="Trainings of each kind."
)
@studies_option
@device_option
@json_option
@quiet_option
def main(
    run: Path | None,
    train: Path | None,
    calibration: Path | None,
    test: Path | None,
    outside: Path | None,
    rephrased: Path | None,
    profile: Path | None,
    router: Path | None,
    out: Path | None,
    seeds: int,
    studies: bool,
    device: str,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Judge a router on questions it never saw, beside fixed scales, controls and limits.

    Example: m3scale report --run runs/mine

    The router and everything it is compared with are trained again for every seed. Lambda is solved
    on the calibration split. Needs no model.
    """
    parts, there = find_inputs(RunFolder(Path())), find_inputs(RunFolder(run)) if run else None
    inputs = ReportInputs(
        train=choose_folder("--train", train, run, parts.train),
        calibration=choose_folder("--calibration", calibration, run, parts.calibration),
        test=choose_folder("--test", test, run, parts.test),
        router=choose_folder("--router", router, run, parts.router),
        outside=outside or (there.outside if there else None),
        rephrased=rephrased or (there.rephrased if there else None),
        profile=profile or (there.profile if there else None),
    )
    folder = choose_folder("--out", out, run, RunFolder(Path()).report)
    settings = plan_experiment(seeds, studies)
    with training_bar(wants_progress(quiet)) as progress:
        results = run_report(inputs, folder, settings, progress, device)
    print_headline(results)
    click.echo(f"{'report':<24}{folder / PAGE}")
    if json_file:
        write_json(json_file, results)
