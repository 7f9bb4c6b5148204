"""Writes the tables of the embedded model's card from ladders.

Run it by itself: `python -m scripts.benchmarks.card`. Nothing is measured and nothing is typed by
hand: `make card` measures and calls it.
"""

from pathlib import Path

import click

from scripts.terminal.errors import OneLineCommand
from scripts.terminal.marked import cut_marked, write_marked

COMMAND = "python -m scripts.benchmarks.card"
TABLES = "figures"


@click.command(cls=OneLineCommand)
@click.option(
    "--ladders",
    default=Path("docs/card"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder of average.json, sequential.json, spatial.json and before.json.",
)
@click.option(
    "--card",
    default=Path("models/m3-mini/README.md"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="File in a model's folder, whose tables stand between two lines that mark them.",
)
def main(ladders: Path, card: Path) -> None:
    """Write the tables of a model's card: by family, by what is unseen, by scale, by pooling."""
    from scripts.benchmarks.card.ladders import read_ladders
    from scripts.benchmarks.card.tables import build_tables

    cut_marked(card, TABLES)
    text = build_tables(read_ladders(ladders, card.parent))
    write_marked(card, TABLES, COMMAND, text)
    click.echo(f"wrote {card}")


if __name__ == "__main__":
    main()
