"""An answer heard while it is generated: its text so far, stop texts, and who listens.

The same for every engine: it is told the ids so far and says whether the answer shall end.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

from transformers import PreTrainedTokenizerBase

from m3_backbone.inference.answers import read_whole

CUT_LETTER = "\ufffd"
"""What stands for a letter of which not all tokens are there."""


class Said(Protocol):
    """Anything with the text of a whole answer."""

    @property
    def text(self) -> str:
        """The text."""


T = TypeVar("T", bound=Said)


class Listener:
    """Carries the pieces of one answer from whoever generates it to an event loop.

    Attributes:
        gone: whether nobody listens any more, so that the answer may end.
    """

    def __init__(self) -> None:
        """Make one inside the event loop that is going to listen."""
        self.gone = False
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._said = ""

    def hear(self, text: str) -> None:
        """Take the text so far, from any thread; what is new of it is passed on."""
        if self.gone or not text.startswith(self._said) or text == self._said:
            return
        piece, self._said = text[len(self._said) :], text
        with suppress(RuntimeError):  # the loop is closed: nobody listens
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    async def listen(self, answer: Awaitable[T]) -> AsyncGenerator[str | T, None]:
        """Give the pieces of an answer as they come, then the answer.

        Args:
            answer: gives the answer, whose text so far is told to this listener meanwhile.

        Yields:
            Pieces, which joined are the answer's text, and the answer. Who stops listening early
            should close the iterator, which ends the answer.
        """
        task = asyncio.ensure_future(answer)
        task.add_done_callback(self._finish)
        try:
            while (piece := await self._pieces.get()) is not None:
                yield piece
            whole = await task
            if rest := whole.text.removeprefix(self._said):  # what was held back
                yield rest
            yield whole
        finally:
            self.gone = True
            task.cancel()

    def _finish(self, task: "asyncio.Future[T]") -> None:
        if not task.cancelled():
            task.exception()  # looked at, so that nobody warns of it where nobody listens
        self._pieces.put_nowait(None)


class Following:
    """The text of an answer that grows.

    Attributes:
        stopped: whether a stop text has come.
        text: the text so far, cut in front of it; without space around it.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        stops: Sequence[str] = (),
        listener: Listener | None = None,
    ) -> None:
        """Begin with nothing said.

        Args:
            tokenizer: turns ids into text.
            stops: texts that end the answer.
            listener: who is told.
        """
        self.stopped = False
        self.text = ""
        self._tokenizer = tokenizer
        self._stops = stops
        self._listener = listener

    def follow(self, ids: Sequence[int]) -> bool:
        """Take the ids so far, and tell the listener what is sure of their text.

        Returns:
            Whether the answer shall end here.
        """
        if not self._stops and self._listener is None:
            return False
        text = read_whole(ids, self._tokenizer)
        ends = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        self.stopped = bool(ends)
        self.text = text[: min(ends)].strip() if ends else text.strip()
        if self._listener is None:
            return self.stopped
        sure = self.text if ends else text[: len(text) - _count_unsure(text, self._stops)].strip()
        self._listener.hear(sure)
        return self.stopped or self._listener.gone


def _count_unsure(text: str, stops: Sequence[str]) -> int:
    """Count the characters at the end that may still become a letter or a stop text.

    >>> _count_unsure("a red c", ["cat", "dog"]), _count_unsure("a red \ufffd", [])
    (1, 1)
    """
    whole = text.rstrip(CUT_LETTER)
    begun = (n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n]))
    return len(text) - len(whole) + max(begun, default=0)
