"""AdaptiveM3: the one place where router and model meet.

Encodes each image once, asks the router which scale each question needs, and answers once. It
neither trains nor labels; the router without a model is `predictor.bundle.bundle.RouterBundle`.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from m3_backbone.backbone import BUILT_IN, Answer, M3Backbone, Pyramids
from m3_backbone.half import to_half
from predictor.bundle.bundle import RouterBundle
from predictor.bundle.hub import open_router
from predictor.data import TOKENS, FloatArray
from predictor.policy.budgets import OperatingPoint
from predictor.policy.prices import Price

Images: TypeAlias = Image.Image | list[Image.Image] | tuple[Image.Image, ...]
"""What one question is about: one image, or several such as the frames of a video."""

_LOG = logging.getLogger(__name__)

OUTLIER = 0.02
"""Share of inputs like the calibration split's that are taken for unfamiliar, by default."""

RouterInputs: TypeAlias = tuple[FloatArray, FloatArray, dict[str, FloatArray]]
"""Coarse tokens [n, t, D], question embeddings [n, D] and extra blocks by name [n, width]."""


@dataclass(frozen=True)
class AdaptiveAnswer:
    """An answer and how its scale came about.

    Attributes:
        text: the answer.
        scale: visual tokens per image crop that were chosen.
        visual_tokens: visual tokens that were read.
        probabilities: the router's P(correct) at each scale.
        router_ms: time of routing one question of this call, features included [ms].
        answer: the model's answer with all its numbers.
        fell_back: whether image or question were too unlike the training split, so that the
            largest scale was taken instead of the router's.
    """

    text: str
    scale: int
    visual_tokens: int
    probabilities: dict[int, float]
    router_ms: float
    answer: Answer
    fell_back: bool = False

    @property
    def unfamiliar(self) -> bool:
        """Whether the router did not know its way; another name of `fell_back`."""
        return self.fell_back


class AdaptiveM3:
    """A model and the router that was trained for it.

    Attributes:
        backbone: the model.
        router: the router.
        outlier: what is farther out than all but this share of the calibration split is answered
            at the largest scale.
    """

    def __init__(
        self, backbone: M3Backbone, router: RouterBundle, *, outlier: float | None = None
    ) -> None:
        """Join a model and its router.

        Args:
            backbone: the model.
            router: the router.
            outlier: share of the calibration split beyond which a question is too unlike it for
                the router; 0 never is. `OUTLIER` if left out, where the router can tell. The mean
                budget then holds for the rest.

        Raises:
            ValueError: if the router was trained for another checkpoint, for other scales or on
                states of prompts that the model's engine does not give, or it cannot tell what is
                unlike its training split and `outlier` is not 0.
        """
        trained_for = router.meta.get("checkpoint")
        if trained_for != backbone.fingerprint:
            raise ValueError(
                f"the router was trained for checkpoint {trained_for!r}, the model is "
                f"{backbone.fingerprint!r}: label and train with this model"
            )
        if not set(router.scales) <= set(backbone.scales):
            raise ValueError(
                f"the router chooses among scales {router.scales}, the model has {backbone.scales}"
            )
        if "state" in router.extras and not backbone.gives_states:
            raise ValueError(
                "this router reads the model's state at the end of a prompt, which vLLM does not "
                "give: use the built-in engine, or train without --extra state"
            )
        if outlier and router.gate is None:
            raise ValueError(
                "this router has no density gate; train it again, or leave out outlier"
            )
        if outlier is None:
            outlier = OUTLIER if router.gate is not None else 0.0
        if router.gate is None:
            _LOG.warning("this router cannot tell unfamiliar inputs; train it again if it should")
        self.outlier = outlier
        self.backbone = backbone
        self.router = router

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
        return cls(backbone, bundle)

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
        """Answer one question per image, each at the scale it needs.

        A question about several images is routed by the mean of their coarse tokens, and all of
        them are read at the one scale that is chosen; that costs the sum of their tokens.

        Args:
            images: PIL images, one per question, or a list of several; an image that comes several
                times is encoded once.
            questions: what is asked.
            budget: largest mean cost per question, over questions like those of the calibration
                split.
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
        if unit != TOKENS and budget is None:
            raise ValueError("unit goes with budget: say how many")
        if len(images) != len(questions):
            raise ValueError(f"got {len(images)} images for {len(questions)} questions")
        if not questions:
            return []
        # Before the model runs, so that a budget that is refused costs no time.
        point = self._find_point(budget, unit, lam)
        routed = self._route(images, questions, point, scales)
        answers = self.backbone.generate(
            routed.pyramids, questions, routed.scales, max_new_tokens=max_new_tokens
        )
        return [routed.describe(answer, row) for row, answer in enumerate(answers)]

    async def stream(
        self,
        images: Images,
        question: str,
        *,
        lam: float | OperatingPoint,
        max_new_tokens: int = 16,
    ) -> AsyncIterator[str | AdaptiveAnswer]:
        """Answer one question piece by piece, beside whatever else an event loop does.

        Args:
            images: a PIL image, or a list of several.
            question: what is asked.
            lam: price of one visual token, or operating point, as in `generate`.
            max_new_tokens: longest answer [tokens].

        Yields:
            Pieces of the answer's text as they come, all at once from the built-in engine, and at
            last the whole answer.
        """
        point = self._find_point(None, TOKENS, lam)
        routed = await asyncio.to_thread(self._route, [images], [question], point, None)
        [pyramids], [scale] = routed.pyramids, routed.scales
        pieces = self.backbone.stream(pyramids, question, scale, max_new_tokens=max_new_tokens)
        async for piece in pieces:
            yield piece if isinstance(piece, str) else routed.describe(piece, 0)

    def _route(
        self,
        images: Sequence[Images],
        questions: Sequence[str],
        point: OperatingPoint,
        scales: Sequence[int] | int | None,
    ) -> "_Routed":
        pyramids = self._encode(images)
        start = time.perf_counter()
        inputs = self._read_inputs(images, pyramids, questions)
        probabilities = self.router.predict_proba(*inputs)  # [n, s]
        outside = np.zeros(len(questions), np.bool_)
        if scales is None:
            outside = self._find_outside(inputs)
            believed = probabilities if point.calibrated else self.router.predict_raw(*inputs)
            chosen = point.choose(believed, self._costs(pyramids))  # [n]
            chosen = np.where(outside, len(self.router.scales) - 1, chosen)
            scales = [self.router.scales[column] for column in chosen]
        elif isinstance(scales, int):
            scales = [scales] * len(questions)
        router_ms = 1000 * (time.perf_counter() - start) / len(questions)
        ladder = self.router.scales
        return _Routed(pyramids, scales, ladder, probabilities, outside, router_ms)

    def _find_point(
        self, budget: float | None, unit: str, lam: float | OperatingPoint | None
    ) -> OperatingPoint:
        if budget is not None:
            return self.router.price(budget, unit)
        return lam if isinstance(lam, OperatingPoint) else Price(lam or 0.0)

    def _read_inputs(
        self, images: Sequence[Images], pyramids: Sequence[Pyramids], questions: Sequence[str]
    ) -> RouterInputs:
        """Read what the router looks at, rounded as labelling stores it."""
        coarse = _as_labelled(self.backbone.coarse_tokens(pyramids), "coarse tokens")
        question = _as_labelled(self.backbone.question_embedding(questions), "question embeddings")
        extras = {}
        if "pixels" in self.router.extras:
            groups = _group(images)
            # By identity: an image that several questions share is measured once.
            distinct = {id(image): image for group in groups for image in group}
            measured = {key: self.backbone.image_statistics(one) for key, one in distinct.items()}
            # Of several images the mean, as of their coarse tokens.
            rows = [np.mean([measured[id(image)] for image in group], axis=0) for group in groups]
            extras["pixels"] = _as_labelled(np.stack(rows), "image statistics")
        if "state" in self.router.extras:
            states = self.backbone.prompt_states(pyramids, questions)
            extras["state"] = _as_labelled(states, "prompt states")
        return coarse, question, extras

    def _encode(self, images: Sequence[Images]) -> list[Pyramids]:
        groups = _group(images)
        for number, group in enumerate(groups):
            if not group:
                raise ValueError(f"question {number} needs at least one image, got an empty list")
        # One flat batch for the model, dealt out to the questions in the same order.
        pyramids = iter(self.backbone.encode([image for group in groups for image in group]))
        return [
            next(pyramids) if len(group) == 1 else [next(pyramids) for _ in group]
            for group in groups
        ]

    def _costs(self, pyramids: Sequence[Pyramids]) -> FloatArray:
        # What a scale costs depends on how many images there are, and on the image where a model
        # cuts images into crops.
        groups = [[one] if isinstance(one, dict) else one for one in pyramids]
        return np.array(
            [
                [sum(len(pyramid[scale]) for pyramid in group) for scale in self.router.scales]
                for group in groups
            ],
            np.float64,
        )  # [n, s]

    def _find_outside(self, inputs: RouterInputs) -> NDArray[np.bool_]:
        coarse, question, _ = inputs
        if not self.outlier or self.router.gate is None:
            return np.zeros(len(question), np.bool_)
        return self.router.gate.find_outside(coarse, question, self.outlier)


@dataclass(frozen=True)
class _Routed:
    """Questions whose scales are chosen.

    Attributes:
        pyramids: tokens of the image or images of each question.
        scales: the scale of each question.
        ladder: the router's scales, ascending.
        probabilities: its P(correct) at each of them [n, s].
        outside: which questions were too unusual for it [n].
        router_ms: time per question [ms].
    """

    pyramids: Sequence[Pyramids]
    scales: Sequence[int]
    ladder: Sequence[int]
    probabilities: FloatArray
    outside: NDArray[np.bool_]
    router_ms: float

    def describe(self, answer: Answer, row: int) -> AdaptiveAnswer:
        """Tell how the answer to question number `row` came about."""
        return AdaptiveAnswer(
            text=answer.text,
            scale=answer.scale,
            visual_tokens=answer.visual_tokens,
            probabilities=dict(zip(self.ladder, self.probabilities[row].tolist(), strict=True)),
            router_ms=self.router_ms,
            answer=answer,
            fell_back=bool(self.outside[row]),
        )


def _group(images: Sequence[Images]) -> list[list[Image.Image]]:
    """Give the images of each question, one or several."""
    return [list(one) if isinstance(one, list | tuple) else [one] for one in images]


def _as_labelled(features: FloatArray, what: str) -> FloatArray:
    # The router was trained on what labelling stores.
    return to_half(features, what).astype(np.float32)
