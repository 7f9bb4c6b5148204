"""The command `m3scale label`: questions and a checkpoint to an outcome table and features."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import click

from labels.labelling.settings import Workers
from labels.labelling.sharing import Share
from scripts.stages.label import BAD_ROWS, LabelRequest, run_label
from scripts.stages.model import Opening, engine_option, model_options, open_backbone
from scripts.stages.presets import add_columns, preset_option
from scripts.stages.shares import read_share, show_status, take_device
from scripts.stages.splits import find_clusters, read_answered
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, quiet_option, settings_options
from scripts.terminal.output import print_rows, wants_progress
from scripts.terminal.outputs import OutputFolder, write_table


@click.command(cls=OneLineCommand)
@preset_option
@settings_options(LabelRequest, "request")
@click.option("--out", type=OutputFolder(), help="Folder of the run.")
@click.option(
    "--shard",
    metavar="I/N",
    help="Only the I-th of N shares, counted from 0, such as in a job array.",
)
@settings_options(Workers, "workers")
@click.option(
    "--status",
    type=click.Path(path_type=Path),
    help="Only show how far the run in this folder is: done, by whom, how fast, what is left.",
)
@model_options
@engine_option
@json_option
@quiet_option
def main(
    preset: str | None,
    request: LabelRequest,
    out: Path | None,
    shard: str | None,
    workers: Workers,
    status: Path | None,
    opening: Opening,
    engine: str,
    json_file: Path | None,
    quiet: bool,
) -> None:
    """Ask a model every question at every scale; write outcomes and features.

    Example: m3scale label --source scenes:test --limit 300 --out runs/mine/outcomes/test

    A source needs the columns image, question and answers; metric, choices, group and sample_id are
    optional. A preset brings all that for a known benchmark. All rows are checked before the model
    is opened. An image may be a list of images: the question is about all of them, and costs the
    sum of their tokens. --repeats K shows how much of the outcomes is luck, for K times the work.
    A run that was stopped goes on where it was; a finished one is left as it
    is. --workers splits the work over processes, here or on a cluster; so do --shard in a job array
    and torchrun --nproc-per-node N -m scripts.cli label.
    """
    if status is not None:
        show_status(status, json_file)
        return
    if not request.source or out is None:
        raise click.UsageError(f"give {'--out' if request.source else '--source'}, or --status DIR")
    request = replace(
        add_columns(request, preset),
        # In whatever order they were named.
        scales=tuple(sorted(set(request.scales))),
        extras=tuple(sorted(set(request.extras))),
    )
    progress = wants_progress(quiet)
    share = read_share(shard)
    _refuse_unused(request, engine, share, workers)
    opening = take_device(opening)
    if workers.gpus_per_worker is None and opening.device == "cuda":
        workers = replace(workers, gpus_per_worker=1.0)
    answerer = partial(open_backbone, opening, progress, engine)
    run_label(request, answerer, out, progress, share, workers)
    # Of torchrun's processes one speaks; with --shard each is alone.
    if share.rank == 0 or shard:
        _print_result(out, json_file)


def _refuse_unused(request: LabelRequest, engine: str, share: Share, workers: Workers) -> None:
    """Refuse options that would change nothing, or do not go together."""
    if engine == "vllm" and "state" in request.extras:
        raise click.UsageError("--extra state goes with the built-in engine: vLLM gives no states")
    if request.repeats == 1 and request.jitter != LabelRequest.jitter:
        raise click.UsageError("--jitter goes with --repeats, at least 2: the first is not moved")
    if share.size > 1 and workers.need_ray:
        raise click.UsageError("--workers splits all the work: leave --shard and torchrun out")
    if workers.gpus_per_worker is not None and not workers.need_ray:
        raise click.UsageError("--gpus-per-worker goes with --workers")


def _print_result(folder: Path, json_file: Path | None) -> None:
    from labels.outcomes.manifest import read_manifest

    # With --shard others may have parts to make.
    show = _print_outcomes if read_manifest(folder).finished else show_status
    show(folder, json_file)


def _print_outcomes(folder: Path, json_file: Path | None) -> None:
    from labels.outcomes.manifest import read_manifest
    from predictor.routing_metrics.ceiling import tell_shift

    table, questions = read_answered(folder)
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
    if table.repeats is not None:
        # Of each scale, over all repeats; the table shows the questions as they stand.
        for column, row in enumerate(rows):
            scores = table.repeats[:, :, column]
            row["again"] = float(scores[:, 1:].mean())
            row["changed"] = float((scores.max(axis=1) != scores.min(axis=1)).mean())
        click.echo(
            f"asked {table.repeats.shape[1]} times; again: accuracy but for the first time; "
            "changed: questions whose score differs"
        )
        clusters = find_clusters(table, questions)
        if shift := tell_shift(table.repeats, table.visual_tokens, clusters):
            click.echo(f"{shift}.")
    print_rows(rows)
    if skipped := read_manifest(folder).settings.get("skipped"):
        click.echo(f"{skipped} rows could not be used and were left out: {folder / BAD_ROWS}")
    if json_file:
        counts = {"n_questions": len(questions), "n_images": len(set(table.image_ids))}
        write_table(json_file, {**counts, "fixed": rows})
