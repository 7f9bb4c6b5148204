"""Turn a user's mistake into one line on stderr and exit code 2; and how else a command may end.

The packages raise ValueError and OSError for mistakes, and click raises UsageError. A defect keeps
its traceback; `m3scale --verbose` shows one for mistakes too. Ctrl-C and SIGTERM end a command with
128 + the signal's number, and so does a reader of stdout that goes away, as `head` does.
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

import click

from scripts.terminal.outputs import check_files

logger = logging.getLogger(__name__)


class InputError(click.ClickException):
    """A mistake that the user can correct; shown as `Error: ...` on one line."""

    exit_code = 2


class Stopped(click.ClickException):
    """The command was told to stop: no mistake, and nothing to correct."""

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(message)
        # Of a class, as click declares it, but each signal has its own.
        setattr(self, "exit_code", 128 + number)  # noqa: B010

    def show(self, file: object = None) -> None:
        """Print the message, if there is one, to stderr."""
        if self.message:
            click.echo(self.message, err=True)


class OneLineCommand(click.Command):
    """A command that reports bad input in one line, wherever it was noticed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options."""
        with one_line_errors():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command, once it is known that what it writes can be written."""
        with one_line_errors():
            check_files(ctx)
            return super().invoke(ctx)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Catch bad input inside the block and raise it as an `InputError`.

    Yields:
        Nothing.

    Raises:
        InputError: if the block raised UsageError, ValueError, OSError or EOFError.
        Stopped: if a signal came, or nobody reads stdout any more.
    """
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise  # help is not an error
    except KeyboardInterrupt as error:
        number = signal.SIGTERM if isinstance(error, Terminated) else signal.SIGINT
        message = "interrupted; nothing is half-written: the same command begins or goes on"
        raise Stopped(number, message) from error
    except BrokenPipeError as error:
        _drop_output()
        raise Stopped(_SIGPIPE) from error
    except click.UsageError as error:
        # As it is, click would print the usage above it.
        raise InputError(_join_lines(error.format_message())) from error
    except EOFError as error:  # which click would take for Ctrl-D
        raise InputError(_join_lines(str(error)) or "a file ends too early") from error
    except (ValueError, OSError) as error:
        logger.debug("where the error below comes from", exc_info=error)
        raise InputError(_join_lines(str(error)) or type(error).__name__) from error


class Terminated(KeyboardInterrupt):
    """SIGTERM came; unwound as Ctrl-C is, so that what is half-written is removed."""


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, and the second signal of a kind end it at once.

    Yields:
        Nothing. If a signal came, KeyboardInterrupt is raised, whatever libraries made of it.
    """
    came: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        # Libraries may swallow the exception, or compute for long: the next signal kills.
        signal.signal(number, signal.SIG_DFL)
        came.append(number)
        raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may handle signals
        return
    # What the parent ignores, as nohup does, stays ignored.
    numbers = [one for one in (signal.SIGINT, signal.SIGTERM) if _ends_process(one)]
    old = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    except Exception as error:
        # Any: an import that is interrupted, for one, ends in whatever the library raises then.
        if came:
            raise Terminated if came[0] == signal.SIGTERM else KeyboardInterrupt from error
        raise
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


_SIGPIPE = 13
"""Its number everywhere; Windows has no name for it."""


def _ends_process(number: int) -> bool:
    return signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler)


def _drop_output() -> None:
    """Let what is still to be flushed go nowhere, or Python would complain as it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # no file, or closed, or none at all
            stream.flush()
            continue
        with suppress(OSError, ValueError, AttributeError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _join_lines(message: str) -> str:
    return " ".join(message.split())
