"""Streaming an answer: its ids become text, which is cut at a stop text and sent to an event loop.

All engines use it: they pass the ids so far, and end the answer when told to.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol, TypeVar

from transformers import PreTrainedTokenizerBase

from m3_backbone.inference.answers import Generated, read_whole

CUT_LETTER = "\ufffd"
"""What stands for a letter of which not all tokens are there."""


class HasText(Protocol):
    """Anything with the text of a whole answer."""

    @property
    def text(self) -> str:
        """The text."""


T = TypeVar("T", bound=HasText)


class AnswerStream:
    """Passes the pieces of one answer from the engine's thread to an event loop.

    Attributes:
        closed: whether nobody reads it any more, so that the engine may end the answer.
    """

    def __init__(self, in_pieces: bool = True) -> None:
        """Make one inside the event loop that reads it.

        Args:
            in_pieces: whether the text is passed on as it grows, or at the end alone.
        """
        self.closed = False
        self._in_pieces = in_pieces
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._sent = ""

    @property
    def begun(self) -> bool:
        """Whether a part of the answer was passed on."""
        return bool(self._sent)

    def push(self, text: str) -> None:
        """Pass on what is new in the text so far; may be called from any thread."""
        if self.closed or not self._in_pieces:
            return
        if not text.startswith(self._sent) or text == self._sent:
            return
        piece, self._sent = text[len(self._sent) :], text
        with suppress(RuntimeError):  # the loop is closed: nobody reads
            self._loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

    async def iterate(self, answer: Awaitable[T]) -> AsyncGenerator[str | T, None]:
        """Give the pieces of an answer as they come, then the answer.

        Args:
            answer: generates the answer and pushes its text to this stream meanwhile.

        Yields:
            Pieces, which joined are the answer's text, and the answer. To end the answer early,
            close the iterator.
        """
        task = asyncio.ensure_future(answer)
        task.add_done_callback(self._finish)
        try:
            while (piece := await self._pieces.get()) is not None:
                yield piece
            whole = await task
            if rest := whole.text.removeprefix(self._sent):  # what was held back
                yield rest
            yield whole
        finally:
            self.closed = True
            task.cancel()

    def _finish(self, task: "asyncio.Future[T]") -> None:
        if not task.cancelled():
            task.exception()  # retrieved, else asyncio warns of it where nobody reads
        self._pieces.put_nowait(None)


class Detokenizer:
    """Turns the growing ids of an answer into text, and finds stop texts in it.

    Attributes:
        stopped: whether a stop text has come.
        text: the text so far, cut in front of the stop text; without space around it.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        stops: Sequence[str] = (),
        stream: AnswerStream | None = None,
    ) -> None:
        """Begin an answer.

        Args:
            tokenizer: turns ids into text.
            stops: texts that end the answer.
            stream: gets the text, if the answer is streamed.
        """
        self.stopped = False
        self.text = ""
        self._tokenizer = tokenizer
        self._stops = stops
        self._stream = stream

    def update(self, ids: Sequence[int]) -> bool:
        """Take the ids so far, and stream the part of their text that will not change.

        Returns:
            Whether the answer shall end here.
        """
        if not self._stops and self._stream is None:
            return False
        # A space in front belongs to the prompt, which some models leave to the answer.
        text = read_whole(ids, self._tokenizer).lstrip(" ")
        ends = [place for stop in self._stops if (place := text.find(stop)) >= 0]
        self.stopped = bool(ends)
        self.text = text[: min(ends)].strip() if ends else text.strip()
        if self._stream is None:
            return self.stopped
        sure = self.text if ends else text[: len(text) - _count_unsure(text, self._stops)].strip()
        self._stream.push(sure)
        return self.stopped or self._stream.closed

    def finish(self, generated: Generated) -> Generated:
        """Note the stop text, if one has come, in what the engine generated."""
        return replace(generated, stopped=True, text=self.text) if self.stopped else generated


def _count_unsure(text: str, stops: Sequence[str]) -> int:
    """Count the characters at the end that may still become a letter or a stop text.

    >>> _count_unsure("a red c", ["cat", "dog"]), _count_unsure("a red \ufffd", [])
    (1, 1)
    """
    whole = text.rstrip(CUT_LETTER)
    begun = (n for stop in stops for n in range(1, len(stop)) if whole.endswith(stop[:n]))
    return len(text) - len(whole) + max(begun, default=0)
