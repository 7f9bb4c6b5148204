"""How the model is run: evaluation mode, batches halved when memory runs out, waiting for it."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from math import inf
from typing import TypeVar

import torch

logger = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")


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

        Raises:
            ValueError: if memory does not hold a single item.
        """
        size = measure(batch)
        # A single item is always tried, even above the limit: it cannot be halved.
        if len(batch) == 1 or size <= self.most:
            try:
                return list(work(batch))
            except torch.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise ValueError(
                        f"memory does not hold a batch of one (size {size}): free some, take fewer "
                        f"visual tokens, or spread the model with --device-map ({error})"
                    ) from error
            # Outside the except block: its traceback would keep the failed batch's tensors alive.
            self.most = size // 2
            logger.warning("out of memory at a batch of size %d: going on with half", size)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        half = len(batch) // 2
        first = self.run(batch[:half], measure, work)
        return first + self.run(batch[half:], measure, work)


def wait_for(device: torch.device | str) -> None:
    """Let a device finish what it was asked to do, so that a clock may be read."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Switch a model to evaluation without gradients, and back: it may be in training."""
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)
