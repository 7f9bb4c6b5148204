"""Dynamic batching: what tasks of event loops submit is answered in batches by one thread.

Nothing waits for a batch to fill: a batch is whatever was submitted while the one before ran.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class _Pending(Generic[T, R]):
    item: T
    result: "Future[R]" = field(default_factory=Future)


class DynamicBatcher(Generic[T, R]):
    """Batches items that have the same key."""

    def __init__(
        self,
        run: Callable[[Sequence[T]], Sequence[R]],
        executor: Executor,
        max_batch_size: int,
        key: Callable[[T], Hashable] = lambda _: None,
    ) -> None:
        """Begin with an empty queue.

        Args:
            run: gives one result an item.
            executor: has one thread, which runs the batches; several batchers may share it.
            max_batch_size: most items of a batch.
            key: items of the same key may share a batch.
        """
        self._run = run
        self._executor = executor
        self._max_batch_size = max_batch_size
        self._key = key
        self._queue: list[_Pending[T, R]] = []
        self._lock = threading.Lock()

    async def submit(self, item: T) -> R:
        """Wait for the result of an item.

        An item that is cancelled before its batch begins is dropped. What `run` raises for it is
        raised here; where a batch fails, its items are run again one by one.
        """
        pending: _Pending[T, R] = _Pending(item)
        with self._lock:
            self._queue.append(pending)
        # One job an item: some find the queue empty, none is ever missing.
        self._executor.submit(self._run_next)
        return await asyncio.wrap_future(pending.result)

    def _run_next(self) -> None:
        batch = self._take_batch()
        if batch:
            self._run_batch(batch)

    def _take_batch(self) -> list[_Pending[T, R]]:
        """Take those that have the key of the oldest."""
        with self._lock:
            queue = [one for one in self._queue if not one.result.cancelled()]
            keys = [self._key(one.item) for one in queue]
            batch = [one for one, key in zip(queue, keys, strict=True) if key == keys[0]]
            del batch[self._max_batch_size :]
            taken = set(batch)
            self._queue = [one for one in queue if one not in taken]
        return [one for one in batch if one.result.set_running_or_notify_cancel()]

    def _run_batch(self, batch: Sequence[_Pending[T, R]]) -> None:
        try:
            results = self._run([one.item for one in batch])
            pairs = list(zip(batch, results, strict=True))
        except Exception as error:
            # A model raises anything, and every caller must get a result or an error.
            if len(batch) == 1:
                batch[0].result.set_exception(error)
                return
            # One by one, so that only the item at fault fails.
            for one in batch:
                self._run_batch([one])
            return
        for one, result in pairs:
            one.result.set_result(result)
