"""Model, router and settings to the application that serves them."""

from functools import partial

from fastapi import FastAPI

from m3_backbone.backbone import BUILT_IN, Chat, M3Backbone
from m3_backbone.checkpoints.loading import open_checkpoint
from m3_backbone.checkpoints.source import CheckpointSource
from m3_backbone.scales import check_scale
from predictor.adaptive import AdaptiveM3
from predictor.bundle.bundle import RouterBundle
from predictor.bundle.hub import open_router
from predictor.policy.prices import Price
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from scripts.serving.app import build_app
from scripts.serving.chat import ChatService
from scripts.serving.concurrency import ConcurrencyLimiter
from scripts.serving.drift import ScaleDrift
from scripts.serving.hosts import HostMiddleware
from scripts.serving.images.loader import ImageLoader
from scripts.serving.images.remote import RemoteImages
from scripts.serving.metrics import Metrics
from scripts.serving.page.page import Page, add_page, draw_examples
from scripts.serving.request_parser import RequestParser
from scripts.serving.settings import UPSTREAM_TOKEN, ServeSettings, read_variable
from scripts.serving.upstreams.engine import UpstreamEngine
from scripts.serving.upstreams.servers import Upstreams
from scripts.stages.ask import AskSettings
from scripts.stages.model import Opening, open_backbone


def open_app(
    router: str,
    opening: Opening,
    engine: str,
    asked: AskSettings,
    settings: ServeSettings,
    token: str | None,
    address: str,
) -> FastAPI:
    """Open model and router, and build the application.

    Args:
        router: folder or Hub name of the router.
        opening: which checkpoint, and how it is opened.
        engine: what answers where there are no upstreams.
        asked: the operating point of requests that name none.
        settings: what the server takes.
        token: what clients must send; None if anybody may ask.
        address: where it listens, as its socket gives it.
    """
    bundle = open_router(router)  # before the model: it is the one that is often missing
    knob = asked.knob(bundle)
    expect_scales(bundle, knob)  # what the router has no point for is told now
    upstreams = None
    if settings.upstreams:
        known = read_variable(UPSTREAM_TOKEN)
        # Where one hangs there is as much time for another.
        patience = settings.max_seconds / min(len(settings.upstreams), 2)
        upstreams = Upstreams(settings.upstreams, known, patience)
        backbone = open_before(opening, upstreams, engine)
    else:
        backbone = open_backbone(opening, engine=engine)
    if knob.scale is not None:
        check_scale(knob.scale, backbone.scales)
    model = AdaptiveM3(backbone, bundle, outlier=asked.outlier, log=settings.log)
    name = settings.name_of(opening.model)
    return serve_model(model, settings, name, knob, token, upstreams, address)


def open_before(opening: Opening, upstreams: Upstreams, engine: str = BUILT_IN) -> M3Backbone:
    """Open what lies before the language model, for servers elsewhere that run it.

    Args:
        opening: which checkpoint, and how it is opened.
        upstreams: the servers.
        engine: what else was asked to answer; another than the usual one is refused.

    Raises:
        ValueError: if it is to be opened in a way that only whole models are.
    """
    if engine != BUILT_IN:
        raise ValueError(f"--engine {engine} answers in this process: leave it or --upstream out")
    if opening.device_map or opening.quantize:
        raise ValueError("--device-map and --quantize are of the built-in engine, not of upstreams")
    source = CheckpointSource(opening.model, opening.vision_tower, opening.template, layers=False)
    opened = open_checkpoint(source, opening.device, opening.dtype)
    backbone = M3Backbone(
        opened.model,
        opened.tokenizer,
        opened.image_processor,
        opened.folder,
        opening.pooling,
        opened.variant,
    )
    return backbone.with_engine(UpstreamEngine(opened.model, opened.tokenizer, upstreams))


def serve_model(
    model: AdaptiveM3,
    settings: ServeSettings,
    name: str,
    knob: Knob,
    token: str | None = None,
    upstreams: Upstreams | None = None,
    address: str = "127.0.0.1",
) -> FastAPI:
    """Build the application around a model.

    Args:
        model: the model and its router.
        settings: what the server takes.
        name: what clients call the model.
        knob: the operating point of requests that name none.
        token: what clients must send; None if anybody may ask.
        upstreams: the servers that run the language model, if they do.
        address: where it listens, as its socket gives it.
    """
    check_room(model, knob, settings.max_new_tokens)
    max_bytes = int(settings.max_body_mb * 1e6)
    limiter = ConcurrencyLimiter(settings.max_requests)
    expected = expect_scales(model.router, knob)
    metrics = Metrics(
        model.router.scales,
        limiter,
        ScaleDrift(expected) if expected else None,
        () if upstreams is None else upstreams.servers,
    )
    loader = ImageLoader(
        int(settings.max_megapixels * 1e6), RemoteImages(settings.remote_images, max_bytes)
    )
    chat = ChatService(
        model,
        name,
        RequestParser(loader, knob, settings.max_images, settings.max_new_tokens),
        metrics,
        settings.max_seconds,
        partial(count_largest, model.backbone, model.router.scales[-1]),
    )
    app = build_app(chat, limiter, max_bytes, token, upstreams)
    if settings.ui:
        page = Page(model, name, knob, loader, settings.max_seconds, draw_examples())
        add_page(app, page)
    own = settings.list_own_hosts(address)
    app.add_middleware(HostMiddleware, own=own, allowed=settings.allowed_hosts)
    return app


def expect_scales(router: RouterBundle, knob: Knob) -> dict[int, float]:
    """Find the share of calibration questions that an operating point sends to each scale.

    Args:
        router: the router.
        knob: the operating point; one that the router does not have raises a ValueError.

    Returns:
        Scale to share; empty where the router does not keep it, as for certificates.
    """
    if knob.scale is not None:
        return {}
    point = knob.operating_point(router)
    if not isinstance(point, Price):
        return {}
    table = router.policy if point.prices is None else point.prices.table
    return dict(zip(router.scales, table.shares_at(point.lam), strict=False))


def check_room(model: AdaptiveM3, knob: Knob, max_new_tokens: int) -> None:
    """See to it that requests which name nothing can be answered.

    Args:
        model: the model.
        knob: their operating point.
        max_new_tokens: length of their answers.

    Raises:
        ValueError: if answers of that length leave no room for an image.
    """
    short = Chat(((1, "?", ""),), None)
    scale = model.router.scales[0] if knob.scale is None else knob.scale
    if model.backbone.count_room(short, max_new_tokens) < scale:
        raise ValueError(
            f"--max-new-tokens {max_new_tokens} leaves no room for an image at scale {scale} in "
            "the prompts of this model: lower it"
        )


def count_largest(backbone: M3Backbone, scale: int, request: Request) -> int:
    """Count the visual tokens of a request's images at a scale."""
    return sum(backbone.count_visual(picture, scale) for picture in request.pictures)
