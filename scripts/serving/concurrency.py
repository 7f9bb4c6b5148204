"""How many requests the server works on at once; those beyond are refused, not queued."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.serving.errors import ApiError

SHARE = 0.1
"""Weight of the newest request in the mean time that one takes."""


class ConcurrencyLimiter:
    """Bounds the number of requests that are accepted at once.

    Attributes:
        limit: most requests at once.
        active: requests that are being answered, or wait for it.
    """

    def __init__(self, limit: int) -> None:
        """Begin with no request."""
        self.limit = limit
        self.active = 0
        self._mean_seconds = 1.0

    @contextmanager
    def acquire(self) -> Iterator[None]:
        """Count a request as active for the time of the block.

        Yields:
            Nothing.

        Raises:
            ApiError: if there are as many as may be.
        """
        if self.active >= self.limit:
            # After the mean time of a request, all that are active now will have ended.
            wait = str(max(1, min(60, math.ceil(self._mean_seconds))))
            raise ApiError(
                429,
                f"{self.limit} requests are being answered, which is the limit; "
                f"try again in {wait} s",
                "server_overloaded",
                headers={"retry-after": wait},
            )
        self.active += 1
        start = time.monotonic()
        try:
            yield
        finally:
            self.active -= 1
            self._mean_seconds += SHARE * (time.monotonic() - start - self._mean_seconds)
