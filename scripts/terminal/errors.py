"""Turn a user's mistake into one line on stderr and exit code 2.

The packages raise ValueError and OSError for these, and click raises UsageError. A defect keeps its
traceback; `m3scale --verbose` shows one for mistakes too.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import click

logger = logging.getLogger(__name__)


class InputError(click.ClickException):
    """A mistake that the user can correct; shown as `Error: ...` on one line."""

    exit_code = 2


class OneLineCommand(click.Command):
    """A command that reports bad input in one line, wherever it was noticed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options."""
        with one_line_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command."""
        with one_line_errors():
            return super().invoke(ctx)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Catch bad input inside the block and raise it as an `InputError`.

    Yields:
        Nothing.

    Raises:
        InputError: if the block raised UsageError, ValueError or OSError.
    """
    try:
        yield
    except (click.exceptions.NoArgsIsHelpError, BrokenPipeError):
        raise  # help is not an error, and a closed pipe is click's to handle
    except click.UsageError as error:
        # As it is, click would print the usage above it.
        raise InputError(_join_lines(error.format_message())) from error
    except (ValueError, OSError) as error:
        logger.debug("where the error below comes from", exc_info=error)
        raise InputError(_join_lines(str(error)) or type(error).__name__) from error


def _join_lines(message: str) -> str:
    return " ".join(message.split())
