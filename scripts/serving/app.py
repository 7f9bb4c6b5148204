"""The routes of the server, and what stands in front of them."""

import time

from fastapi import FastAPI, Request
from starlette.responses import PlainTextResponse, Response

from scripts.serving.chat import ChatService
from scripts.serving.concurrency import ConcurrencyLimiter
from scripts.serving.errors import ApiError, add_error_handlers, write_json
from scripts.serving.middleware import CHAT_PATH, LimitsMiddleware
from scripts.serving.schemas import ChatRequest, ErrorBody
from scripts.serving.upstreams.servers import Upstreams


def build_app(
    chat: ChatService,
    limiter: ConcurrencyLimiter,
    max_bytes: int,
    token: str | None = None,
    upstreams: Upstreams | None = None,
) -> FastAPI:
    """Make the application.

    Args:
        chat: answers.
        limiter: bounds how many requests are answered at once.
        max_bytes: largest body of a request.
        token: what clients must send; None if anybody may ask.
        upstreams: servers that are looked after; None if the model needs none.
    """
    # FastAPI's own pages load scripts from elsewhere.
    app = FastAPI(
        title="m3scale",
        docs_url=None,
        redoc_url=None,
        lifespan=None if upstreams is None else lambda _: upstreams.watched(),
        responses={"4XX": {"model": ErrorBody}, "5XX": {"model": ErrorBody}},
    )
    app.add_middleware(
        LimitsMiddleware,
        limiter=limiter,
        max_bytes=max_bytes,
        count=chat.metrics.count_response,
        token=token,
    )
    add_error_handlers(app)
    _add_api(app, chat)
    _add_watch(app, chat, upstreams)
    return app


def _add_api(app: FastAPI, chat: ChatService) -> None:
    """Add what the OpenAI API has."""
    card = {"id": chat.name, "object": "model", "created": int(time.time()), "owned_by": "m3scale"}

    @app.post(CHAT_PATH, responses={200: {"content": {"text/event-stream": {}}}})
    async def answer(body: ChatRequest, request: Request) -> Response:
        """Answer a conversation, its images read at the scale that the router picks."""
        return await chat.respond(body, request)

    @app.get("/v1/models")
    async def list_models() -> Response:
        """List the one model."""
        return write_json({"object": "list", "data": [card]})

    @app.get("/v1/models/{name:path}")
    async def show_model(name: str) -> Response:
        """Describe the model."""
        chat.check_name(name)
        return write_json(card)


def _add_watch(app: FastAPI, chat: ChatService, upstreams: Upstreams | None) -> None:
    """Add what those look at who watch the server."""

    @app.get("/healthz")
    async def tell_health() -> Response:
        """Say that the process lives."""
        return write_json({"status": "ok"})

    @app.get("/readyz")
    async def tell_readiness() -> Response:
        """Say whether an answer can be had."""
        if upstreams is not None and (lack := upstreams.find_lack()):
            raise ApiError(503, lack, "not_ready")
        return write_json({"status": "ok"})

    @app.get("/metrics", response_class=PlainTextResponse)
    async def show_metrics() -> Response:
        """Show counts and times in Prometheus' format."""
        return Response(chat.metrics.show(), media_type="text/plain; version=0.0.4; charset=utf-8")
