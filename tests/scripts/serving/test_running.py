"""Connections that hold back what they should send, and a server that ends, on real sockets."""

import asyncio
import json
import socket
import threading
import time
from contextlib import ExitStack

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from scripts.serving import running

SECONDS = 0.3
HEAD = b"GET / HTTP/1.1\r\nhost: x\r\n"


async def answer_late(_):
    await asyncio.sleep(2 * SECONDS)
    return PlainTextResponse("late")


def test_what_was_accepted_is_answered_when_the_server_ends(
    serving_fake, write_body, post, wait_until
):
    got = []
    with serving_fake() as running:
        body = write_body("one wait")
        threads = [
            threading.Thread(target=lambda: got.append(post(running, body))) for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(running.model.asked) == 3)
        running.server.should_exit = True
        time.sleep(0.3)
        with pytest.raises(httpx2.ConnectError):
            post(running, body)
        running.model.go.set()
        for thread in threads:
            thread.join()
    assert [one.json()["choices"][0]["message"]["content"] for one in got] == ["one wait"] * 3


def test_what_takes_longer_than_the_grace_is_told_so(serving_fake, write_body, post, wait_until):
    got = []
    with serving_fake(grace_seconds=1) as running:
        body = write_body("wait")
        thread = threading.Thread(target=lambda: got.append(post(running, body)))
        thread.start()
        wait_until(lambda: len(running.model.asked) == 1)
        running.server.should_exit = True
        thread.join()
    assert got[0].status_code == 503
    assert got[0].json()["error"]["code"] == "server_ending"
    assert running.model.ended == 1


def post_unread(running, body):
    """Post a request, and read nothing of what comes; a connection."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", running.port))
    content = json.dumps(body).encode()
    head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    connection.sendall(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
    return connection


def test_who_does_not_read_its_answer_makes_room(
    serving_fake, write_body, post, wait_until, monkeypatch
):
    monkeypatch.setattr(running, "SEND_SECONDS", SECONDS)
    with serving_fake(max_seconds=60) as served, ExitStack() as unread:
        endless = write_body("a " * 40_000, stream=True)  # some 8 MB, more than the system keeps
        limit = served.limiter.limit
        for _ in range(limit):
            unread.enter_context(post_unread(served, endless))
        wait_until(lambda: len(served.model.asked) == limit)
        wait_until(lambda: served.limiter.active == 0, 20)
        assert (served.model.ended, served.model.answered) == (limit, 0)
        told = httpx2.get(f"{served.address}/metrics").text
        assert f'm3scale_responses_total{{status="499"}} {limit}.0' in told
        assert post(served, write_body("one")).status_code == 200


def test_who_reads_late_has_the_whole_answer(serving_fake, write_body, monkeypatch):
    monkeypatch.setattr(running, "SEND_SECONDS", 5)
    with serving_fake(max_seconds=60) as served:
        with post_unread(served, write_body("a " * 40_000, stream=True)) as connection:
            time.sleep(SECONDS)
            got = b""
            while not got.endswith(b"0\r\n\r\n"):
                piece = connection.recv(2**20)
                assert piece
                got = got[-10:] + piece
            time.sleep(0.1)
        assert served.model.answered == 1


@pytest.fixture(scope="module")
def port(serving):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "HEAD_SECONDS", SECONDS)
        with serving(Starlette(routes=[Route("/", answer_late)])) as served:
            yield served.port


@pytest.fixture
def connection(port):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connected:
        yield connected


def drip(connection):
    """Send a header a byte at a time until the server has enough of it."""
    with pytest.raises(ConnectionError):
        while True:
            connection.sendall(b"a")
            time.sleep(0.02)


def wait_for_answer(connection):
    """Read an answer, whose head and body may come apart."""
    got = b""
    while not got.endswith(b"late"):
        piece = connection.recv(1000)
        assert piece, got
        got += piece


def wait_for_end(connection):
    start = time.monotonic()
    try:
        assert connection.recv(1000) == b""
    except ConnectionResetError:
        pass
    return time.monotonic() - start


def test_a_connection_without_a_request_is_closed(connection):
    assert SECONDS / 2 < wait_for_end(connection) < 10 * SECONDS


def test_a_head_that_does_not_end_is_given_up_whatever_drips(connection):
    connection.sendall(HEAD)
    start = time.monotonic()
    drip(connection)
    assert SECONDS / 2 < time.monotonic() - start < 10 * SECONDS


def test_an_answer_may_take_longer_than_the_head_of_its_request(connection):
    connection.sendall(HEAD + b"\r\n")
    wait_for_answer(connection)


def test_the_next_head_on_a_connection_has_the_same_time(connection):
    connection.sendall(HEAD + b"\r\n")
    wait_for_answer(connection)
    time.sleep(2 * SECONDS)  # nothing asked yet: uvicorn's own time for that is longer
    connection.sendall(HEAD + b"\r\n")
    wait_for_answer(connection)
    connection.sendall(HEAD)
    drip(connection)


def test_others_are_answered_meanwhile(port):
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(50)]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as other:
            other.sendall(HEAD + b"\r\n")
            wait_for_answer(other)
        assert all(wait_for_end(one) < 10 * SECONDS for one in slow)
    finally:
        for one in slow:
            one.close()
