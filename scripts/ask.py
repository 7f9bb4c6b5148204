"""The command `m3scale ask`: questions about images, at scales that a router picks."""

from pathlib import Path

import click

from scripts.stages.ask import (
    AskFiles,
    AskSettings,
    ask_files,
    print_answers,
    router_option,
)
from scripts.stages.model import Opening, engine_option, model_options, open_backbone
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import json_option, settings_options
from scripts.terminal.outputs import write_table


@click.command(cls=OneLineCommand)
@click.argument("questions", nargs=-1, required=True, metavar="QUESTION...")
@settings_options(AskFiles, "files")
@router_option
@settings_options(AskSettings, "settings")
@model_options
@engine_option
@json_option
def main(
    questions: tuple[str, ...],
    files: AskFiles,
    router: str,
    settings: AskSettings,
    opening: Opening,
    engine: str,
    json_file: Path | None,
) -> None:
    """Answer each QUESTION about an image, several or a video at the scale that a router picks.

    Example: m3scale ask --image x.png "What does the sign say?"

    All images of a question are read at one scale, and their tokens add up. A budget is the mean
    over questions like those of the calibration split; of these at most 2 % are called unfamiliar
    and read at the largest scale, on top of it.
    """
    rows = ask_files(
        lambda: open_backbone(opening, engine=engine), router, files, questions, settings
    )
    if json_file:
        write_table(json_file, rows)
    print_answers(rows, opening.model)
