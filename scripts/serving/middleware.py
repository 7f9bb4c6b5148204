"""What every request meets before anything of it is read: token, number, size and time."""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scripts.serving.concurrency import ConcurrencyLimiter
from scripts.serving.errors import CLIENT_CLOSED, ApiError

logger = logging.getLogger(__name__)

PUBLIC_PATHS = ("/healthz", "/readyz", "/", "/page/index.html", "/page/page.js", "/page/style.css")
"""Paths that need no token: for whoever watches the process, and the page, which asks for none."""

CHAT_PATH = "/v1/chat/completions"

BODY_SECONDS = 30.0
"""Longest time for a body to arrive; the request counts as active meanwhile."""


class LimitsMiddleware:
    """Checks token and size of each request, and how many chat requests there are at once."""

    def __init__(
        self,
        app: ASGIApp,
        limiter: ConcurrencyLimiter,
        max_bytes: int,
        count: Callable[[int], None],
        token: str | None = None,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        """Stand in front of an application.

        Args:
            app: the application.
            limiter: counts a chat request as active from its head to the end of its answer.
            max_bytes: largest body.
            count: is told the status that each chat request ends with; of a stream that with which
                it began, unless its client left.
            token: what clients must send; None if anybody may ask.
            body_seconds: longest time for a body to arrive.
        """
        self.app = app
        self._limiter = limiter
        self._max_bytes = max_bytes
        self._count = count
        self._token = token
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status, ended = 0, False

        async def recording(message: Message) -> None:
            nonlocal status, ended
            status = message.get("status", status)
            ended = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        try:
            await self._handle(scope, receive, recording)
        except (Exception, asyncio.CancelledError) as error:
            explained = _explain(error)
            if status:
                status, ended = explained.status_code, True
            else:
                await explained.response()(scope, receive, recording)
        finally:
            if scope["method"] == "POST" and scope["path"] == CHAT_PATH:
                self._count(status if ended else CLIENT_CLOSED)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if scope["path"] not in PUBLIC_PATHS:
            self._check_token(headers)
        self._check_length(headers)
        limited = self._limit(receive)
        if scope["method"] != "POST":
            await self.app(scope, limited, send)
            return
        with self._limiter.acquire():
            await self.app(scope, limited, send)

    def _check_token(self, headers: Headers) -> None:
        if self._token is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Bytes, as texts beyond ASCII cannot be compared in constant time.
        same = hmac.compare_digest(given.strip().encode(), self._token.encode())
        if scheme.lower() != "bearer" or not same:
            raise ApiError(
                401,
                "send the server's token as Authorization: Bearer TOKEN",
                "invalid_api_key",
                headers={"www-authenticate": "Bearer"},
            )

    def _check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > self._max_bytes:
            raise self._too_large()

    def _limit(self, receive: Receive) -> Receive:
        """Count what arrives, whether or not its length was named, and set a time for it."""
        end = time.monotonic() + self._body_seconds
        read, more = 0, True

        async def limited() -> Message:
            nonlocal read, more
            if not more:  # what comes now is the client's leaving, for which there is no time
                return await receive()
            with anyio.move_on_after(max(0.0, end - time.monotonic())):
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ApiError(CLIENT_CLOSED, "the client left")
                read += len(message.get("body", b""))
                more = bool(message.get("more_body"))
                if read > self._max_bytes:
                    raise self._too_large()
                return message
            raise ApiError(408, f"the body took longer than {self._body_seconds:g} s", "timeout")

        return limited

    def _too_large(self) -> ApiError:
        limit = self._max_bytes / 1e6
        return ApiError(413, f"the body may have {limit:g} MB at most", "request_too_large")


def _explain(error: BaseException) -> ApiError:
    """Find what the client is told where a request ends in an error."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, asyncio.CancelledError):
        # Only the server's end cancels a request: its time to finish is over.
        return ApiError(503, "the server is ending", "server_ending")
    # A defect, of whatever kind: it ends this request alone.
    logger.error("a request failed", exc_info=error)
    return ApiError(500, "the server failed")
