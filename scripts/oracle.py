"""The command `m3scale oracle`: score and cost of the best choice of scale."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.terminal.errors import OneLineCommand
from scripts.terminal.option_types import AtLeast
from scripts.terminal.options import json_option
from scripts.terminal.output import name_folders, print_table
from scripts.terminal.outputs import write_table

if TYPE_CHECKING:
    from labels.oracle import AlwaysWrong
    from labels.outcomes.table import OutcomeTable
    from predictor.data import IntArray


PRICE = 0.0002
"""Score that a visual token is worth."""


class _Convention(click.Choice[str]):
    """An always-wrong convention; "dearest", the former name of "largest", still works."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        # Only read: help and messages show the new name alone.
        return super().convert("largest" if value == "dearest" else value, param, ctx)


@click.command(cls=OneLineCommand)
@click.option(
    "--outcomes",
    "folders",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Finished label folder, one column; repeatable.",
)
@click.option(
    "--by",
    type=click.Choice(["dataset", "group"]),
    default="dataset",
    show_default=True,
    help="One column per folder, or also one per question family.",
)
@click.option(
    "--always-wrong",
    type=_Convention(["cheapest", "largest", "drop"]),
    default="cheapest",
    show_default=True,
    help="The scale of a question that no scale answers; M3 takes the cheapest.",
)
@click.option(
    "--price",
    default=PRICE,
    show_default=True,
    type=AtLeast(0),
    help="Score that a visual token costs, for the rule utility.",
)
@json_option
def main(
    folders: tuple[Path, ...],
    by: str,
    always_wrong: "AlwaysWrong",
    price: float,
    json_file: Path | None,
) -> None:
    """Show score and mean visual tokens of every fixed scale and of oracles over them.

    Example: m3scale oracle --outcomes runs/demo/outcomes/test --by group

    An oracle knows which answers are right. Its rule is minimal-correct (the paper's), stable
    (right, and all larger scales too), reference-match (same answer as the largest) or utility; on
    outcomes of m3scale label --losses also loss-ranking (the right answer is most likely).
    """
    from labels.audit import note_unknown_images
    from labels.outcomes.table import read_outcomes

    columns: dict[str, dict[str, Any]] = {}
    notes = {}
    for folder, title in name_folders(folders).items():
        table = read_outcomes(folder)
        notes[title] = note_unknown_images(table.image_ids)
        for name, rows in _split_rows(title, table, by).items():
            columns[name] = _measure(table, rows, always_wrong, price)
    if json_file:
        settings = {"always_wrong": always_wrong, "price": price}
        write_table(json_file, {"settings": settings, "columns": columns, "image_notes": notes})
    _print(columns)
    click.echo(f"\nA question that no scale answers: {always_wrong}. utility: {price:g} per token.")
    for name, note in notes.items():
        if note:
            click.echo(f"{name}: {note}")


def _split_rows(name: str, table: "OutcomeTable", by: str) -> "dict[str, IntArray]":
    import numpy as np

    rows = {name: np.arange(len(table.sample_ids))}
    if by == "group":
        groups = sorted(set(table.groups.tolist()))
        # Behind the whole folder: a dict keeps the order of the columns.
        rows |= {f"{name}/{group}": np.flatnonzero(table.groups == group) for group in groups}
    return rows


def _measure(
    table: "OutcomeTable", rows: "IntArray", wrong: "AlwaysWrong", price: float
) -> dict[str, Any]:
    import numpy as np

    from labels.metrics.score import normalise_text
    from labels.oracle import granularity, pick_by_rules, summarise_picks

    scores = table.scores[rows]  # [n, s]
    tokens = table.visual_tokens[rows]  # [n, s]
    losses = None if table.losses is None else table.losses[rows]
    # Answers that differ only in case or final punctuation are equal [n, s].
    texts = np.vectorize(normalise_text, otypes=[object])(table.answers[rows])
    picked = pick_by_rules(scores, tokens, texts, wrong, price, losses)
    return {
        "n": len(rows),
        "fixed": {
            str(scale): {"accuracy": scores[:, k].mean(), "tokens": tokens[:, k].mean()}
            for k, scale in enumerate(table.scales)
        },
        "oracle": {rule: summarise_picks(index, scores, tokens) for rule, index in picked.items()},
        "granularity": granularity(scores, tokens, table.scales),
    }


def _print(columns: dict[str, dict[str, Any]]) -> None:
    """Print the paper's table, one column per name, then which scale questions need."""
    every = list(columns.values())
    scales = sorted({int(scale) for column in every for scale in column["fixed"]}, reverse=True)
    lines: list[list[object]] = [["questions", *(column["n"] for column in every)]]
    for scale in scales:
        # A folder without this scale gets a dash.
        points = [column["fixed"].get(str(scale), {}) for column in every]
        lines.append([f"scale {scale}", *(point.get("accuracy") for point in points)])
    # Without doubles, in the order of first sight, which a set would lose.
    for rule in dict.fromkeys(rule for column in every for rule in column["oracle"]):
        for key in ("tokens", "accuracy"):
            values = [column["oracle"].get(rule, {}).get(key) for column in every]
            lines.append([f"{rule} {key}", *values])
    print_table(["", *columns], lines)
    click.echo("\nshare of questions by the smallest scale that is right; its mean tokens")
    needs = list(dict.fromkeys(key for column in every for key in column["granularity"]))
    rows = [
        [name, *(column["granularity"].get(key) for key in needs)]
        for name, column in columns.items()
    ]
    print_table(["", *needs], rows)
