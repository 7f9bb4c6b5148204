"""Prepares training batches in another process while the model computes."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from torch.utils.data import DataLoader, Dataset

from m3_backbone.group import group_rank, group_size

T = TypeVar("T")
BATCHES_AHEAD = 6


class DrawnBatches(Dataset[T], Generic[T]):
    """Shows `draw` as a map from step to batch, the form that workers understand."""

    def __init__(self, draw: Callable[[int], T]) -> None:
        self.draw = draw

    def __getitem__(self, step: int) -> T:
        """Draw the batch of one step."""
        return self.draw(step)


def prefetch_batches(draw: Callable[[int], T], first: int, last: int, workers: int) -> Iterator[T]:
    """Yield the batches of the steps from `first` up to but not including `last`, in order.

    Processes that train together share the batches out: of n, number r draws r, n + r, 2n + r, ...

    Args:
        draw: number -> batch; must depend on the number alone.
        first: first step.
        last: step after the last one.
        workers: processes that draw ahead; 0 draws in this one.

    Returns:
        The batches, one a step.
    """
    rank, processes = group_rank(), group_size()
    loader: DataLoader[T] = DataLoader(
        DrawnBatches(draw),
        batch_size=None,
        sampler=range(first * processes + rank, last * processes + rank, processes),
        num_workers=workers,
        prefetch_factor=BATCHES_AHEAD if workers else None,
        multiprocessing_context="fork" if workers else None,
    )
    return iter(loader)
