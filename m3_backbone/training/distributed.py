"""The processes that train together: torchrun starts them, each takes its own batches.

Without torchrun there is one process and everything here does nothing.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch
from torch import distributed, nn
from torch.utils.data import DataLoader, Dataset

from m3_backbone.checkpoints.placement import find_device

T = TypeVar("T")
BATCHES_AHEAD = 6


@contextmanager
def joined_group(device: str) -> Iterator[None]:
    """Join the processes that torchrun started, if it did, for as long as the block lasts.

    Args:
        device: torch device this process computes on; NCCL joins GPUs, gloo processors. "cuda"
            becomes another GPU for each process of a machine. One that cannot be used is refused.
    """
    started = "WORLD_SIZE" in os.environ
    if "TORCHELASTIC_RUN_ID" in os.environ:
        end_with_parent()
    if started and device == "cuda":
        torch.cuda.set_device(find_device(f"cuda:{os.environ['LOCAL_RANK']}"))
    find_device(device)
    if started:
        distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield
    finally:
        if started:
            distributed.destroy_process_group()


def end_with_parent() -> None:
    """Let this process be killed when its parent is, so that torchrun leaves no worker behind."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL))


_PR_SET_PDEATHSIG = 1
"""From sys/prctl.h."""


def group_rank() -> int:
    """Give the number of this process, from 0 on."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def group_size() -> int:
    """Count the processes that train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def sum_over_group(count: int, device: torch.device) -> int:
    """Add up a count over all processes."""
    if group_size() == 1:
        return count
    total = torch.tensor(count, device=device)
    distributed.all_reduce(total)
    return int(total.item())


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over all processes, in one exchange.

    Args:
        parameters: what is trained. A gradient that only other processes have counts as zero here,
            as for the newline of images where this one saw text alone.
    """
    if group_size() == 1:
        return
    trained = list(parameters)
    # Every process must exchange equally many numbers, or the group hangs: agree on which.
    known = torch.tensor([float(p.grad is not None) for p in trained], device=trained[0].device)
    distributed.all_reduce(known, distributed.ReduceOp.MAX)
    gradients = []
    for parameter, is_known in zip(trained, known.tolist(), strict=True):
        if is_known:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
    # One vector, so that there is one exchange.
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    # Adds up; the mean is the division below, which gloo has no operation for.
    distributed.all_reduce(flat)
    flat /= group_size()
    start = 0
    for gradient in gradients:
        gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
        start += gradient.numel()


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
    """
    rank = group_rank()
    processes = group_size()
    loader: DataLoader[T] = DataLoader(
        DrawnBatches(draw),
        # Items are batches already.
        batch_size=None,
        sampler=range(first * processes + rank, last * processes + rank, processes),
        num_workers=workers,
        prefetch_factor=BATCHES_AHEAD if workers else None,
        # `draw` may be a closure, which other ways of starting could not pickle.
        multiprocessing_context="fork" if workers else None,
    )
    return iter(loader)
