"""Writes the tables of README.md and docs/results.md from the results of the draws.

Run it by itself: `python -m scripts.benchmarks.study docs/study/*.json`. Nothing is measured and
nothing is typed by hand: `make study` measures and calls it.
"""

from pathlib import Path

import click

from m3_backbone.files import write_atomically
from predictor.report.folder import is_markdown, read_results
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.marked import cut_marked, write_marked
from scripts.terminal.outputs import check_file

COMMAND = "python -m scripts.benchmarks.study docs/study/*.json"
TABLE = "results"


@click.command(cls=OneLineCommand)
@click.argument("results", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--readme",
    default=Path("README.md"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="File whose table stands between two lines that mark it.",
)
@click.option(
    "--page",
    default=Path("docs/results.md"),
    show_default=True,
    type=click.Path(path_type=Path),
    help="File of the draws side by side, and of the last one in full.",
)
def main(results: tuple[Path, ...], readme: Path, page: Path) -> None:
    """Write the headline's table and the page of results.

    RESULTS are results.json files or report folders, one for each draw. The last draw, by name,
    gives the headline.
    """
    from predictor.report.draws import arrange, build_tables

    check_file(page, is_markdown, results)
    cut_marked(readme, TABLE)
    draws = arrange([read_results(one) for one in results])
    table, text = build_tables(draws, COMMAND)
    write_atomically(page, text.encode())
    write_marked(readme, TABLE, COMMAND, table)
    click.echo(f"{', '.join(draws)}: {readme}, {page}")


if __name__ == "__main__":
    main()
