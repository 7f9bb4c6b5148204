"""Work that ends when nobody waits for it any more."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from scripts.serving.errors import CLIENT_CLOSED, ApiError

T = TypeVar("T")


async def cancel_on_disconnect(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do some work, and stop it at once if the client leaves.

    Args:
        request: the client's; its body has been read.
        work: what to do.

    Returns:
        What the work gives; what it raises is raised here.

    Raises:
        ApiError: if the client left, which then hears nothing of it.
    """
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_wait_for_leaving(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ApiError(CLIENT_CLOSED, "the client left")
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        # Until both have ended, so that what the work holds is free when this returns.
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _wait_for_leaving(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
