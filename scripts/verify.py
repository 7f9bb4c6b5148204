"""The command `m3scale verify`: checks a router's files and proves its certificates again."""

from pathlib import Path

import click

from scripts.stages.cutting import Cutting
from scripts.stages.run_folder import SPLITS
from scripts.stages.train import describe_certificate
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import LARGEST_SEED, Whole, json_option, split_option
from scripts.terminal.output import print_rows
from scripts.terminal.outputs import write_table


@click.command(cls=OneLineCommand)
@click.option("--router", required=True, type=click.Path(path_type=Path), help="Saved router.")
@click.option(
    "--outcomes",
    type=click.Path(path_type=Path),
    help="Label folder that the router was calibrated on, to prove the certificates again.",
)
@split_option
@click.option(
    "--seed", default=0, show_default=True, type=Whole(0, LARGEST_SEED), help="Seed of --split."
)
@json_option
def main(
    router: Path,
    outcomes: Path | None,
    split: tuple[float, ...] | None,
    seed: int,
    json_file: Path | None,
) -> None:
    """Check that a router's files are whole and that its certificates hold.

    Example: m3scale verify --router runs/mine/router --outcomes runs/mine/outcomes/calibration

    A router without certificates passes if its files are whole. With --split the calibration split
    is cut out of --outcomes as it was for train.
    """
    from predictor.bundle.bundle import RouterBundle
    from predictor.policy.certificates import check_certificate

    if split and not outcomes:
        raise click.UsageError("--split needs --outcomes FOLDER, the labels that it cuts")
    bundle = RouterBundle.load(router)
    if outcomes:
        splits = Cutting(split, seed).read([outcomes])
        data = splits[SPLITS.index("calibration") if split else 0].data
        raw = bundle.predict_raw(data.coarse, data.question, data.extras)
        for certificate in bundle.certificates:
            check_certificate(certificate, raw, data)
    rows = [describe_certificate(certificate) for certificate in bundle.certificates]
    if json_file:
        write_table(json_file, {"certified": rows, "proven_again": outcomes is not None})
    proven = "proven again" if outcomes else "not proven again: give --outcomes for that"
    click.echo(f"files whole, {len(rows)} certificates {proven if rows else ''}".rstrip())
    print_rows(rows)
