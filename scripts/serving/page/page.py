"""The page at `/`: a question about an image at every scale, and what each budget would choose."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np
import torch
from fastapi import FastAPI
from fastapi import Request as HttpRequest
from PIL import Image
from pydantic import Field
from starlette.responses import Response

from m3_backbone.data_uris import write_data_uri
from m3_backbone.inference.sampling import Sampling
from predictor.adaptive import AdaptiveM3
from predictor.data import TOKENS
from predictor.requests.decisions import UNFAMILIAR
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.routing import RoutedRequest
from scripts.serving.deadlines import Deadline
from scripts.serving.disconnects import cancel_on_disconnect
from scripts.serving.errors import ApiError, write_json
from scripts.serving.images.loader import ImageLoader
from scripts.serving.schemas import Strict

STEPS = 24
"""Steps of the knob from the smallest scale to the largest, each by the same factor."""

USUAL = 72
"""Where the knob begins if the server's operating point is no number of tokens."""

NEW_TOKENS = 32
"""Longest answer on the page."""

TYPES = {"index.html": "text/html", "page.js": "text/javascript", "style.css": "text/css"}


# Nothing from elsewhere, and no script but the page's own.
POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'"


class Asked(Strict):
    """What the page asks: one question about one image."""

    image: str
    question: str = Field(min_length=1, max_length=10_000)


@dataclass(frozen=True)
class Example:
    """Something to begin with.

    Attributes:
        image: PNG as a data URI.
        question: what may be asked about it.
    """

    image: str
    question: str


@dataclass(frozen=True)
class Page:
    """What the page shows.

    Attributes:
        model: answers.
        name: what clients call it.
        knob: the server's operating point, where the page's knob begins.
        loader: opens images.
        max_seconds: longest time for the answers to a question.
        examples: what to begin with.
    """

    model: AdaptiveM3
    name: str
    knob: Knob
    loader: ImageLoader
    max_seconds: float
    examples: Sequence[Example]

    @cached_property
    def budgets(self) -> list[int]:
        """Mean visual tokens that the knob can be set to, rising."""
        scales = self.model.router.scales
        return sorted({round(step) for step in np.geomspace(scales[0], scales[-1], STEPS + 1)})

    @cached_property
    def knobs(self) -> list[Knob]:
        """The operating point of each budget."""
        return [Knob(budget=budget) for budget in self.budgets]

    def describe(self) -> dict[str, Any]:
        """Say what the page can be set to, as JSON-ready values."""
        tokens = self.knob.budget if self.knob.unit == TOKENS else None
        wanted = math.log(max(tokens or USUAL, 1))
        return {
            "model": self.name,
            "scales": list(self.model.router.scales),
            "budgets": self.budgets,
            "start": int(np.abs(np.log(self.budgets) - wanted).argmin()),
            "examples": [vars(example) for example in self.examples],
        }

    async def explain(self, asked: Asked) -> dict[str, Any]:
        """Answer a question at every scale, and say what each budget would choose.

        Args:
            asked: what is asked.

        Returns:
            JSON-ready values, as `page.js` reads them.

        Raises:
            ApiError: if it cannot be answered.
        """
        image = await self.loader.load(asked.image, "image")
        try:
            requests = [
                _ask(image, asked.question, Knob(scale=scale)) for scale in self.model.router.scales
            ]
            # The largest has no room first: it is told before any work.
            await asyncio.to_thread(self.model.check, requests[-1])
        except ValueError as error:
            raise ApiError(400, str(error)) from error
        routed = await self.model.route(_ask(image, asked.question, self.knobs[0]))
        # One after the other, so that the times are those of an answer alone.
        answers = [await self.model.answer_async(request) for request in requests]
        return {
            "view": await asyncio.to_thread(self._draw_view, image),
            "scales": [
                {
                    "side": math.isqrt(answer.scale),
                    "tokens": answer.visual_tokens,
                    "probability": routed.probabilities[answer.scale],
                    "answer": answer.text,
                    "ms": answer.decision.generate_ms,
                }
                for answer in answers
            ],
            "choices": await asyncio.to_thread(self._choose, routed),
            "unfamiliar": routed.reason == UNFAMILIAR,
            "encode_ms": routed.encode_ms,
            "router_ms": routed.router_ms,
        }

    def _choose(self, routed: RoutedRequest) -> list[int]:
        """List the number of the scale that each budget takes."""
        scales = self.model.router.scales
        return [scales.index(self.model.choose_again(routed, knob).scale) for knob in self.knobs]

    def _draw_view(self, image: Image.Image) -> str:
        """Draw the image as the vision tower sees it, padded or cropped: the grid lies on that."""
        backbone = self.model.backbone
        pixels = backbone.prepare(image).pixels.float().cpu()
        whole = pixels[0] if pixels.ndim == 4 else pixels  # of crops the first is the whole image
        processor = backbone.image_processor
        mean = torch.tensor(processor.image_mean).view(3, 1, 1)
        std = torch.tensor(processor.image_std).view(3, 1, 1)
        levels = (255 * (whole * std + mean)).round().clamp(0, 255)  # [3, H, W]
        return write_data_uri(Image.fromarray(levels.permute(1, 2, 0).numpy().astype(np.uint8)))


def add_page(app: FastAPI, page: Page) -> None:
    """Add the page to an application.

    Args:
        app: the application.
        page: what it shows.
    """
    folder = files(__package__ or "")
    contents = {name: folder.joinpath(name).read_bytes() for name in TYPES}
    setup = page.describe()

    def give(name: str) -> Response:
        headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff"}
        return Response(contents[name], headers=headers, media_type=TYPES[name])

    @app.get("/", include_in_schema=False)
    async def show_page() -> Response:
        return give("index.html")

    @app.get("/page/setup")
    async def show_setup() -> Response:
        """Say what the page can be set to."""
        return write_json(setup)

    # Before the files, as a method that it has not is told by the first route of that path.
    @app.post("/page/explain")
    async def explain(body: Asked, request: HttpRequest) -> Response:
        """Answer a question at every scale, and say what each budget would choose."""
        explaining = Deadline(page.max_seconds).wait(page.explain(body))
        return write_json(await cancel_on_disconnect(request, explaining))

    @app.get("/page/{name}", include_in_schema=False)
    async def show_file(name: str) -> Response:
        if name not in TYPES:
            raise ApiError(404, "the page has no such file")
        return give(name)


def _ask(image: Image.Image, question: str, knob: Knob) -> Request:
    return Request.about(image, question, knob, Sampling(max_new_tokens=NEW_TOKENS))


def draw_examples(count: int = 6) -> list[Example]:
    """Draw scenes of the built-in benchmark, with a question about each.

    Args:
        count: how many.
    """
    from labels.scenes.benchmark import ask_questions, render_scene

    return [
        Example(write_data_uri(render_scene("test", index)), question.question)
        for index in range(count)
        for question in ask_questions("test", index, 1)
    ]
