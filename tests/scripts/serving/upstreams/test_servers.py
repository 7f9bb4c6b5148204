"""Servers behind the gateway as processes of their own, some of which are killed."""

import asyncio
import base64
import io
import json
import threading
from contextlib import ExitStack

import numpy as np
import pytest

from scripts.serving.errors import ApiError
from scripts.serving.upstreams.servers import Upstreams


def write_body(text="what colour is it ?", images=1, **changes):
    file = io.BytesIO()
    np.save(file, np.zeros((9, 192), np.float32))
    part = {"type": "image_embeds", "image_embeds": base64.b64encode(file.getvalue()).decode()}
    said = {"type": "text", "text": "<image>\n" * images + text}
    body = {
        "messages": [{"role": "user", "content": [part] * images + [said]}],
        "max_tokens": 16,
        "stream": True,
        "logprobs": True,
        "return_tokens_as_token_ids": True,
    }
    return json.dumps({**body, **changes}).encode()


async def hear(upstreams, body):
    events = [event async for event in upstreams.stream(body)]
    return [event for event in events if event["choices"] and event["choices"][0].get("logprobs")]


def run(urls, work):
    async def inside():
        upstreams = Upstreams(urls, None, 10)
        async with upstreams.watched():
            return await work(upstreams)

    return asyncio.run(inside())


@pytest.fixture(scope="module")
def steady(start_upstream):
    with start_upstream() as process:
        yield process


DEAD = "http://127.0.0.1:9"


def test_another_one_answers_where_one_is_dead(steady):
    async def work(upstreams):
        assert [one.up for one in upstreams.servers] == [False, True]
        upstreams.servers[0].up = True  # as if it had died a moment ago
        assert len(await hear(upstreams, write_body())) == 5
        assert [one.up for one in upstreams.servers] == [False, True]
        assert [one.asked for one in upstreams.servers] == [0, 0]

    run([DEAD, steady.url], work)


def test_without_any_there_is_no_answer():
    async def work(upstreams):
        assert upstreams.find_lack() == "no upstream is up"
        with pytest.raises(ApiError, match="no upstream answers") as caught:
            await hear(upstreams, write_body())
        assert (caught.value.status_code, caught.value.headers) == (503, {"retry-after": "2"})

    run([DEAD], work)


def test_a_refusal_is_not_tried_again(steady):
    async def work(upstreams):
        with pytest.raises(ApiError, match="the upstream refused the request") as caught:
            await hear(upstreams, write_body(logprobs=False))
        assert caught.value.status_code == 502
        assert upstreams.find_lack() is None

    run([steady.url, steady.url], work)


def test_one_that_dies_in_the_middle_is_told(steady, start_upstream):
    with start_upstream(piece_seconds=0.2) as slow:

        async def work(upstreams):
            upstreams.servers[1].asked = 1  # so that the slow one is taken
            with pytest.raises(ApiError, match="broke off") as caught:
                async for event in upstreams.stream(write_body()):
                    if event["choices"][0].get("logprobs"):
                        slow.kill()
            assert caught.value.status_code == 502
            assert [one.up for one in upstreams.servers] == [False, True]
            assert len(await hear(upstreams, write_body())) == 5

        run([slow.url, steady.url], work)


def test_one_that_dies_before_the_first_word_is_replaced(steady, start_upstream):
    with start_upstream(piece_seconds=30) as stuck:

        async def work(upstreams):
            upstreams.servers[1].asked = 1
            timer = threading.Timer(0.2, stuck.kill)
            timer.start()
            assert len(await hear(upstreams, write_body())) == 5
            timer.join()

        run([stuck.url, steady.url], work)


def test_the_least_busy_is_asked(start_upstream):
    with ExitStack() as stack:
        urls = [stack.enter_context(start_upstream(0.05)).url for _ in range(2)]

        async def work(upstreams):
            asked = [asyncio.ensure_future(hear(upstreams, write_body())) for _ in range(6)]
            await asyncio.sleep(0.1)
            assert [one.asked for one in upstreams.servers] == [3, 3]
            assert [len(one) for one in await asyncio.gather(*asked)] == [5] * 6

        run(urls, work)
