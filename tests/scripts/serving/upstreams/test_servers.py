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


def has_words(event):
    return bool(event["choices"] and event["choices"][0].get("logprobs"))


async def hear(upstreams, body, note=lambda: None, is_said=lambda: False):
    async def read(events):
        words = []
        async for event in events:
            if has_words(event):
                words.append(event)
                note()
        return words

    return await upstreams.ask(body, read, is_said)


def run(urls, work, seconds=10):
    async def inside():
        upstreams = Upstreams(urls, None, seconds)
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


def test_one_that_dies_after_its_words_were_sent_on_is_told(steady, start_upstream):
    with start_upstream(piece_seconds=0.2) as slow:

        async def work(upstreams):
            upstreams.servers[1].asked = 1  # so that the slow one is taken
            with pytest.raises(ApiError, match="broke off") as caught:
                await hear(upstreams, write_body(), slow.kill, lambda: True)
            assert caught.value.status_code == 502
            assert [one.up for one in upstreams.servers] == [False, True]
            assert len(await hear(upstreams, write_body())) == 5

        run([slow.url, steady.url], work)


def test_one_that_dies_before_its_words_were_sent_on_is_replaced(steady, start_upstream):
    with start_upstream(piece_seconds=0.2) as slow:

        async def work(upstreams):
            upstreams.servers[1].asked = 1
            assert len(await hear(upstreams, write_body(), slow.kill)) == 5
            assert [one.up for one in upstreams.servers] == [False, True]

        run([slow.url, steady.url], work)


def test_one_that_hangs_is_replaced(steady, start_upstream):
    with start_upstream(piece_seconds=30) as stuck:

        async def work(upstreams):
            upstreams.servers[1].asked = 1
            assert len(await hear(upstreams, write_body())) == 5

        run([stuck.url, steady.url], work, seconds=0.5)


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
