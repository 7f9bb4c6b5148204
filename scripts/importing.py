"""The commands `m3scale import` and `m3scale features`: outcomes of other tools."""

from pathlib import Path

import click

from scripts.stages.features import FIELDS, run_features
from scripts.stages.importing import SOURCE_FIELDS, ImportRequest, run_import
from scripts.stages.label import LabelRequest
from scripts.stages.model import Opening, model_options, open_backbone
from scripts.stages.presets import add_columns, preset_option
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import quiet_option, settings_options
from scripts.terminal.output import wants_progress


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


@click.command(cls=OneLineCommand)
@click.option(
    "--outcomes",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder that m3scale import wrote; it gets the features.",
)
@preset_option
@settings_options(LabelRequest, "request", FIELDS)
@model_options
@quiet_option
def features(
    folder: Path, preset: str | None, request: LabelRequest, opening: Opening, quiet: bool
) -> None:
    """Encode the images of imported outcomes, so that a router can be trained on them.

    Example: m3scale features --outcomes runs/own/imported --source test.jsonl --model my/llava

    The source has the questions of the table under the same sample ids, which are the numbers of
    the rows where no column holds them. Images are encoded once and nothing is asked: give the
    model, and its instructions, that the answers came from; --preset has them for a known
    benchmark, as in label. A run that was stopped goes on.
    """
    if not request.source:
        raise click.UsageError("give --source")
    request = add_columns(request, preset)
    progress = wants_progress(quiet)
    run_features(folder, request, lambda: open_backbone(opening, progress), progress)
    click.echo(f"features added: {folder}")
