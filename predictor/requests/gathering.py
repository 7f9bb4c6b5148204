"""What many tasks of event loops ask at once, gathered into batches that one thread works off.

Nobody waits for a batch to fill: it is whatever came while the one before was worked off.
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
class _Place(Generic[T, R]):
    item: T
    result: "Future[R]" = field(default_factory=Future)


class Gatherer(Generic[T, R]):
    """Gathers items of one kind at a time."""

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R]],
        worker: Executor,
        most: int,
        kind: Callable[[T], Hashable] = lambda _: None,
    ) -> None:
        """Begin with nobody waiting.

        Args:
            work: gives one result an item.
            worker: does the work in one thread; several gatherers may share it in turns.
            most: most items of a batch.
            kind: items of one kind may be worked off together.
        """
        self._work = work
        self._worker = worker
        self._most = most
        self._kind = kind
        self._waiting: list[_Place[T, R]] = []
        self._lock = threading.Lock()

    async def give(self, item: T) -> R:
        """Wait for the result of an item.

        Who is cancelled before the work on it begins takes it back. What the work raises is raised
        here, unless the others of the batch are to blame.
        """
        place: _Place[T, R] = _Place(item)
        with self._lock:
            self._waiting.append(place)
        # One job an item: some find nothing left to do, none is ever missing.
        self._worker.submit(self._work_off)
        return await asyncio.wrap_future(place.result)

    def _work_off(self) -> None:
        batch = self._take_batch()
        if batch:
            self._answer(batch)

    def _take_batch(self) -> list[_Place[T, R]]:
        """Take those of the kind of whoever waits longest."""
        with self._lock:
            waiting = [place for place in self._waiting if not place.result.cancelled()]
            kinds = [self._kind(place.item) for place in waiting]
            batch = [one for one, kind in zip(waiting, kinds, strict=True) if kind == kinds[0]]
            del batch[self._most :]
            taken = set(batch)
            self._waiting = [place for place in waiting if place not in taken]
        return [place for place in batch if place.result.set_running_or_notify_cancel()]

    def _answer(self, batch: Sequence[_Place[T, R]]) -> None:
        try:
            results = self._work([place.item for place in batch])
            answered = list(zip(batch, results, strict=True))
        except Exception as error:
            # A model raises anything, and whoever waits must be told.
            if len(batch) == 1:
                batch[0].result.set_exception(error)
                return
            # One of them is to blame; the others get their answers.
            for place in batch:
                self._answer([place])
            return
        for place, result in answered:
            place.result.set_result(result)
