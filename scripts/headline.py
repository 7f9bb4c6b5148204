"""The few figures a report comes down to, as lines for a terminal."""

from typing import Any

import click

from scripts.output import print_table


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
