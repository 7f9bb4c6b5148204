import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from predictor.requests.gathering import Gatherer


class Desk:
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


async def gather(desk, items, most=8, kind=lambda item: None):
    """Give all items, the first of them long before the others."""
    gatherer = Gatherer(desk.work, ThreadPoolExecutor(1), most, kind)
    tasks = [asyncio.ensure_future(gatherer.give(items[0]))]
    await asyncio.to_thread(desk.begun.wait, 5)
    tasks += [asyncio.ensure_future(gatherer.give(item)) for item in items[1:]]
    await asyncio.sleep(0)
    return tasks


def run(desk, items, **settings):
    async def give_all():
        tasks = await gather(desk, items, **settings)
        desk.open.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(give_all())


def test_what_comes_while_a_batch_is_worked_off_makes_the_next():
    desk = Desk()
    assert run(desk, [2, 4, 6, 8, 10], most=3) == [4, 8, 12, 16, 20]
    assert desk.batches == [[2], [4, 6, 8], [10]]


def test_only_one_kind_is_worked_off_at_a_time_and_the_oldest_comes_first():
    desk = Desk()
    assert run(desk, [2, 14, 4, 12, 6], kind=lambda item: item > 9) == [4, 28, 8, 24, 12]
    assert desk.batches == [[2], [14, 12], [4, 6]]


def test_one_that_fails_does_not_touch_the_others():
    desk = Desk()
    first, second, third, fourth = run(desk, [2, 4, 5, 6])
    assert (first, second, fourth) == (4, 8, 12)
    assert str(third) == "odd among [5]"
    assert desk.batches == [[2], [4, 5, 6], [4], [5], [6]]


def test_who_leaves_before_it_is_begun_is_dropped():
    desk = Desk()

    async def leave():
        tasks = await gather(desk, [2, 4, 6])
        tasks[1].cancel()
        tasks[0].cancel()  # too late: its work goes on, for nobody
        await asyncio.sleep(0)
        desk.open.set()
        for task in tasks[:2]:
            with pytest.raises(asyncio.CancelledError):
                await task
        return await tasks[2]

    assert asyncio.run(leave()) == 12
    assert desk.batches == [[2], [6]]


def test_tasks_of_several_event_loops_share_a_batch():
    desk = Desk()
    desk.open.set()
    gatherer = Gatherer(desk.work, ThreadPoolExecutor(1), 8)
    given = []

    def live(items):
        async def give_all():
            return await asyncio.gather(*map(gatherer.give, items))

        given.append(asyncio.run(give_all()) == [2 * item for item in items])

    threads = [threading.Thread(target=live, args=[range(n, n + 40, 2)]) for n in (0, 100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [True] * 3
    expected = [n for start in (0, 100, 200) for n in range(start, start + 40, 2)]
    assert sorted(sum(desk.batches, [])) == expected
