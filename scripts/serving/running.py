"""A server from its first socket to its last answer."""

import asyncio
import socket
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
"""Longest time for the head of a request to arrive; uvicorn has none."""

SEND_SECONDS = 30.0
"""Longest time for a client to take what waits for it; uvicorn has none."""


class TimedProtocol(H11Protocol):
    """Closes a connection on which the head of a request is awaited for too long.

    And one whose client does not read: what sends to it ends as if the client had left.
    """

    _closing: asyncio.TimerHandle | None = None
    _giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request; with its head whole there is nothing more to wait for."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop()
        self._stop_giving_up()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Begin to wait for the client: more waits for it than the system takes."""
        super().pause_writing()
        # To close it would be to wait until all is sent.
        self._giving_up = self.loop.call_later(SEND_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on, as the client has read nearly all of it."""
        self._stop_giving_up()
        super().resume_writing()

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop()
        elif self._closing is None:
            self._closing = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop(self) -> None:
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None

    def _stop_giving_up(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None


def open_port(host: str, port: int) -> socket.socket:
    """Take a port, so that one which is taken is told before any work; nothing is accepted yet.

    Args:
        host: name or address of this machine.
        port: the port; 0 takes a free one.

    Raises:
        OSError: if it cannot be had.
    """
    try:
        [found, *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found
        taken = socket.socket(family, kind, protocol)
        # What an earlier server left in the system for a minute does not count.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(address)
        except OSError:
            taken.close()
            raise
    except OSError as error:
        raise OSError(f"cannot listen at {host} port {port}: {error.strerror or error}") from error
    return taken


def make_server(app: Any, grace_seconds: int) -> uvicorn.Server:
    """Make a server that ends when its work is done.

    Args:
        app: the application.
        grace_seconds: time to finish what was accepted, once it is told to stop.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=TimedProtocol,
            # Logging is the command's.
            log_config=None,
            access_log=False,
            server_header=False,
            # Whoever asks is who is connected, whatever its headers say.
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=grace_seconds,
        )
    )


def run_server(server: uvicorn.Server, port: socket.socket) -> None:
    """Serve until SIGTERM or Ctrl-C, which uvicorn raises again once all is answered."""
    with suppress(KeyboardInterrupt):
        server.run(sockets=[port])
