"""The option --preset: source, columns, metric and prompt of a benchmark that is known by name."""

from dataclasses import asdict, replace

import click

from labels.sources.benchmarks import PRESETS
from scripts.stages.label import LabelRequest
from scripts.terminal.options import read_columns


def _fill_defaults(context: click.Context, _: click.Parameter, preset: str | None) -> str | None:
    """Let a preset speak where the user does not; it is read before all other options."""
    if preset is not None:
        # Click looks here after the command line and before the defaults.
        context.default_map = asdict(PRESETS[preset])
    return preset


preset_option = click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    is_eager=True,
    callback=_fill_defaults,
    help="Source, columns, metric and prompt of a known benchmark; other options win.",
)


def add_columns(request: LabelRequest, preset: str | None) -> LabelRequest:
    """Add the columns of a preset to those that the user named."""
    known = read_columns(PRESETS[preset].columns) if preset else {}
    return replace(request, columns={**known, **request.columns})
