"""Values that options take, stricter than click's own."""

import math
import os
from pathlib import Path
from typing import Any

import click

MOST = 10_000_000
"""Largest count that an option takes: images, rows, steps, tokens."""

LARGEST_SEED = 2**32 - 1


class InputFile(click.Path):
    """A regular file that is there: no folder, and no pipe or device, which may have no end."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the path."""
        path = super().convert(value, param, ctx)
        # What is no folder is a file to click, pipes and devices too.
        if not Path(os.fsdecode(path)).is_file():
            self.fail(f"{value} is no regular file", param, ctx)
        return path


class Finite(click.types.FloatParamType):
    """A number that is neither NaN nor infinite."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"expected a finite number, got {number}", param, ctx)
        return number


class AtLeast(Finite, click.FloatRange):
    """A finite number of at least `min`; by itself `FloatRange` takes NaN, which is not below.

    `max`, if given, is the largest that is taken.
    """


class Whole(click.IntRange):
    """A count of at least `min`; the help says nothing of `most`, which nobody needs to know."""

    def __init__(self, min: int = 0, most: int = MOST) -> None:
        super().__init__(min)
        self.most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read the count; of a long number the message shows the beginning alone."""
        text = str(value)
        # `int` refuses thousands of digits in words of its own; 20 are enough to know.
        count = self.most + 1 if len(text) > 20 else int(super().convert(value, param, ctx))
        if count > self.most:
            shown = f"{text[:20]}..." if len(text) > 20 else text
            self.fail(f"{shown} is no whole number up to {self.most}", param, ctx)
        return count
