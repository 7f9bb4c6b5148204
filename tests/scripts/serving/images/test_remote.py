"""Addresses of images: what is fetched, and what never is, however it is written."""

import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from scripts.serving.errors import ApiError
from scripts.serving.images.remote import NotAllowed, RemoteImages, is_public, resolve_public

INSIDE = [
    "127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%1", "fc00::1", "fd00:ec2::254", "ff02::1",
    "::7f00:1", "::ffff:0:7f00:1", "64:ff9b:1::7f00:1", "fec0::1",
    "ff0e::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:808:808::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "192.0.0.8", "192.0.0.192", "168.63.129.16", "3fff::1",
    "::ffff:192.0.0.192", "64:ff9b::c000:c0",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_addresses_outside_are_public(address):
    assert is_public(address)


FORMS = ["localhost", "127.0.0.1", "127.1", "0177.0.0.1", "0x7f000001", "2130706433", "::1", "0"]


@pytest.mark.parametrize("host", FORMS)
def test_loopback_is_refused_in_every_form(host):
    # Of addresses the system's own reading counts, which knows all forms.
    with pytest.raises(NotAllowed):
        asyncio.run(resolve_public(host, 80))


def test_one_address_inside_among_others_is_enough(monkeypatch):
    async def resolve():
        loop = asyncio.get_running_loop()

        async def both(host, port, **_):
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("8.8.8.8", port)), (*kind, ("10.0.0.7", port))]

        monkeypatch.setattr(loop, "getaddrinfo", both)
        await resolve_public("mixed.example.org", 80)

    with pytest.raises(NotAllowed):
        asyncio.run(resolve())


class Elsewhere(BaseHTTPRequestHandler):
    """Images, redirects and worse."""

    def do_GET(self):
        self.server.seen.append((self.path, self.headers["host"], self.client_address[0]))
        name = self.path.rpartition("/")[2]
        if name.startswith("to-"):
            self.send_response(302)
            self.send_header("location", self.server.targets[name])
            self.end_headers()
            return
        self.send_response(404 if name == "gone" else 200)
        if name == "packed":
            self.send_header("content-encoding", "gzip")
        self.end_headers()
        if name == "endless":
            for _ in range(1000):
                self.wfile.write(b"x" * 1000)
            return
        self.wfile.write(b"content")

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture(scope="module")
def elsewhere():
    """A server of this machine that stands for one of the open internet."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere)
    server.seen = []
    port = server.server_port
    server.targets = {
        "to-image": "/image",
        "to-other": f"http://other.example.org:{port}/image",
        "to-inside": f"http://inside.example.org:{port}/image",
        "to-unlisted": f"http://127.0.0.1:{port}/image",
        "to-file": "file:///etc/passwd",
        "to-no-port": "http://any.example.net:99999/image",
        "to-brackets": ":http://]",
        "to-itself": "to-itself",
    }
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def fetch(elsewhere):
    elsewhere.seen.clear()
    asked = []

    async def resolve(host, port):
        asked.append(host)
        if host.startswith("inside"):
            raise NotAllowed("it leads to no public address")
        return ["127.0.0.1"]

    port = elsewhere.server_port
    hosts = [f"images.example.org:{port}", f"o*.example.org:{port}", f"inside.example.org:{port}"]
    hosts.append("any.example.net:*")
    remote = RemoteImages(hosts, 100_000, resolve)

    def get(path, host=f"images.example.org:{port}", scheme="http"):
        return asyncio.run(remote.fetch(f"{scheme}://{host}/{path}", "field"))

    get.asked = asked
    return get


def test_a_file_is_fetched_from_the_address_that_was_found(fetch, elsewhere):
    assert fetch("image") == b"content"
    port = elsewhere.server_port
    assert elsewhere.seen == [("/image", f"images.example.org:{port}", "127.0.0.1")]
    assert fetch.asked == ["images.example.org"]  # once


def test_redirects_are_followed_and_looked_at_again(fetch, elsewhere):
    assert fetch("to-image") == b"content"
    assert fetch("to-other") == b"content"
    assert fetch.asked == ["images.example.org"] * 3 + ["other.example.org"]
    for name, why in {
        "to-inside": "it leads to no public address",
        "to-unlisted": "its host is not allowed",
        "to-file": "only http and https are",
        "to-no-port": "there is no such port",
        "to-brackets": "could not be fetched",
        "to-itself": "more than 3 times",
    }.items():
        with pytest.raises(ApiError, match=why):
            fetch(name)
    assert not [host for _, host, _ in elsewhere.seen if host.startswith(("inside", "127"))]


@pytest.mark.parametrize(
    ("path", "why"),
    [("gone", "could not be"), ("packed", "comes packed"), ("endless", "more than 0.1 MB")],
)
def test_what_is_no_small_plain_file_is_refused(fetch, path, why):
    with pytest.raises(ApiError, match=why):
        fetch(path)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://images.example.org/a", "gopher://images.example.org/",
        "http://images.example.org/a", "http://user:word@images.example.org/a", "http://", "",
        "//images.example.org/a", "images.example.org/a", "http://images.example.org.evil.org/",
        "http://images.example.org:99999/", "http://[::1/", "http://images.example.org\\@evil.org/",
        "http://evil.org#images.example.org", "http://evil.org/images.example.org", "\ud800://",
        "http://\ud800/", "http://images.example.org%00.evil.org/", "x" * 100_000,
    ],
)  # fmt: skip
def test_other_addresses_are_not_asked(fetch, elsewhere, url):
    remote = RemoteImages([f"images.example.org:{elsewhere.server_port}"], 1000)
    with pytest.raises(ApiError, match=r"is not fetched|could not be fetched") as caught:
        asyncio.run(remote.fetch(url, "field"))
    assert caught.value.status_code == 400
    assert len(caught.value.detail) < 300
    assert not elsewhere.seen


def test_without_hosts_nothing_is_fetched():
    with pytest.raises(ApiError, match="images are not fetched here, send them as data:"):
        asyncio.run(RemoteImages([], 1000).fetch("http://8.8.8.8/x.png", "field"))


@pytest.mark.parametrize("port", [0, 65536, 99999, 2**31, 2**64, -1])
def test_a_port_that_cannot_be_is_refused(port):
    with pytest.raises(ApiError, match="there is no such port|could not be fetched") as caught:
        asyncio.run(RemoteImages(["*"], 1000).fetch(f"http://8.8.8.8:{port}/x.png", "field"))
    assert caught.value.status_code == 400


def test_an_address_in_brackets_is_allowed_as_it_is_written():
    async def resolve(host, port):
        raise NotAllowed(f"{host} was let through")

    remote = RemoteImages(["[2606:4700::1111]", "[2606:4700:1::1]:8080"], 1000, resolve)
    for host in ("[2606:4700::1111]", "[2606:4700:1::1]:8080"):
        with pytest.raises(ApiError, match="was let through"):
            asyncio.run(remote.fetch(f"http://{host}/x.png", "field"))
    for host in ("[2606:4700::1112]", "2", "[2606:4700::1111]:81"):
        with pytest.raises(ApiError, match="its host is not allowed"):
            asyncio.run(remote.fetch(f"http://{host}/x.png", "field"))


def test_an_allowed_host_inside_is_refused():
    with pytest.raises(ApiError, match="it leads to no public address"):
        asyncio.run(RemoteImages(["*"], 1000).fetch("http://2130706433:1/x.png", "field"))
