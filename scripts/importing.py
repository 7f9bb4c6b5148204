"""The command `m3scale import`: outcomes measured by another tool become an outcome table."""

from pathlib import Path

import click

from scripts.stages.importing import SOURCE_FIELDS, ImportRequest, run_import
from scripts.stages.label import LabelRequest
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import settings_options


@click.command("import", cls=OneLineCommand)
@settings_options(ImportRequest, "request")
@settings_options(LabelRequest, "source", SOURCE_FIELDS)
@click.option("--name", default="imported", show_default=True, help="What to call the data set.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
def main(request: ImportRequest, source: LabelRequest, name: str, out: Path) -> None:
    """Turn runs of other tools, or any table of answers, into a label folder.

    Example: m3scale import --samples 1=s1.jsonl --samples 576=s576.jsonl --out runs/own/imported

    The folder can be audited and its oracles measured; m3scale features makes it ready to train on.
    Where a log does not say which image a sample is about, the image counts as unknown.
    """
    samples, scales, unknown = run_import(request, source, out, name)
    click.echo(f"{samples} samples, {scales} scales: {out}")
    if unknown:
        click.echo(
            f"image unknown for {unknown} of {samples}: each counts as an image of its own, so "
            "intervals may be too narrow; --questions or m3scale features tells the images"
        )
