"""Which questions are read together: batches by the tokens they take, halved where memory ends.

Plans only; what a row or a batch is made of is `prefill.py`'s business.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import TypeVar

import torch

from m3_backbone.prompts import TokenizedPrompt

TOKEN_BUDGET = 16384
"""Tokens in the cache of one batch: 8 GiB for a language model of 7B parameters in bfloat16."""

LONGEST_PACK = 2048
"""Tokens of the questions in one packed row: each is compared with each, so a row must end."""

T = TypeVar("T")
R = TypeVar("R")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """One line of a batch: an image and the questions that are read behind it.

    Attributes:
        image: number of the image.
        places: numbers of its questions.
        packed: whether the beginning of the prompt is read once for all of them.
        visual: visual tokens of the image.
        size: tokens that it takes in the cache, with all answers at their longest.
    """

    image: int
    places: tuple[int, ...]
    packed: bool
    visual: int
    size: int


def sharing_pays(n_questions: int) -> bool:
    """Tell whether to read the beginning of the prompt once for the questions of an image.

    Args:
        n_questions: questions of the image.

    Returns:
        True from two questions on, at every scale: `scripts.bench_label --prefix` measures it.
    """
    return n_questions > 1


def plan_rows(
    prompts: Sequence[Sequence[TokenizedPrompt]],
    visual: Sequence[int],
    max_new_tokens: int,
    token_budget: int,
    pays: Callable[[int], bool],
) -> list[Row]:
    """Spread the questions of images over rows.

    Args:
        prompts: the prompts of each image.
        visual: visual tokens of each image.
        max_new_tokens: most tokens of an answer.
        token_budget: tokens of a batch; a packed row has no more, unless one question alone has.
        pays: whether so many questions of an image share a row.

    Returns:
        The rows, by image.
    """
    rows = []
    for image, group in enumerate(prompts):
        if not pays(len(group)):
            for place, prompt in enumerate(group):
                size = prompt.text_tokens() + visual[image] + max_new_tokens
                rows.append(Row(image, (place,), False, visual[image], size))
            continue
        beginning = len(group[0].before) + visual[image]
        sizes = [len(prompt.after) + max_new_tokens for prompt in group]
        for places in _cut(sizes, min(LONGEST_PACK, token_budget - beginning)):
            size = beginning + sum(sizes[place] for place in places)
            rows.append(Row(image, places, True, visual[image], size))
    return rows


def fill_batches(rows: Sequence[Row], token_budget: float) -> Iterator[list[Row]]:
    """Gather rows of like size, packed ones with equally many visual tokens.

    Args:
        rows: the rows of one scale.
        token_budget: tokens of a batch, padding included.

    Yields:
        Rows of one batch, at least one.
    """

    def kind(row: Row) -> tuple[bool, int]:
        return row.packed, row.visual if row.packed else 0

    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: (kind(row), row.size)):
        # The last row is the largest, and the others are padded to it.
        full = (len(batch) + 1) * row.size > token_budget
        if batch and (full or kind(row) != kind(batch[0])):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def split_batches(
    scales: Sequence[int], lengths: Sequence[int], batch_size: int
) -> Iterator[list[int]]:
    """Split rows into batches of one scale, rows of like length together so that little is padded.

    Args:
        scales: visual tokens per image crop of each row.
        lengths: tokens of each row.
        batch_size: most rows of a batch.

    Yields:
        Row numbers of one batch.
    """
    order = sorted(range(len(scales)), key=lambda i: (scales[i], lengths[i]))
    for _, rows in groupby(order, key=lambda i: scales[i]):
        same_scale = list(rows)
        for start in range(0, len(same_scale), batch_size):
            yield same_scale[start : start + batch_size]


def count_tokens(batch: Sequence[Row]) -> int:
    """Count what a batch takes.

    Args:
        batch: its rows.

    Returns:
        Tokens in the cache, padding included.
    """
    return len(batch) * max(row.size for row in batch)


class MemoryLimit:
    """Halves the batches that memory cannot hold, and remembers how large they may be.

    Attributes:
        most: size that a batch of several items may have from now on.
    """

    def __init__(self) -> None:
        self.most: float = inf

    def run(
        self,
        batch: Sequence[T],
        measure: Callable[[Sequence[T]], int],
        work: Callable[[Sequence[T]], Sequence[R]],
    ) -> list[R]:
        """Do the work of a batch, in pieces if need be.

        Args:
            batch: the items.
            measure: size of a batch.
            work: one result an item; whatever raises OutOfMemoryError is tried again in halves.

        Returns:
            One result an item.

        Raises:
            ValueError: if memory does not hold a single item.
        """
        size = measure(batch)
        if len(batch) == 1 or size <= self.most:
            try:
                return list(work(batch))
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise ValueError(
                        f"memory does not hold a batch of one (size {size}): free some, take fewer "
                        f"visual tokens, or spread the model with --device-map ({error})"
                    ) from error
            self.most = size // 2
            logger.warning("out of memory at a batch of size %d: going on with half", size)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        half = len(batch) // 2
        first = self.run(batch[:half], measure, work)
        return first + self.run(batch[half:], measure, work)


def _cut(sizes: Sequence[int], limit: int) -> Iterator[tuple[int, ...]]:
    """Cut a sequence into runs whose sizes add up to no more than a limit, if they can."""
    run: list[int] = []
    for place, size in enumerate(sizes):
        if run and sum(sizes[i] for i in run) + size > limit:
            yield tuple(run)
            run = []
        run.append(place)
    if run:
        yield tuple(run)
