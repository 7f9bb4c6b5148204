"""What a command leaves behind: JSON files that appear whole, and small tables on stdout.

Not a report: `predictor.report.report` draws that.
"""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from predictor.evaluation.experiment import Progress


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with aligned columns to stdout.

    Args:
        header: one title a column.
        rows: one value a column; floats get four digits, None a dash.
    """
    cells = [list(header), *([_format(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        padded = [row[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        click.echo("  ".join(padded).rstrip())


def _format(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def print_headline(results: dict[str, Any]) -> None:
    """Print the fixed scales, then the headline.

    Args:
        results: what results.json holds.
    """
    router = results["router"]["at"]
    rows = [[f"fixed {k}", v["tokens"], v["accuracy"], None] for k, v in results["fixed"].items()]
    rows += [[f"router {k}", v["tokens"], v["accuracy"], v["ogc"]] for k, v in router.items()]
    print_table(("choice", "tokens", "accuracy", "OGC"), rows)
    click.echo("")
    for name, text in describe_headline(results):
        click.echo(f"{name:<24}{text}")


def describe_headline(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Put the headline into words.

    Args:
        results: what results.json holds.

    Returns:
        Pairs of a name and its figure; a figure that does not exist is a dash.
    """
    head = results["headline"]
    target = f"{head.get('target', 72):g}"
    ogc = [head.get(f"ogc_{target}{end}") for end in ("", "_low", "_high")]
    parity = f"{_number(head['parity_tokens'], 1)} ({_share(head['parity_share'])} of all)"
    times = f"{_number(head['router_ms'])} ms a question, {_number(head['router_ms_single'])} alone"
    return [
        (f"OGC at {target} tokens", f"{_number(ogc[0])} [{_number(ogc[1])}, {_number(ogc[2])}]"),
        ("tokens to parity", f"{parity}, accuracy lost {_share(head['parity_drop'])}"),
        ("regression rate", _share(head["regression_rate"])),
        ("router", f"{times}, {_number(head['router_mb'], 2)} MB"),
    ]


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def wants_progress(quiet: bool) -> bool:
    """Tell whether bars are of use.

    Args:
        quiet: whether the user asked for none.

    Returns:
        True if stderr is a terminal and nobody asked for silence.
    """
    return not quiet and sys.stderr.isatty()


@contextmanager
def training_bar(show: bool) -> "Iterator[Progress]":
    """Show a bar over the trainings of an experiment.

    Args:
        show: whether to show it.

    Yields:
        What `run_experiment` calls with a name, trainings done and trainings in all.
    """
    from tqdm.auto import tqdm

    with tqdm(desc="training", unit=" routers", disable=not show) as bar:

        def advance(name: str, done: int, total: int) -> None:
            bar.total = total
            bar.set_postfix_str(name, refresh=False)
            bar.update(done - bar.n)

        yield advance
