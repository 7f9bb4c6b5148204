"""The command `m3scale label`: questions and a checkpoint to an outcome table and features."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scripts.errors import OneLineCommand
from scripts.options import (
    device_map_option,
    device_option,
    dtype_option,
    json_option,
    model_option,
    quantize_option,
    quiet_option,
)
from scripts.output import print_table, write_json
from scripts.progress import wants_progress
from scripts.request import LabelRequest
from scripts.stages import open_backbone, run_label

if TYPE_CHECKING:
    from m3_backbone.backbone import M3Backbone


@click.command(cls=OneLineCommand)
@click.option(
    "--source",
    required=True,
    help="Hub name, saved folder, .parquet or .jsonl file, or scenes:SPLIT of the benchmark.",
)
@click.option("--split", default="test", show_default=True, help="Split of the source.")
@click.option("--limit", type=click.IntRange(1), help="Rows to take; images for scenes.")
@click.option(
    "--column", "columns", multiple=True, metavar="FIELD=NAME", help="The source's name of a field."
)
@click.option(
    "--metric", default="exact", show_default=True, help="Judge of questions that name none."
)
@click.option(
    "--image-folder",
    type=click.Path(exists=True, file_okay=False),
    help="Where relative image paths start.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--scale", "scales", multiple=True, type=int, help="Only this scale; repeatable.")
@click.option("--max-new-tokens", default=16, show_default=True, type=click.IntRange(1))
@click.option(
    "--batch", default=16, show_default=True, type=click.IntRange(1), help="Images at once."
)
@click.option("--suffix", default="", help="Instruction after an open question.")
@click.option("--choice-suffix", default="", help="Instruction after a multiple-choice question.")
@model_option
@device_option
@dtype_option
@device_map_option
@quantize_option
@json_option
@quiet_option
def main(
    source: str,
    split: str,
    limit: int | None,
    columns: tuple[str, ...],
    metric: str,
    image_folder: str | None,
    out: Path,
    scales: tuple[int, ...],
    max_new_tokens: int,
    batch: int,
    suffix: str,
    choice_suffix: str,
    model: str,
    device: str,
    dtype: str,
    device_map: str | None,
    quantize: str | None,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Ask a model every question at every scale; write outcomes and features.

    Example: m3scale label --source scenes:test --limit 300 --out runs/mine/outcomes/test

    A source needs the columns image, question and answers; metric, choices, group and sample_id are
    optional. A run that was stopped goes on where it was; a finished one is left as it is.
    """
    request = LabelRequest(
        source=source,
        split=split,
        limit=limit,
        columns=_read_columns(columns),
        metric=metric,
        image_folder=image_folder,
        scales=tuple(sorted(set(scales))),
        max_new_tokens=max_new_tokens,
        images_per_batch=batch,
        suffix=suffix,
        choice_suffix=choice_suffix,
    )
    progress = wants_progress(quiet)

    def open_model() -> "M3Backbone":
        return open_backbone(model, device, dtype, device_map, quantize, progress)

    run_label(request, open_model, out, progress)
    _print_outcomes(out, json_file)


def _read_columns(pairs: tuple[str, ...]) -> dict[str, str]:
    for pair in pairs:
        if not all(pair.partition("=")):
            raise click.BadParameter(f"expected FIELD=NAME, got {pair!r}", param_hint="--column")
    return dict(pair.split("=", 1) for pair in pairs)


def _print_outcomes(folder: Path, json_file: Path | None) -> None:
    from labels.outcomes import read_outcomes

    table = read_outcomes(folder)
    rows = [
        {
            "scale": scale,
            "accuracy": float(table.scores[:, column].mean()),
            "tokens": float(table.visual_tokens[:, column].mean()),
            "gflops": float(table.flops[:, column].mean() / 1e9),
            "ms": float(table.wall_ms[:, column].mean()),
        }
        for column, scale in enumerate(table.scales)
    ]
    click.echo(f"{len(table.sample_ids)} questions, {len(set(table.image_ids))} images: {folder}")
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    if json_file:
        questions, images = len(table.sample_ids), len(set(table.image_ids))
        write_json(json_file, {"n_questions": questions, "n_images": images, "fixed": rows})
