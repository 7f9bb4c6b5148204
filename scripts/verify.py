"""The command `m3scale verify`: checks a router's files and proves its certificates again."""

from pathlib import Path

import click

from m3_backbone.files import write_json
from scripts.stages.splits import read_splits
from scripts.stages.train import describe_certificate
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option
from scripts.terminal.output import print_rows


@click.command(cls=OneLineCommand)
@click.option("--router", required=True, type=click.Path(path_type=Path), help="Saved router.")
@click.option(
    "--outcomes",
    type=click.Path(path_type=Path),
    help="Label folder that the router was calibrated on, to prove the certificates again.",
)
@json_option
def main(router: Path, outcomes: Path | None, json_file: Path | None) -> None:
    """Check that a router's files are whole and that its certificates hold.

    Example: m3scale verify --router runs/mine/router --outcomes runs/mine/outcomes/calibration

    A router without certificates passes if its files are whole.
    """
    from predictor.bundle.bundle import RouterBundle
    from predictor.policy.certificates import check_certificate

    bundle = RouterBundle.load(router)
    if outcomes:
        [split] = read_splits([outcomes])
        raw = bundle.predict_raw(split.data.coarse, split.data.question, split.data.extras)
        for certificate in bundle.certificates:
            check_certificate(certificate, raw, split.data)
    rows = [describe_certificate(certificate) for certificate in bundle.certificates]
    if json_file:
        write_json(json_file, {"certified": rows, "proven_again": outcomes is not None})
    proven = "proven again" if outcomes else "not proven again: give --outcomes for that"
    click.echo(f"files whole, {len(rows)} certificates {proven if rows else ''}".rstrip())
    print_rows(rows)
