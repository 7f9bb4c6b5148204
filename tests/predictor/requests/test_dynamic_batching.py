import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from predictor.requests.dynamic_batching import DynamicBatcher


class Doubler:
    """Doubles numbers once the door is open; notes its batches, and breaks on whatever is odd."""

    def __init__(self):
        self.batches = []
        self.open = threading.Event()
        self.begun = threading.Event()

    def work(self, items):
        self.begun.set()
        assert self.open.wait(5)
        self.batches.append(list(items))
        if any(item % 2 for item in items):
            raise ValueError(f"odd among {items}")
        return [2 * item for item in items]


async def gather(doubler, items, most=8, key=lambda item: None):
    """Submit all items, the first of them long before the others."""
    batcher = DynamicBatcher(doubler.work, ThreadPoolExecutor(1), most, key)
    tasks = [asyncio.ensure_future(batcher.submit(items[0]))]
    await asyncio.to_thread(doubler.begun.wait, 5)
    tasks += [asyncio.ensure_future(batcher.submit(item)) for item in items[1:]]
    await asyncio.sleep(0)
    return tasks


def run(doubler, items, **settings):
    async def submit_all():
        tasks = await gather(doubler, items, **settings)
        doubler.open.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(submit_all())


def test_what_comes_while_a_batch_runs_makes_the_next():
    doubler = Doubler()
    assert run(doubler, [2, 4, 6, 8, 10], most=3) == [4, 8, 12, 16, 20]
    assert doubler.batches == [[2], [4, 6, 8], [10]]


def test_a_batch_has_one_key_and_the_oldest_comes_first():
    doubler = Doubler()
    assert run(doubler, [2, 14, 4, 12, 6], key=lambda item: item > 9) == [4, 28, 8, 24, 12]
    assert doubler.batches == [[2], [14, 12], [4, 6]]


def test_one_that_fails_does_not_touch_the_others():
    doubler = Doubler()
    first, second, third, fourth = run(doubler, [2, 4, 5, 6])
    assert (first, second, fourth) == (4, 8, 12)
    assert str(third) == "odd among [5]"
    assert doubler.batches == [[2], [4, 5, 6], [4], [5], [6]]


def test_what_is_cancelled_before_it_is_begun_is_dropped():
    doubler = Doubler()

    async def cancel():
        tasks = await gather(doubler, [2, 4, 6])
        tasks[1].cancel()
        tasks[0].cancel()  # too late: its work goes on, for nobody
        await asyncio.sleep(0)
        doubler.open.set()
        for task in tasks[:2]:
            with pytest.raises(asyncio.CancelledError):
                await task
        return await tasks[2]

    assert asyncio.run(cancel()) == 12
    assert doubler.batches == [[2], [6]]


def test_tasks_of_several_event_loops_share_a_batch():
    doubler = Doubler()
    doubler.open.set()
    batcher = DynamicBatcher(doubler.work, ThreadPoolExecutor(1), 8)
    given = []

    def live(items):
        async def submit_all():
            return await asyncio.gather(*map(batcher.submit, items))

        given.append(asyncio.run(submit_all()) == [2 * item for item in items])

    threads = [threading.Thread(target=live, args=[range(n, n + 40, 2)]) for n in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [True] * 3
    expected = [n for start in (0, 100, 200) for n in range(start, start + 40, 2)]
    assert sorted(sum(doubler.batches, [])) == expected
