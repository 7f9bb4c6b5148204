"""What a request meets before it is read, asked over real sockets."""

import asyncio
import socket

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from scripts.serving.concurrency import ConcurrencyLimiter
from scripts.serving.errors import add_error_handlers
from scripts.serving.middleware import CHAT_PATH, LimitsMiddleware

TOKEN = "secret-word"
ALLOWED = {"authorization": f"Bearer {TOKEN}"}


async def count_bytes(request: Request):
    body = await request.body()
    return StreamingResponse(talk()) if body == b"talk" else PlainTextResponse(str(len(body)))


async def talk():
    while True:
        yield "x"
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def served(serving):
    limiter, statuses = ConcurrencyLimiter(2), []
    routes = [Route(path, count_bytes, methods=["GET", "POST"]) for path in (CHAT_PATH, "/healthz")]
    app = Starlette(routes=routes)
    add_error_handlers(app)
    app.add_middleware(
        LimitsMiddleware,
        limiter=limiter,
        max_bytes=1000,
        count=statuses.append,
        token=TOKEN,
        # Long enough for a busy machine to open two more connections meanwhile.
        body_seconds=2.0,
    )
    with serving(app) as running:
        running.limiter, running.statuses = limiter, statuses
        yield running


def post(served, content, **headers):
    return httpx2.post(
        f"{served.address}{CHAT_PATH}", content=content, headers={**ALLOWED, **headers}
    )


def in_pieces(size):
    for _ in range(size // 100):
        yield b"x" * 100


def test_a_body_within_the_limit_comes_through(served):
    assert post(served, b"x" * 1000).text == "1000"
    assert post(served, in_pieces(1000)).text == "1000"


@pytest.mark.parametrize("content", [b"x" * 1001, in_pieces(1100)], ids=["named", "in pieces"])
def test_a_larger_body_is_refused(served, content):
    refused = post(served, content)
    assert refused.status_code == 413
    assert refused.json()["error"]["message"] == "the body may have 0.001 MB at most"


@pytest.mark.parametrize(
    "header",
    [None, "", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer \u00e9", "Bearer"],
)
def test_the_token_is_asked_for(served, header):
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    refused = httpx2.get(f"{served.address}{CHAT_PATH}", headers=headers)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["error"]["code"] == "invalid_api_key"
    assert TOKEN not in refused.text


def test_a_token_is_taken_whatever_the_case_of_its_scheme(served):
    headers = {"authorization": f"bearer {TOKEN}"}
    assert httpx2.get(f"{served.address}{CHAT_PATH}", headers=headers).text == "0"


def test_health_needs_no_token_but_has_the_same_bounds(served):
    assert httpx2.get(f"{served.address}/healthz").text == "0"
    assert httpx2.post(f"{served.address}/healthz", content=b"x" * 1001).status_code == 413


def begin_post(served, content):
    """Send a part of a request, and leave the connection open."""
    head = f"POST {CHAT_PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {TOKEN}\r\n"
    connection = socket.create_connection(("127.0.0.1", served.port))
    connection.sendall(f"{head}content-length: 10\r\n\r\n{content}".encode())
    return connection


def test_a_body_that_does_not_come_is_waited_for_no_more(served, wait_until):
    with begin_post(served, "half") as slow:
        assert b"408" in slow.recv(1000)
    wait_until(lambda: served.limiter.active == 0)


def test_who_comes_beyond_the_limit_is_told_so_and_who_leaves_makes_room(served, wait_until):
    with begin_post(served, ""), begin_post(served, ""):
        wait_until(lambda: served.limiter.active == 2)
        refused = post(served, b"x")
        assert refused.status_code == 429
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        # Looking on is not counted.
        assert httpx2.get(f"{served.address}{CHAT_PATH}", headers=ALLOWED).status_code == 200
    wait_until(lambda: served.limiter.active == 0)
    assert post(served, b"x").text == "1"


def test_every_chat_request_is_counted_and_no_other(served, wait_until):
    served.statuses.clear()
    post(served, b"x")
    post(served, b"x" * 2000)
    httpx2.post(f"{served.address}{CHAT_PATH}")
    httpx2.post(f"{served.address}/healthz")
    # Counted once the response is sent, which a client may have read by then.
    wait_until(lambda: len(served.statuses) == 3)
    assert sorted(served.statuses) == [200, 401, 413]


def test_a_stream_that_its_client_leaves_is_counted_as_left(served, wait_until):
    served.statuses.clear()
    url = f"{served.address}{CHAT_PATH}"
    with httpx2.stream("POST", url, content=b"talk", headers=ALLOWED) as response:
        assert next(response.iter_raw())
    wait_until(lambda: served.statuses)
    assert served.statuses == [499]


def test_a_client_that_leaves_before_its_body_is_whole_is_counted_as_left(served, wait_until):
    served.statuses.clear()
    with begin_post(served, "half"):
        wait_until(lambda: served.limiter.active == 1)
    wait_until(lambda: served.statuses)
    assert served.statuses == [499]
