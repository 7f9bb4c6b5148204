"""What a browser is refused, told by the headers that it sends."""

from contextlib import ExitStack
from functools import cache, partial

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from scripts.serving.hosts import HostMiddleware

OWN = ("localhost", "127.0.0.1", "[::1]")


async def greet(_):
    return PlainTextResponse("hello")


@pytest.fixture(scope="module")
def serve(serving):
    """A function that serves with some names, and asks with some headers."""
    with ExitStack() as stack:

        @cache
        def start(own, allowed):
            app = Starlette(routes=[Route("/", greet, methods=["GET", "POST"])])
            app.add_middleware(HostMiddleware, own=own, allowed=allowed)
            return stack.enter_context(serving(app))

        yield partial(ask, start)


def ask(start, own, allowed, method="GET", **headers):
    running = start(own, allowed)
    headers = {name: one.format(port=running.port) for name, one in headers.items()}
    answer = httpx2.request(method, running.address, headers=headers)
    if answer.status_code == 200:
        return "hello"
    assert answer.status_code == 403
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "host_not_allowed")
    assert "\n" not in error["message"]
    return error["message"]


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:{port}", "127.0.0.1:80", "[::1]", "[::1]:{port}", "LocalHost:1"],
)
def test_the_servers_own_names_are_taken_at_any_port(serve, host):
    assert serve(OWN, (), host=host) == "hello"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "localhost.evil", "::1", ""],
)
def test_another_name_is_refused_and_told(serve, host):
    told = serve(OWN, (), host=host)
    assert told.startswith("the server has another name than '")
    assert told.endswith("'; see --allowed-host")


def test_names_that_are_allowed_are_taken(serve):
    allowed = ("chat.example.org", "*.Example.net")
    assert serve(OWN, allowed, host="chat.example.org:443") == "hello"
    assert serve(OWN, allowed, host="a.example.net") == "hello"
    assert "another name" in serve(OWN, allowed, host="example.org")


def test_the_brackets_of_an_address_are_no_set_of_letters(serve):
    allowed = ("[fd00::5]", "[fd00:1::*]")
    for host in ("[fd00::5]", "[FD00::5]:443", "[fd00:1::7]:{port}"):
        assert serve(OWN, allowed, host=host) == "hello"
    for host in ("5", "f", ":", "[fd00::6]", "fd00::5"):
        assert "another name" in serve(OWN, allowed, host=host)
    assert serve(OWN, allowed, "POST", origin="https://[fd00::5]:8443") == "hello"


def test_without_any_names_all_are_taken(serve):
    assert serve((), (), host="evil.example") == "hello"


@pytest.mark.parametrize("own", [OWN, ()], ids=["own names", "any name"])
def test_only_pages_of_the_same_host_may_post(serve, own):
    here = "http://127.0.0.1:{port}"
    assert serve(own, (), "POST") == "hello"
    assert serve(own, (), "POST", origin=here) == "hello"
    for origin in ("https://evil.example", "http://127.0.0.1:1", "http://localhost", "null", ""):
        told = serve(own, (), "POST", origin=origin)
        assert told == f"pages of '{origin}' may not ask this server; see --allowed-host"
    # What a page of another site may not read in any case.
    assert serve(own, (), origin="https://evil.example") == "hello"


def test_pages_of_a_name_that_is_allowed_may_post_through_a_proxy_that_hides_it(serve):
    allowed = ("chat.example.org",)
    for origin in ("https://chat.example.org", "https://chat.example.org:8443"):
        assert serve(OWN, allowed, "POST", origin=origin) == "hello"
    assert "may not ask" in serve(OWN, allowed, "POST", origin="https://example.org")
