"""The command `m3scale label`: questions and a checkpoint to an outcome table and features."""

from dataclasses import asdict
from pathlib import Path

import click

from labels.sources.benchmarks import PRESETS
from m3_backbone.files import write_json
from scripts.stages.label import LabelRequest, run_label
from scripts.stages.model import Opening, open_backbone
from scripts.stages.shares import read_share, show_status, take_device
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import (
    columns_option,
    extras_option,
    json_option,
    model_options,
    quiet_option,
    read_columns,
)
from scripts.terminal.output import print_table, wants_progress


def _fill_defaults(context: click.Context, _: click.Parameter, preset: str | None) -> str | None:
    """Let a preset speak where the user does not; it is read before all other options."""
    if preset is not None:
        context.default_map = asdict(PRESETS[preset])
    return preset


@click.command(cls=OneLineCommand)
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    is_eager=True,
    callback=_fill_defaults,
    help="Source, columns, metric and prompt of a known benchmark; other options win.",
)
@click.option(
    "--source",
    help="Hub name, saved folder, .parquet or .jsonl file, or scenes:SPLIT of the benchmark.",
)
@click.option("--split", default="test", show_default=True, help="Split of the source.")
@click.option("--limit", type=click.IntRange(1), help="Rows to take; images for scenes.")
@columns_option
@click.option(
    "--metric", default="exact", show_default=True, help="Metric of questions that name none."
)
@click.option(
    "--image-folder",
    type=click.Path(exists=True, file_okay=False),
    help="Where relative image paths start.",
)
@click.option(
    "--frames",
    type=click.IntRange(1),
    help="Images are videos, animated files or folders of frames: take so many frames of each.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the run.")
@click.option("--scale", "scales", multiple=True, type=int, help="Only this scale; repeatable.")
@click.option("--max-new-tokens", default=16, show_default=True, type=click.IntRange(1))
@click.option(
    "--batch",
    default=LabelRequest.images_per_batch,
    show_default=True,
    type=click.IntRange(1),
    help="Images to encode and keep for all scales at once.",
)
@click.option(
    "--token-budget",
    default=LabelRequest.token_budget,
    show_default=True,
    type=click.IntRange(1),
    help="Tokens of a batch of questions, answers and padding included; halved if out of memory.",
)
@click.option(
    "--first-token",
    is_flag=True,
    help="Take a first token that is an option's letter, Yes or No for the whole answer.",
)
@click.option("--suffix", default="", help="Instruction after an open question.")
@click.option("--choice-suffix", default="", help="Instruction after a multiple-choice question.")
@click.option(
    "--losses",
    is_flag=True,
    help="Also measure how surprising the right answer is at each scale, for m3scale oracle.",
)
@extras_option("Also measure these features of every question, for routers that use them")
@click.option(
    "--shard", metavar="I/N", help="Only the I-th of N shares, from 0/N on, such as a job array's."
)
@click.option(
    "--status",
    type=click.Path(path_type=Path),
    help="Only say how far the run in this folder is: done, by whom, how fast, what is left.",
)
@model_options
@json_option
@quiet_option
def main(
    preset: str | None,
    source: str | None,
    split: str,
    limit: int | None,
    columns: tuple[str, ...],
    metric: str,
    image_folder: str | None,
    frames: int | None,
    out: Path | None,
    scales: tuple[int, ...],
    max_new_tokens: int,
    batch: int,
    token_budget: int,
    first_token: bool,
    suffix: str,
    choice_suffix: str,
    losses: bool,
    extras: tuple[str, ...],
    shard: str | None,
    status: Path | None,
    model: str,
    device: str,
    dtype: str,
    pooling: str,
    device_map: str | None,
    quantize: str | None,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Ask a model every question at every scale; write outcomes and features.

    Example: m3scale label --source scenes:test --limit 300 --out runs/mine/outcomes/test

    A source needs the columns image, question and answers; metric, choices, group and sample_id are
    optional. A preset brings all that for a known benchmark. An image may be a list of images: the
    question is about all of them, and costs the sum of their tokens. A run that was stopped goes on
    where it was; a finished one is left as it is. Started several times with the same folder, by
    hand or by torchrun --nproc-per-node N -m scripts.cli label, it shares the work out.
    """
    if status is not None:
        show_status(status, json_file)
        return
    if source is None or out is None:
        raise click.UsageError(f"give {'--source' if source is None else '--out'}, or --status DIR")
    request = LabelRequest(
        source=source,
        split=split,
        limit=limit,
        columns=read_columns((*(PRESETS[preset].columns if preset else ()), *columns)),
        metric=metric,
        image_folder=image_folder,
        frames=frames,
        scales=tuple(sorted(set(scales))),
        max_new_tokens=max_new_tokens,
        images_per_batch=batch,
        token_budget=token_budget,
        first_token=first_token,
        suffix=suffix,
        choice_suffix=choice_suffix,
        losses=losses,
        extras=tuple(sorted(set(extras))),
    )
    progress = wants_progress(quiet)
    share = read_share(shard)
    opening = take_device(Opening(model, device, dtype, pooling, device_map, quantize))
    run_label(request, lambda: open_backbone(opening, progress), out, progress, share)
    if share.rank == 0 or share.only:
        _print_result(out, json_file)


def _print_result(folder: Path, json_file: Path | None) -> None:
    from labels.outcomes.manifest import read_manifest

    # With --shard others may have parts to make.
    show = _print_outcomes if read_manifest(folder).finished else show_status
    show(folder, json_file)


def _print_outcomes(folder: Path, json_file: Path | None) -> None:
    from labels.outcomes.table import read_outcomes

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
