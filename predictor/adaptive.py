"""AdaptiveM3: the one place where router and model meet.

Encodes each image once, asks the router for the scale of each question, and answers once. It
neither trains nor labels; the router without a model is `predictor.bundle.bundle.RouterBundle`.
Requests, and records of how each scale was chosen, are in `predictor/requests/`.
"""

import logging
import threading
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from m3_backbone.arguments import check_list
from m3_backbone.backbone import BUILT_IN, Answer, AnswerRequest, AnswerStream, M3Backbone
from m3_backbone.inference.sampling import Sampling
from m3_backbone.serialization import show
from predictor.bundle.bundle import RouterBundle
from predictor.bundle.hub import open_router
from predictor.data import TOKENS
from predictor.policy.budgets import OperatingPoint
from predictor.requests.decisions import Decision, DecisionLog
from predictor.requests.dynamic_batching import DynamicBatcher
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.routing import CheckedRequest, RequestRouter, RoutedRequest
from predictor.requests.turns import ImageSource

Images: TypeAlias = ImageSource | Sequence[ImageSource]
"""What one question is about: one image, or several such as the frames of a video."""

BATCH = 32
"""Requests that are encoded, routed or answered together at most."""

Pending: TypeAlias = tuple[RoutedRequest, AnswerRequest]
"""A request that waits for its answer, and the same as the model takes it."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AdaptiveAnswer(Decision):
    """An answer and how its scale came about.

    Attributes:
        text: the answer.
        answer: the model's answer with all its numbers.
    """

    text: str
    answer: Answer

    @property
    def decision(self) -> Decision:
        """What is kept of it, without the words."""
        return Decision(**{one.name: getattr(self, one.name) for one in fields(Decision)})


class AdaptiveM3:
    """A model and the router that was trained for it.

    Attributes:
        backbone: the model.
        router: the router.
        outlier: what is farther out than all but this share of the calibration split is answered
            at the largest scale.
        log: where decisions are kept, if anywhere.
    """

    def __init__(
        self,
        backbone: M3Backbone,
        router: RouterBundle,
        *,
        outlier: float | None = None,
        log: str | Path | DecisionLog | None = None,
    ) -> None:
        """Join a model and its router.

        Args:
            backbone: the model.
            router: the router.
            outlier: share of the calibration split beyond which a question is too unlike it for
                the router; 0 never is. `OUTLIER` if left out, where the router can tell. The mean
                budget then holds for the rest. A router that does not fit the model raises the
                ValueError of `RequestRouter`.
            log: a file that gets a line for each answer, see `DecisionLog`.

        Raises:
            ValueError: if model or router is not opened, or the log is something else.
        """
        _check_opened("backbone", backbone, "M3Backbone.from_pretrained")
        _check_opened("router", router, "open_router")
        if not isinstance(log, str | Path | DecisionLog | None):
            raise ValueError(f"log must be a path or a DecisionLog, got {show(log)}")
        self._router = RequestRouter(backbone, router, outlier)
        self.outlier = self._router.outlier
        self.backbone = backbone
        self.router = router
        self.log = DecisionLog(log) if isinstance(log, str | Path) else log
        self._model_lock = threading.Lock()
        executor = ThreadPoolExecutor(1, "adaptive")
        self._routing = DynamicBatcher(self._route, executor, BATCH)
        self._answering = DynamicBatcher(self._answer, executor, BATCH, _batch_key)

    @classmethod
    def from_pretrained(  # noqa: PLR0913 - all ways of opening, each by its name
        cls,
        checkpoint: str | Path,
        router: str | Path,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        device_map: str | None = None,
        quantize: str | None = None,
        vision_tower: str | Path | None = None,
        template: str | None = None,
        engine: str = BUILT_IN,
        outlier: float | None = None,
        log: str | Path | DecisionLog | None = None,
    ) -> "AdaptiveM3":
        """Open a checkpoint and a saved router.

        Args:
            checkpoint: a folder, `m3-mini` for the embedded model, or a name on the Hub.
            router: the folder that `m3scale train` wrote for this checkpoint, or its name on the
                Hub.
            device: torch device, such as `cpu` or `cuda`.
            dtype: `float32`, `bfloat16` or `float16`.
            device_map: where each part of the model goes, such as `auto`, instead of a device.
            quantize: `8bit` or `4bit` to store the weights in few bits, on a GPU.
            vision_tower: see `M3Backbone.from_pretrained`, as for what follows.
            template: a chat template for a checkpoint that brings none.
            engine: what answers, `built-in` or `vllm`.
            outlier: see `AdaptiveM3`, as for what follows.
            log: where decisions are kept.

        Returns:
            Model and router, ready to answer.
        """
        # The router first: it is small, and often the part that is missing.
        bundle = open_router(router)
        backbone = M3Backbone.from_pretrained(
            checkpoint,
            device=device,
            dtype=dtype,
            device_map=device_map,
            quantize=quantize,
            vision_tower=vision_tower,
            template=template,
            engine=engine,
        )
        return cls(backbone, bundle, outlier=outlier, log=log)

    def generate(  # noqa: PLR0913 - the unit belongs to the budget and is given beside it
        self,
        images: Sequence[Images],
        questions: Sequence[str],
        *,
        budget: float | None = None,
        unit: str = TOKENS,
        lam: float | OperatingPoint | None = None,
        scales: Sequence[int] | int | None = None,
        max_new_tokens: int = 16,
    ) -> list[AdaptiveAnswer]:
        """Answer one question per image, each at the scale that the router picks.

        A question about several images is routed by the mean of their coarse tokens, and all of
        them are read at the one scale that is chosen; that costs the sum of their tokens.

        Args:
            images: PIL images, one per question, or a list of several; an image that comes several
                times among `BATCH` questions is encoded once.
            questions: what is asked.
            budget: mean cost per question, at most, on the calibration split; unfamiliar inputs,
                which are read at the largest scale, come on top.
            unit: what the budget counts: visual `tokens`, GFLOP (`flops`) or milliseconds (`ms`).
            lam: price of one visual token in probability, or the operating point that
                `router.certificate(...)`, `router.price(...)` or `router.price_for_drop(...)`
                gave, instead of a budget.
            scales: scales to answer at, whatever the router says, instead of a budget.
            max_new_tokens: longest answer [tokens].

        Returns:
            Answers in the caller's order.

        Raises:
            ValueError: if not just one of `budget`, `lam` and `scales` is given or there is a unit
                without a budget, if images and questions differ in number, or if one of them or
                the unit is refused.
        """
        if sum(given is not None for given in (budget, lam, scales)) != 1:
            raise ValueError("give just one of budget, lam and scales")
        images, questions = check_list("images", images), check_list("questions", questions)
        if len(images) != len(questions):
            raise ValueError(f"got {len(images)} images for {len(questions)} questions")
        count = len(questions)
        if scales is None:
            knobs = [Knob(budget=budget, unit=unit, lam=lam)] * count
        else:
            knobs = [Knob(scale=scale, unit=unit) for scale in _spread(scales, count)]
        sampling = Sampling(max_new_tokens)
        for number, shown in enumerate(images):
            if isinstance(shown, list | tuple) and not shown:
                raise ValueError(f"question {number} needs at least one image, got an empty list")
        rows = zip(images, questions, knobs, strict=True)
        return self.answer([Request.about(*row, sampling) for row in rows])

    def check(self, request: Request) -> None:
        """Refuse a request that cannot be answered, before any work, with a ValueError."""
        self._router.check(request)

    def answer(self, requests: Sequence[Request]) -> list[AdaptiveAnswer]:
        """Answer requests in batches of `BATCH`, each with its own knob, scale and sampling.

        Args:
            requests: the requests; all are checked before the first is answered.

        Returns:
            Answers in the caller's order.
        """
        checked = [self._router.check(one) for one in check_list("requests", requests, Request)]
        return [
            answer
            for start in range(0, len(checked), BATCH)
            for answer in self._answer_batch(checked[start : start + BATCH])
        ]

    async def stream(self, request: Request) -> AsyncGenerator[str | AdaptiveAnswer, None]:
        """Answer a request piece by piece; many tasks of event loops may do so at once.

        With the built-in engine, requests that come at the same time are encoded and routed in one
        batch, and answered in one where the scale is the same; vLLM batches by itself.

        Args:
            request: the request.

        Yields:
            Pieces of the answer's text as they come, and at last the whole answer. To end early,
            close the iterator: a request that is not begun is dropped then, and an answer ends.
        """
        checked = self._router.check(request)
        stream = AnswerStream()
        answer = self._answer_async(checked, stream)
        async with aclosing(stream.iterate(answer)) as pieces:
            async for piece in pieces:
                yield piece

    async def answer_async(self, request: Request) -> AdaptiveAnswer:
        """Answer a request beside others, as `stream` does, and give its whole answer alone.

        Args:
            request: the request. To end early, cancel the task.

        Returns:
            The answer.

        Raises:
            RuntimeError: if the engine gave none.
        """
        checked = self._router.check(request)
        stream = AnswerStream(in_pieces=False)
        answer = self._answer_async(checked, stream)
        async with aclosing(stream.iterate(answer)) as pieces:
            async for piece in pieces:
                if isinstance(piece, AdaptiveAnswer):
                    return piece
        raise RuntimeError("the engine gave no answer")

    async def route(self, request: Request) -> RoutedRequest:
        """Choose the scale of a request and do not answer it; many tasks may do so at once.

        Args:
            request: the request.

        Returns:
            The request with its scale, the reason and the probabilities.
        """
        return await self._routing.submit(self._router.check(request))

    def choose_again(self, routed: RoutedRequest, knob: Knob) -> RoutedRequest:
        """Choose by another knob, without the model; see `RequestRouter.choose_again`."""
        return self._router.choose_again(routed, knob)

    async def _answer_async(self, checked: CheckedRequest, stream: AnswerStream) -> AdaptiveAnswer:
        routed = await self._routing.submit(checked)
        asked = routed.for_model(stream)
        if self.backbone.continuous_batching:
            return self._finish(routed, asked, await self.backbone.answer_async(asked))
        # Seeded before it is in a batch: one that fails begins anew, behind what was streamed.
        seeded = replace(asked, sampling=asked.sampling.with_seed())
        return await self._answering.submit((routed, seeded))

    def _answer_batch(self, checked: Sequence[CheckedRequest]) -> list[AdaptiveAnswer]:
        return self._answer([(routed, routed.for_model()) for routed in self._route(checked)])

    def _route(self, checked: Sequence[CheckedRequest]) -> list[RoutedRequest]:
        with self._model_lock:
            return self._router.route(checked)

    def _answer(self, pending: Sequence[Pending]) -> list[AdaptiveAnswer]:
        with self._model_lock:
            answers = self.backbone.answer([asked for _, asked in pending])
        return [self._finish(*one, answer) for one, answer in zip(pending, answers, strict=True)]

    def _finish(
        self, routed: RoutedRequest, asked: AnswerRequest, answer: Answer
    ) -> AdaptiveAnswer:
        adaptive = _describe(routed, answer)
        # An answer that nobody waits for any more was broken off, and is none.
        if self.log is not None and not (asked.stream is not None and asked.stream.closed):
            try:
                self.log.append(adaptive.decision)
            except OSError as error:  # the answer is there, and not to be lost with its line
                _LOG.error("%s", error)
        return adaptive


def _describe(routed: RoutedRequest, answer: Answer) -> AdaptiveAnswer:
    counts = (answer.prompt_tokens, answer.output_tokens)
    decision = routed.decide(*counts, answer.finish_reason, answer.wall_ms)
    return AdaptiveAnswer(**vars(decision), text=answer.text, answer=answer)


def _batch_key(pending: Pending) -> tuple[int, int]:
    """Tell which requests are answered together: of one scale, and nearly as long at most.

    All answers of a batch are whole when the longest is.
    """
    routed, _ = pending
    return routed.scale, routed.request.sampling.max_new_tokens.bit_length()


def _check_opened(name: str, value: object, opener: str) -> None:
    """Refuse a path or a name where what lies there is meant.

    Raises:
        ValueError: if it is one, or nothing.
    """
    if value is None or isinstance(value, str | Path):
        raise ValueError(f"{name} must be an opened one, as {opener} gives, got {show(value)}")


def _spread(scales: Any, count: int) -> list[Any]:
    """Give one scale a question: one for all, or a list of as many.

    Raises:
        ValueError: if the list is longer or shorter.
    """
    if np.ndim(scales) == 0:
        return [scales] * count
    listed = list(scales)
    if len(listed) != count:
        raise ValueError(f"expected as many scales as questions: {count}, got {len(listed)}")
    return listed
