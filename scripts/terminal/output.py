"""What a command shows: small tables on stdout, progress bars on stderr.

Not a report: `predictor.report.report` draws that.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from predictor.evaluation.trainings import Progress


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table with aligned columns to stdout.

    Args:
        header: one title per column.
        rows: one value per column; floats get four digits, None and NaN a dash.
    """
    cells = [list(header), *([_format(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        # Names to the left, figures to the right.
        padded = [row[0].ljust(widths[0])]
        padded += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        click.echo("  ".join(padded).rstrip())


def print_rows(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows that have the same keys as a table; nothing if there are none.

    Args:
        rows: title to value.
    """
    if rows:
        print_table(list(rows[0]), [list(row.values()) for row in rows])


def _format(value: object) -> str:
    if value is None or value != value:  # NaN: there is no such number
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def name_folders(folders: Iterable[Path]) -> dict[Path, str]:
    """Name folders by as few of their last parts as tell them apart.

    Args:
        folders: any; of those that are the same, the first one counts.

    Returns:
        Folder to name.

    >>> list(name_folders([Path("/a/test"), Path("/b/test"), Path("/b/train")]).values())
    ['a/test', 'b/test', 'train']
    """
    # The whole path, as "." has no name of its own; links keep the name that the user knows.
    parts = {Path(os.path.abspath(folder)).parts: folder for folder in reversed([*folders])}
    return {folder: _shortest_tail(whole, parts) for whole, folder in reversed(parts.items())}


def _shortest_tail(whole: tuple[str, ...], every: Iterable[tuple[str, ...]]) -> str:
    """Join the last parts of a path that no other one of `every` ends with."""
    for length in range(1, len(whole)):
        tail = whole[-length:]
        if sum(other[-length:] == tail for other in every) == 1:
            return "/".join(tail)
    return str(Path(*whole))


def print_headline(results: dict[str, Any]) -> None:
    """Print every fixed scale and the router's budgets, then the headline, from results.json."""
    from predictor.report.wording import banner

    router = results["router"]["at"]
    rows = [[f"fixed {k}", v["tokens"], v["accuracy"], None] for k, v in results["fixed"].items()]
    rows += [[f"router {k}", v["tokens"], v["accuracy"], v["ogc"]] for k, v in router.items()]
    print_table(("choice", "tokens", "accuracy", "OGC"), rows)
    click.echo("")
    for name, text in describe_headline(results):
        click.echo(f"{name:<24}{text}")
    for sentence in (results.get("ladder", {}).get("sentence"), banner(results)):
        if sentence:
            click.echo(f"\n{sentence}")


def describe_headline(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Give the headline of results.json as pairs of a name and its figure, a dash without one."""
    from predictor.report.wording import parity_text, pays

    head = results["headline"]
    target = f"{head.get('target', 72):g}"
    ogc = [head.get(f"ogc_{target}{end}") for end in ("", "_low", "_high")]
    parity = f"{_number(head['parity_tokens'], 1)} ({_share(head['parity_share'])} of all)"
    together, single = _number(head["router_ms"]), _number(head["router_ms_single"])
    closed = f"{_number(ogc[0])} [{_number(ogc[1])}, {_number(ogc[2])}]"
    return [
        # A share of a gap that is next to nothing is no headline.
        *([(f"OGC at {target} tokens", closed)] if pays(results) else []),
        (
            "tokens to parity",
            parity_text(
                f"{parity}, accuracy lost {_share(head['parity_drop'])}",
                head.get("parity_established"),
            ),
        ),
        ("regression rate", _share(head["regression_rate"])),
        (
            "router",
            f"{together} ms per question, {single} ms one at a time, "
            f"{_number(head['router_mb'], 2)} MB",
        ),
    ]


def _number(value: float | None, digits: int = 3) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def wants_progress(quiet: bool) -> bool:
    """Tell whether to show progress bars: only on a terminal, and not if --quiet was given."""
    return not quiet and sys.stderr.isatty()


@contextmanager
def training_bar(show: bool) -> "Iterator[Progress]":
    """Show a bar over the trainings of an experiment.

    Args:
        show: whether to show it.

    Yields:
        A function for `run_experiment`, called with a name, trainings done and trainings in all.
    """
    from tqdm.auto import tqdm

    with tqdm(desc="training", unit=" routers", disable=not show) as bar:

        def advance(name: str, done: int, total: int) -> None:
            bar.total = total
            bar.set_postfix_str(name, refresh=False)
            # tqdm wants the step, and is told the place.
            bar.update(done - bar.n)

        yield advance
