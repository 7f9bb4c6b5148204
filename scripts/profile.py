"""The command `m3scale profile`: how long each scale takes on this machine."""

from pathlib import Path

import click

from labels.labelling.settings import LabelSettings
from m3_backbone.files import write_json
from scripts.stages.model import Opening, model_options, open_backbone
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import Whole
from scripts.terminal.options import option_of
from scripts.terminal.output import print_table
from scripts.terminal.outputs import OutputFile, is_table


@click.command(cls=OneLineCommand)
@click.option(
    "--source", default="scenes:test", show_default=True, help="Questions to ask, as in label."
)
@click.option("--limit", default=4, show_default=True, type=Whole(1), help="Its rows.")
@click.option(
    "--repeats",
    default=5,
    show_default=True,
    type=Whole(1),
    help="Rounds in which everything is timed once; the least time counts.",
)
@option_of(LabelSettings, "max_new_tokens")
@click.option(
    "--out",
    required=True,
    type=OutputFile(is_table),
    help="File of the profile; RUN/profile.json is found by train and report.",
)
@model_options
def main(
    source: str,
    limit: int,
    repeats: int,
    max_new_tokens: int,
    out: Path,
    opening: Opening,
) -> None:
    """Measure encoding, prefill and decoding at every scale, one question at a time.

    Example: m3scale profile --out runs/mine/profile.json

    Routers trained with it take budgets in milliseconds of this machine: the total, made to never
    fall with the number of tokens. Says if the machine was too busy to be timed.
    """
    import torch

    from labels.sources.loading import load_questions
    from scripts.stages.profile import measure_profile, read_profile
    from scripts.stages.provenance import describe_hardware

    questions = load_questions(source, limit=limit)
    backbone = open_backbone(opening)
    times = measure_profile(backbone, questions, repeats, max_new_tokens)
    profile = {
        "checkpoint": backbone.fingerprint,
        "device": describe_hardware(opening.device),
        "threads": torch.get_num_threads(),
        "dtype": opening.dtype,
        "batch": 1,
        **times,
    }
    write_json(out, profile)
    header = ("scale", "prefill ms", "decode ms", "answer tokens", "total ms", "cost ms")
    costs = read_profile(out)
    rows = [[scale, *parts.values(), costs[scale]] for scale, parts in times["scales"].items()]
    click.echo(f"encoding an image: {times['encode_ms']:.1f} ms")
    print_table(header, rows)
    if times["note"]:
        click.echo(times["note"])
