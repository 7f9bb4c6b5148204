"""How many requests are in the house at once; nobody waits outside."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scripts.serving.refusals import Refusal

SHARE = 0.1
"""Weight of the newest request in the mean time that one stays."""


class Places:
    """A bounded number of places, one for each request that was accepted.

    Attributes:
        most: places there are.
        taken: those that are taken.
    """

    def __init__(self, most: int) -> None:
        """Begin with all places free."""
        self.most = most
        self.taken = 0
        self._stay = 1.0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Keep a place for the time of the block.

        Yields:
            Nothing.

        Raises:
            Refusal: if all are taken.
        """
        if self.taken >= self.most:
            # After the mean stay as many places will have become free as there are.
            wait = str(max(1, min(60, math.ceil(self._stay))))
            raise Refusal(
                429,
                f"all {self.most} places are taken; try again in {wait} s",
                "server_overloaded",
                headers={"retry-after": wait},
            )
        self.taken += 1
        start = time.monotonic()
        try:
            yield
        finally:
            self.taken -= 1
            self._stay += SHARE * (time.monotonic() - start - self._stay)
