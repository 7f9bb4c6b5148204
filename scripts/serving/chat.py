"""/v1/chat/completions: one request from its body to its answer, whole or in pieces."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, TypeAlias, cast

from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse

from m3_backbone.serialization import show
from predictor.adaptive import AdaptiveAnswer
from predictor.requests.request import Request
from scripts.serving.completions import CompletionWriter
from scripts.serving.deadlines import Deadline
from scripts.serving.disconnects import cancel_on_disconnect
from scripts.serving.errors import ApiError, describe_error, write_json
from scripts.serving.metrics import Metrics
from scripts.serving.request_parser import RequestParser
from scripts.serving.schemas import ChatRequest

logger = logging.getLogger(__name__)

Pieces: TypeAlias = AsyncGenerator[str | AdaptiveAnswer, None]


class Answering(Protocol):
    """What answers: `AdaptiveM3`, or what a test puts in its place."""

    def check(self, request: Request) -> None:
        """Raise a ValueError for what cannot be answered."""

    async def answer_async(self, request: Request) -> AdaptiveAnswer:
        """Give the answer."""

    def stream(self, request: Request) -> AsyncIterator[str | AdaptiveAnswer]:
        """Give the pieces of an answer, and at last the answer."""


@dataclass(frozen=True)
class _Accepted:
    """A request that can be answered.

    Attributes:
        request: the request.
        deadline: the time that there is for it.
        start: when it began [s, of `time.perf_counter`].
        read_seconds: how long its body took to be understood.
    """

    request: Request
    deadline: Deadline
    start: float
    read_seconds: float


@dataclass(frozen=True)
class ChatService:
    """Answers chat requests.

    Attributes:
        model: what answers.
        name: what clients call it.
        parser: makes requests of bodies.
        metrics: counts.
        max_seconds: longest time for an answer.
        count_largest: counts the visual tokens of a request at the largest scale.
    """

    model: Answering
    name: str
    parser: RequestParser
    metrics: Metrics
    max_seconds: float
    count_largest: Callable[[Request], int]

    async def respond(self, body: ChatRequest, http: HttpRequest) -> Response:
        """Answer a request, until its client leaves."""
        self.check_name(body.model)
        counted = body.stream_options is not None and bool(body.stream_options.include_usage)
        writer = CompletionWriter(self.name, counted)
        if not body.stream:
            return write_json(writer.whole(await cancel_on_disconnect(http, self._answer(body))))
        pieces = self._stream(body)
        # What goes wrong before there is a first piece can still be told by a status.
        first = await cancel_on_disconnect(http, _take_first(pieces))
        events = self._write_events(writer, first, pieces)
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return StreamingResponse(events, headers=headers, media_type="text/event-stream")

    def check_name(self, name: str) -> None:
        """Refuse another model's name.

        Raises:
            ApiError: if it is one.
        """
        if name != self.name:
            message = f"there is no model {show(name)} here, but {self.name!r}"
            raise ApiError(404, message, "model_not_found", "model")

    async def _answer(self, body: ChatRequest) -> AdaptiveAnswer:
        accepted = await self._accept(body)
        answer = await accepted.deadline.wait(self.model.answer_async(accepted.request))
        self._count(accepted, answer)
        return answer

    async def _stream(self, body: ChatRequest) -> Pieces:
        accepted = await self._accept(body)
        # A generator, whoever wrote it.
        async with aclosing(cast(Pieces, self.model.stream(accepted.request))) as pieces:
            while (piece := await accepted.deadline.wait(anext(pieces, None))) is not None:
                if isinstance(piece, AdaptiveAnswer):
                    self._count(accepted, piece)
                yield piece

    async def _accept(self, body: ChatRequest) -> _Accepted:
        """Understand a request and check it; its time begins.

        Raises:
            ApiError: if it cannot be answered.
        """
        start = time.perf_counter()
        deadline = Deadline(self.max_seconds)
        request = await deadline.wait(self.parser.parse(body))
        read_seconds = time.perf_counter() - start
        try:
            # In a thread: long words take seconds to cut into tokens, and others are answered. Not
            # anyio's, which no deadline cuts short.
            await deadline.wait(asyncio.to_thread(self.model.check, request))
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        return _Accepted(request, deadline, start, read_seconds)

    def _count(self, accepted: _Accepted, answer: AdaptiveAnswer) -> None:
        self.metrics.count_times(
            {
                "read": accepted.read_seconds,
                "encode": answer.encode_ms / 1000,
                "route": answer.router_ms / 1000,
                "generate": answer.generate_ms / 1000,
                "total": time.perf_counter() - accepted.start,
            }
        )
        self.metrics.count_answer(
            answer.scale,
            answer.visual_tokens,
            self.count_largest(accepted.request),
            answer.unfamiliar,
            accepted.request.knob is self.parser.default,
        )

    async def _write_events(
        self,
        writer: CompletionWriter,
        first: str | AdaptiveAnswer,
        pieces: Pieces,
    ) -> AsyncIterator[str]:
        try:
            async with aclosing(pieces):
                yield _write_event(writer.begin())
                piece: str | AdaptiveAnswer | None = first
                while piece is not None:
                    for one in writer.pieces(piece):
                        yield _write_event(one)
                    piece = await anext(pieces, None)
            yield "data: [DONE]\n\n"
        except ApiError as error:
            yield _write_event(error.body())
        except Exception:
            # A defect, of whatever kind; the status 200 has been sent, so it is said here.
            logger.exception("an answer broke off")
            yield _write_event(describe_error(500, "the server failed"))


async def _take_first(pieces: Pieces) -> str | AdaptiveAnswer:
    return await anext(pieces)


def _write_event(body: dict[str, object]) -> str:
    return f"data: {json.dumps(body)}\n\n"
