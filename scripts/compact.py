"""The command `m3scale compact`: joins the many parts of a finished label folder into few files."""

from pathlib import Path

import click

from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import Whole
from scripts.terminal.options import outcomes_option


@click.command(cls=OneLineCommand)
@outcomes_option
@click.option(
    "--megabytes",
    default=256,
    show_default=True,
    type=Whole(1),
    help="Largest file to make; a part that is larger stays as it is.",
)
def main(outcomes: Path, megabytes: int) -> None:
    """Join the parts of a finished label folder; everything reads it as before.

    Example: m3scale compact --outcomes runs/demo/outcomes/test

    Every part is verified first. If it is killed, the folder is still whole: call it again.
    """
    from labels.labelling.sharing import hold
    from labels.outcomes.compact import compact

    with hold(outcomes):
        before, after = compact(outcomes, megabytes * 2**20)
    click.echo(f"{before} parts are now {after}: {outcomes}")
