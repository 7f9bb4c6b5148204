"""Figures of both harnesses as Markdown, taken from their JSON, so that nobody types them.

Run it by itself: `python -m scripts.fuzzing.counts fuzz.json kills.json docs/reliability.md`.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from m3_backbone.serialization import parse_json
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.marked import write_marked

COMMAND = "python -m scripts.fuzzing.counts fuzz.json kills.json docs/reliability.md"


@click.command(cls=OneLineCommand)
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.argument("page", type=click.Path(exists=True, path_type=Path))
def main(sources: tuple[Path, ...], page: Path) -> None:
    """Put the counts of the JSON files SOURCES into PAGE."""
    parts = [describe_counts(parse_json(source.read_bytes())) for source in sources]
    write_marked(page, "counts", COMMAND, "\n\n".join(parts))


def describe_counts(content: dict[str, Any]) -> str:
    """Write the counts of one run as a Markdown table with its seed and commit.

    Args:
        content: what `run` or `kills` wrote.

    Returns:
        Lines of Markdown.
    """
    made = f"Seed {content['seed']}, commit {content['commit'] or 'unknown'}"
    if "kills" in content:
        head = ["command", "fault", "runs", "old", "new", "finished by the next run", "problems"]
        return f"{made}:\n\n{_table(head, content['kills'])}"
    verdicts = sorted({verdict for one in content["counts"].values() for verdict in one})
    rows = [
        [name, sum(one.values()), *(one.get(verdict, 0) for verdict in verdicts)]
        for name, one in content["counts"].items()
    ]
    totals = [sum(column) for column in zip(*(row[1:] for row in rows), strict=True)]
    table = _table(["inputs", "calls", *verdicts], [*rows, ["all", *totals]])
    return f"{made}, {content['distinct']} distinct inputs:\n\n{table}"


def describe_commit() -> str:
    """Name the commit that is run, and whether anything is changed in it; empty if unknown."""
    root = Path(__file__).parents[2]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=10"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


if __name__ == "__main__":
    main()
