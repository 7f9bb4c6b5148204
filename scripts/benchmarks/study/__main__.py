"""Writes the tables of README.md and docs/results.md from the results of the draws.

Run it by itself: `python -m scripts.benchmarks.study docs/study/*.json`. Nothing is measured and
nothing is typed by hand: `make study` measures and calls it.
"""

from pathlib import Path

import click

from m3_backbone.files import write_atomically
from predictor.report.folder import is_markdown, read_results
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.outputs import check_file

COMMAND = "python -m scripts.benchmarks.study docs/study/*.json"


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
    before, after = _cut(readme)
    draws = arrange([read_results(one) for one in results])
    table, text = build_tables(draws, COMMAND)
    write_atomically(page, text.encode())
    write_atomically(readme, (before + table + after).encode())
    click.echo(f"{', '.join(draws)}: {readme}, {page}")


def _cut(readme: Path) -> tuple[str, str]:
    """Give what stands before and after the marked table of a file.

    Raises:
        ValueError: if the lines that mark it are not there once each, one after the other.
    """
    from predictor.report.draws import BEGIN, END

    text = readme.read_text("utf-8")
    start = BEGIN.partition("{")[0]
    if (text.count(start), text.count(END)) != (1, 1) or text.index(start) > text.index(END):
        raise ValueError(f"{readme} must have a line that begins with {start!r}, and then {END}")
    return text[: text.index(start)], text[text.index(END) + len(END) :]


if __name__ == "__main__":
    main()
