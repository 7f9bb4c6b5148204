"""Tells what of the data is left out of a training."""

from collections.abc import Sequence

import click

SHOWN = 10
"""So many are named."""


def tell_left_out(messages: Sequence[str]) -> None:
    """Say on stderr, once for all processes, what was left out: the first, and how many more."""
    from m3_backbone.training.distributed import group_rank

    if group_rank():
        return
    for message in messages[:SHOWN]:
        click.echo(f"left out: {message}", err=True)
    if len(messages) > SHOWN:
        click.echo(f"left out: {len(messages) - SHOWN} more", err=True)
