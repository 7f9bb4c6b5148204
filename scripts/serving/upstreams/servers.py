"""vLLM servers behind the gateway: which are up, and another one where one dies."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import httpx2

from scripts.serving.errors import ApiError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Read: TypeAlias = Callable[[AsyncIterator[Any]], Awaitable[T]]
"""Makes something of the events of an answer."""

CHECK_SECONDS = 2.0
CONNECT_SECONDS = 5.0


class Unanswered(Exception):
    """An upstream gave nothing: another one may."""


@dataclass
class Upstream:
    """One server.

    Attributes:
        url: its address, without /v1.
        up: whether it was well when it was asked last.
        asked: requests that it has at the moment.
    """

    url: str
    up: bool = False
    asked: int = 0


class Upstreams:
    """Several servers of one model."""

    def __init__(self, urls: Sequence[str], token: str | None, seconds: float) -> None:
        """Name the servers; nothing is asked yet.

        Args:
            urls: their addresses, without /v1.
            token: what they want to see as Authorization: Bearer.
            seconds: longest time in which one may say nothing before another is asked.
        """
        self.servers = [Upstream(url.rstrip("/")) for url in urls]
        headers = {"content-type": "application/json"}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        timeout = httpx2.Timeout(seconds, connect=CONNECT_SECONDS)
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
        self._client = httpx2.AsyncClient(
            headers=headers, timeout=timeout, limits=limits, trust_env=False
        )

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look after the servers for the time of the block.

        Yields:
            Nothing.
        """
        await self._check_all()
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await self._client.aclose()

    def find_lack(self) -> str | None:
        """Say what is missing that an answer needs; None if one server is up."""
        return None if any(one.up for one in self.servers) else "no upstream is up"

    async def ask(self, body: bytes, read: Read[T], is_said: Callable[[], bool]) -> T:
        """Ask one of the servers, the least busy first; another one if it does not answer.

        Args:
            body: a chat request for a stream, in JSON.
            read: reads the events of an answer; with each server it begins anew.
            is_said: whether a part of the answer was sent on, so that no other can take its place.

        Returns:
            What was read.

        Raises:
            ApiError: if none answers, or one breaks off.
        """
        for server in sorted(self.servers, key=lambda one: (not one.up, one.asked)):
            server.asked += 1
            try:
                async with aclosing(self._listen(server, body)) as events:
                    return await read(events)
            except Unanswered as error:
                server.up = False
                logger.warning("%s did not answer: %s", server.url, error)
                if is_said():
                    broke = "the upstream broke off; ask again"
                    raise ApiError(502, broke, "upstream_broke_off") from error
            finally:
                server.asked -= 1
        raise ApiError(503, "no upstream answers; try again", "no_upstream", headers=_SOON)

    async def _listen(self, server: Upstream, body: bytes) -> AsyncGenerator[Any, None]:
        url = f"{server.url}/v1/chat/completions"
        try:
            async with self._client.stream("POST", url, content=body) as response:
                if response.status_code != 200:
                    await _refuse(response)
                server.up = True
                async for line in response.aiter_lines():
                    if line == "data: [DONE]":
                        return
                    if line.startswith("data: "):
                        yield _read_event(line)
        except httpx2.HTTPError as error:
            raise Unanswered(f"{type(error).__name__}: {error}") from error
        raise Unanswered("the answer has no end")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_SECONDS)
            await self._check_all()

    async def _check_all(self) -> None:
        await asyncio.gather(*map(self._check, self.servers))

    async def _check(self, server: Upstream) -> None:
        try:
            answer = await self._client.get(f"{server.url}/health", timeout=CONNECT_SECONDS)
            up = answer.status_code == 200
        except httpx2.HTTPError:
            up = False
        if up != server.up:
            logger.warning("%s is %s", server.url, "up" if up else "down")
        server.up = up


_SOON = {"retry-after": "2"}


async def _refuse(response: httpx2.Response) -> None:
    said = (await response.aread())[:500].decode(errors="replace")
    if response.status_code == 429 or response.status_code >= 500:
        raise Unanswered(f"HTTP {response.status_code} {said}")
    # Checked here first, so this is about how the upstream was started, not about the request.
    logger.error("an upstream refused: HTTP %d %s", response.status_code, said)
    raise ApiError(502, "the upstream refused the request", "upstream_refused")


def _read_event(line: str) -> Any:
    try:
        event = json.loads(line[len("data: ") :])
    except ValueError as error:
        raise Unanswered(f"an event is no JSON: {line[:80]}") from error
    if not isinstance(event, dict) or "error" in event:
        raise Unanswered(f"an event is an error: {line[:200]}")
    return event
