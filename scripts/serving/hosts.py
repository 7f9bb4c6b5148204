"""Whom the server listens to in a browser: pages of other sites neither read it nor post to it.

A site whose name is made to lead to this machine (DNS rebinding) asks with its own name in `Host`,
a page of another site that posts here has its own in `Origin`.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from m3_backbone.serialization import show
from scripts.serving.errors import ApiError


class HostMiddleware:
    """Refuses requests to names that are not the server's, and what pages of other sites post."""

    def __init__(self, app: ASGIApp, own: Sequence[str] = (), allowed: Sequence[str] = ()) -> None:
        """Stand in front of an application.

        Args:
            app: the application.
            own: names of the server; requests to any are taken if neither these nor others are
                given.
            allowed: other names that it has, or shell patterns of such; their pages may post.
        """
        self.app = app
        self._own = [name.lower() for name in own]
        self._allowed = [name.lower() for name in allowed]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if scope["type"] == "http" and (fault := self._find_fault(scope)):
            error = ApiError(403, f"{fault}; see --allowed-host", "host_not_allowed")
            await error.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _find_fault(self, scope: Scope) -> str | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        is_known = _cut_port(host) in self._own or self._allows(host)
        if not is_known and (self._own or self._allowed):
            return f"the server has another name than {show(host)}"
        origin = headers.get("origin")
        if scope["method"] != "POST" or origin is None:
            return None
        site = origin.lower().partition("://")[2]
        if site != host and not self._allows(site):
            return f"pages of {show(origin)} may not ask this server"
        return None

    def _allows(self, host: str) -> bool:
        return any(matches_host(_cut_port(host), pattern) for pattern in self._allowed)


def matches_host(host: str, pattern: str) -> bool:
    """Tell whether a host is one of a pattern's; both in small letters.

    Args:
        host: a name, or an address as a URL has it.
        pattern: the same; * stands for any letters, ? for any letter.

    >>> matches_host("[fd00::5]", "[fd00::5]"), matches_host("5", "[fd00::5]")
    (True, False)
    """
    # A bracket is part of an address, and no set of letters.
    return fnmatchcase(host, pattern.replace("[", "[[]"))


def _cut_port(host: str) -> str:
    return re.sub(r":\d*$", "", host)
