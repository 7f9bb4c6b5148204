"""The jinja2 environment of both templates, the page and the Markdown file."""

from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def make_environment(finalize: Callable[[object], Any] | None = None) -> Environment:
    """Make the environment that finds the templates; a name that a template lacks is an error.

    Args:
        finalize: what each value goes through before it is escaped, if anything.
    """
    return Environment(
        loader=PackageLoader("predictor.report"),
        autoescape=True,
        finalize=finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
