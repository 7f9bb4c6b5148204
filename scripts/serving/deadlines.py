"""The time that there is for an answer."""

from collections.abc import Awaitable
from typing import TypeVar

import anyio

from scripts.serving.errors import ApiError

T = TypeVar("T")


class Deadline:
    """The time that is left of an answer's."""

    def __init__(self, seconds: float) -> None:
        """Begin to count.

        Args:
            seconds: time for the whole answer.
        """
        self._seconds = seconds
        self._end = anyio.current_time() + seconds

    async def wait(self, work: Awaitable[T]) -> T:
        """Wait for a step of the answer, as long as there is time.

        Args:
            work: the step; it is cancelled at the end.

        Raises:
            ApiError: if there is no time left.
        """
        # Around each step, as a cancel scope may not reach over a generator's yield.
        with anyio.move_on_after(max(0.0, self._end - anyio.current_time())):
            return await work
        raise ApiError(504, f"there was no answer within {self._seconds:g} s", "timeout")
