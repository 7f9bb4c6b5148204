"""A server from its first socket to its last answer."""

import socket
from contextlib import suppress
from typing import Any

import uvicorn


def open_port(host: str, port: int) -> socket.socket:
    """Take a port, so that one which is taken is told before any work; nobody is let in yet.

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
