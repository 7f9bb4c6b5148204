"""Tells what of the data is left out of a training."""

from collections.abc import Sequence

import click

SHOWN = 10
"""So many are named."""


def tell_left_out(messages: Sequence[str]) -> None:
    """Say on stderr what was left out: the first ones, and how many more there are."""
    for message in messages[:SHOWN]:
        click.echo(f"left out: {message}", err=True)
    if len(messages) > SHOWN:
        click.echo(f"left out: {len(messages) - SHOWN} more", err=True)
