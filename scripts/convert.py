"""The command `m3scale convert`: a checkpoint of LLaVA's format in transformers' one, or back."""

from pathlib import Path

import click

from scripts.stages.model import Opening
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import option_of


@click.command(cls=OneLineCommand)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "kind",
    default="stock",
    show_default=True,
    type=click.Choice(["stock", "official"]),
    help="Format to write: stock transformers, or LLaVA's own (llava_llama).",
)
@option_of(Opening, "vision_tower")
@option_of(Opening, "template")
def main(
    source: str, target: Path, kind: str, vision_tower: str | None, template: str | None
) -> None:
    """Write the checkpoint SRC in another format to the new folder DST.

    Example: m3scale convert mucai/llava-v1.5-7b-m3 models/m3-7b

    SRC is a folder, a name on the Hub or m3-mini. Every command opens official checkpoints directly
    too; a converted one also works in transformers alone. DST is complete or does not appear. A
    DST that exists is compared with what would be written, never changed.
    """
    from m3_backbone.checkpoints.conversion import convert_checkpoint
    from m3_backbone.checkpoints.source import CheckpointSource

    was_there = convert_checkpoint(CheckpointSource(source, vision_tower, template), target, kind)
    click.echo(
        f"{target} is there already, with the same bytes" if was_there else f"wrote {target}"
    )
