"""Progress on stderr, for a person; silent where nobody looks."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from predictor.experiment import Progress


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
