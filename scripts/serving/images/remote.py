"""Images at an address that a request names: only from hosts that are allowed, never from inside.

A name is resolved once, every address it has must be a public one, and the connection goes to one
of those very addresses: what the name means a moment later changes nothing. Redirects are looked
at in the same way.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeAlias

import anyio
import httpx2

from scripts.serving.errors import ApiError
from scripts.serving.hosts import matches_host

MAX_REDIRECTS = 3
SECONDS = 10.0
"""For all of it, redirects included."""

NAT64 = ip_network("64:ff9b::/96")
"""IPv6 addresses whose end is an IPv4 address that a gateway connects to."""

SPECIAL = [ip_network(one) for one in ("192.0.0.0/24", "168.63.129.16/32", "3fff::/20")]
"""What leads to no machine of the open internet, though Python says so, or said so once: protocols'
own addresses, where clouds tell machines their secrets, and examples."""

UNICAST = ip_network("2000::/3")
"""All IPv6 addresses that are given out for the open internet; others reach it by gateways."""

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Finds the addresses of a host and a port, all of them public."""


class NotAllowed(ValueError):
    """An address that nothing is fetched from."""


def is_public(address: str) -> bool:
    """Tell whether an address belongs to the open internet, and to one machine there.

    >>> [is_public(one) for one in ("8.8.8.8", "10.0.0.1", "::ffff:127.0.0.1", "fe80::1%eth0")]
    [True, False, False, False]
    """
    one: IPv4Address | IPv6Address = ip_address(address)
    if isinstance(one, IPv6Address):
        if one.sixtofour is not None or one.teredo is not None or one.scope_id is not None:
            return False
        if one in NAT64:
            one = IPv4Address(int(one) & 0xFFFFFFFF)
        elif one.ipv4_mapped is not None:
            one = one.ipv4_mapped
        elif one not in UNICAST:
            return False
    special = any(one in network for network in SPECIAL)
    return one.is_global and not one.is_multicast and not special


async def resolve_public(host: str, port: int) -> list[str]:
    """Look a name up, or read an address in any of its forms.

    Args:
        host: a name or an address; 127.1, 0x7f000001 and 2130706433 are addresses as well.
        port: the port.

    Returns:
        The addresses.

    Raises:
        NotAllowed: if one of them is not public.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(map(is_public, addresses)):
        raise NotAllowed("it leads to no public address")
    return addresses


class RemoteImages:
    """Fetches images from the hosts that are allowed."""

    def __init__(
        self, hosts: Sequence[str], max_bytes: int, resolve: Resolve = resolve_public
    ) -> None:
        """Set what may be fetched.

        Args:
            hosts: names, or shell patterns of names such as `*.example.org`; a port other than
                that of http or https has to be named, as in `images.example.org:8080`.
            max_bytes: largest file.
            resolve: finds the addresses of a host, and refuses those that are not public.
        """
        self._hosts = [host.lower() for host in hosts]
        self._max_bytes = max_bytes
        self._resolve = resolve
        # Reading the system's certificates takes a while, and is no business of single requests.
        self._trusted = httpx2.create_ssl_context(trust_env=False) if hosts else None

    async def fetch(self, url: str, name: str) -> bytes:
        """Fetch a file.

        Args:
            url: its address.
            name: the field of the request, for an error.

        Raises:
            ApiError: if it may not be fetched, or cannot.
        """
        if not self._hosts:
            why = "images are not fetched here, send them as data:image/...;base64,..."
            raise ApiError(400, f"{name}: {why}", "invalid_image_url", name)
        try:
            with anyio.fail_after(SECONDS):
                return await self._follow(url)
        except NotAllowed as error:
            why = f"{url[:80]!r} is not fetched: {error}"
        # What was found inside says nothing to a client that it may not know.
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError):
            why = f"{url[:80]!r} could not be fetched"
        raise ApiError(400, f"{name}: {why}", "invalid_image_url", name)

    async def _follow(self, url: str) -> bytes:
        place = httpx2.URL(url)
        for _ in range(MAX_REDIRECTS + 1):
            self._check(place)
            found = await self._get(place)
            if isinstance(found, bytes):
                return found
            place = place.join(found)
        raise NotAllowed(f"it is redirected more than {MAX_REDIRECTS} times")

    def _check(self, place: httpx2.URL) -> None:
        if place.scheme not in ("http", "https"):
            raise NotAllowed("only http and https are")
        if place.userinfo:
            raise NotAllowed("it holds a password")
        # In ASCII; a port that goes without saying is left out.
        host = place.netloc.decode("ascii").lower()
        if not any(matches_host(host, pattern) for pattern in self._hosts):
            raise NotAllowed("its host is not allowed")
        if place.port is not None and not 1 <= place.port <= 65535:
            raise NotAllowed("there is no such port")

    async def _get(self, place: httpx2.URL) -> bytes | str:
        """Ask once; give the content, or where to look instead."""
        host = place.raw_host.decode("ascii")
        port = place.port or (443 if place.scheme == "https" else 80)
        [address, *_] = await self._resolve(host, port)
        # Host and certificate are those of the name; no settings of this machine's user count.
        trusted = self._trusted or True
        client = httpx2.AsyncClient(verify=trusted, trust_env=False, timeout=SECONDS)
        request = client.build_request(
            "GET",
            place.copy_with(host=address),
            headers={"host": place.netloc.decode("ascii"), "accept-encoding": "identity"},
            extensions={"sni_hostname": host},
        )
        async with client:
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                if response.has_redirect_location:
                    return response.headers["location"]
                return await self._read(response)
            finally:
                await response.aclose()

    async def _read(self, response: httpx2.Response) -> bytes:
        response.raise_for_status()
        if "content-encoding" in response.headers:
            raise NotAllowed("it comes packed")  # what it unpacks to has no bound
        content = bytearray()
        async for piece in response.aiter_raw():
            content += piece
            if len(content) > self._max_bytes:
                raise NotAllowed(f"it has more than {self._max_bytes / 1e6:g} MB")
        return bytes(content)
