"""Routing requests: checks them against model and router, encodes images, chooses scales.

It does not answer them; `AdaptiveM3` does.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from m3_backbone.arguments import check_kind, check_number
from m3_backbone.backbone import AnswerRequest, AnswerStream, Chat, M3Backbone, Pyramid
from m3_backbone.half import to_half
from m3_backbone.scales import check_scale
from predictor.bundle.bundle import RouterBundle
from predictor.data import FloatArray
from predictor.features.outliers import OUTLIER
from predictor.policy.budgets import OperatingPoint
from predictor.requests.choosing import choose_scales
from predictor.requests.decisions import Decision
from predictor.requests.knobs import Knob
from predictor.requests.request import Request

RouterInputs: TypeAlias = tuple[FloatArray, FloatArray, dict[str, FloatArray]]
"""Coarse tokens [n, t, D], question embeddings [n, D] and extra blocks by name [n, width]."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CheckedRequest:
    """A request that can be answered.

    Attributes:
        request: the request.
        chat: its words, as the model takes them.
        point: its operating point; None where its scale is given.
        room: most visual tokens beside words and answer.
    """

    request: Request
    chat: Chat
    point: OperatingPoint | None
    room: int


@dataclass(frozen=True, eq=False)
class RoutedRequest:
    """A request whose scale is chosen.

    Attributes:
        checked: the request.
        places: tokens of the images of each turn that shows any.
        inputs: features of the router, one row.
        scale: the scale.
        reason: why, one of `REASONS`.
        probabilities: P(correct) at each of the router's scales.
        encode_ms: time of encoding its batch, divided by the requests in it [ms].
        router_ms: the same of routing [ms].
    """

    checked: CheckedRequest
    places: Sequence[Sequence[Pyramid]]
    inputs: RouterInputs
    scale: int
    reason: str
    probabilities: dict[int, float]
    encode_ms: float
    router_ms: float

    @property
    def request(self) -> Request:
        """The request itself."""
        return self.checked.request

    @property
    def pyramids(self) -> list[Pyramid]:
        """Tokens of all images."""
        return [pyramid for place in self.places for pyramid in place]

    def for_model(self, stream: AnswerStream | None = None) -> AnswerRequest:
        """Give the request as the model takes it."""
        sampling = self.request.sampling
        return AnswerRequest(self.checked.chat, self.places, self.scale, sampling, stream)

    def decide(
        self, prompt_tokens: int, output_tokens: int, finish_reason: str, generate_ms: float
    ) -> Decision:
        """Record the choice beside the numbers of its answer; see `Decision`."""
        return Decision(
            scale=self.scale,
            reason=self.reason,
            probabilities=self.probabilities,
            knob=self.request.knob.to_dict(),
            images=len(self.request.pictures),
            turns=len(self.request.turns),
            visual_tokens=sum(len(pyramid[self.scale]) for pyramid in self.pyramids),
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            finish_reason=finish_reason,
            encode_ms=self.encode_ms,
            router_ms=self.router_ms,
            generate_ms=generate_ms,
        )


class RequestRouter:
    """Checks requests and chooses their scales.

    Attributes:
        outlier: share of the calibration split beyond which the largest scale is taken; 0 is never.
    """

    def __init__(
        self, backbone: M3Backbone, router: RouterBundle, outlier: float | None = None
    ) -> None:
        """Join a model's vision side and its router.

        Args:
            backbone: the model.
            router: the router.
            outlier: `OUTLIER` if left out, where the router can tell.

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
        if router.gate is None:
            _LOG.warning("this router cannot tell unfamiliar inputs; train it again if it should")
        if outlier is None:
            outlier = OUTLIER if router.gate is not None else 0.0
        self.outlier = check_number("outlier", outlier, 0, 1)
        self._backbone = backbone
        self._router = router
        # Requests come with few knobs, each of which takes a look at the router's tables.
        self._find_point = lru_cache(maxsize=64)(lambda knob: knob.operating_point(router))

    def check(self, request: Request) -> CheckedRequest:
        """Refuse a request that cannot be answered, before any work.

        Args:
            request: the request.

        Raises:
            ValueError: if the model cannot read it, or the router has no such operating point.
        """
        check_kind("request", request, Request)
        chat = write_chat(request)
        room = self._backbone.count_room(chat, request.sampling.max_new_tokens)
        least = self._router.scales[0] if request.knob.scale is None else request.knob.scale
        check_scale(least, self._backbone.scales)
        needed = sum(self._backbone.count_visual(image, least) for image in request.pictures)
        if needed > room:
            raise ValueError(
                f"beside text and answer there is room for {max(room, 0)} visual tokens, and "
                f"{len(request.pictures)} images take {needed} at scale {least}: shorten the "
                "conversation, show fewer images, or ask for a shorter answer"
            )
        # Last, and no embedding: what has no room may be very long, and this runs in many threads.
        self._backbone.check_question(request.question)
        if request.knob.scale is not None:
            return CheckedRequest(request, chat, None, room)
        point = self._find_point(request.knob)
        # What a point cannot price is found out on a made-up question.
        scales = np.array(self._router.scales, np.float64)
        point.choose(np.full((1, len(scales)), 0.5), scales)
        return CheckedRequest(request, chat, point, room)

    def route(self, checked: Sequence[CheckedRequest]) -> list[RoutedRequest]:
        """Choose the scales of requests in one batch.

        Args:
            checked: what `check` gave.

        Returns:
            The requests in their order.
        """
        start = time.perf_counter()
        places = encode_images(self._backbone, [one.request for one in checked])
        encoded = time.perf_counter()
        seen = [[pyramid for place in one for pyramid in place] for one in places]
        inputs = self._read_inputs(checked, seen)
        choices = self._choose(checked, seen, inputs)
        ended = time.perf_counter()
        times = (1000 * t / len(checked) for t in (encoded - start, ended - encoded))
        encode_ms, router_ms = times
        return [
            RoutedRequest(one, place, _take_row(inputs, row), *choice, encode_ms, router_ms)
            for row, (one, place, choice) in enumerate(zip(checked, places, choices, strict=True))
        ]

    def choose_again(self, routed: RoutedRequest, knob: Knob) -> RoutedRequest:
        """Choose the scale of a request by another knob; the model is not asked again.

        Args:
            routed: what `route` gave.
            knob: the knob; refused with a ValueError as by `check`.

        Returns:
            The same request with that knob, and the scale that it leads to.
        """
        check_kind("routed", routed, RoutedRequest)
        checked = self.check(replace(routed.request, knob=knob))
        [choice] = self._choose([checked], [routed.pyramids], routed.inputs)
        scale, reason, probabilities = choice
        return replace(
            routed, checked=checked, scale=scale, reason=reason, probabilities=probabilities
        )

    def _choose(
        self,
        checked: Sequence[CheckedRequest],
        seen: Sequence[Sequence[Pyramid]],
        inputs: RouterInputs,
    ) -> list[tuple[int, str, dict[int, float]]]:
        """Give the scale of each request, the reason, and P(correct) at each of the scales."""
        points = [one.point for one in checked]
        probabilities = {True: self._router.predict_proba(*inputs)}
        if any(point is not None and not point.calibrated for point in points):
            probabilities[False] = self._router.predict_raw(*inputs)
        room = np.array([one.room for one in checked])
        outside = self._find_outside(inputs)
        tokens = self._count_tokens(seen)
        columns, reasons = choose_scales(points, probabilities, tokens, room, outside)
        ladder = self._router.scales
        given = [one.request.knob.scale for one in checked]
        scales = [
            ladder[column] if scale is None else int(scale)
            for column, scale in zip(columns, given, strict=True)
        ]
        by_scale = [dict(zip(ladder, row, strict=True)) for row in probabilities[True].tolist()]
        return list(zip(scales, reasons, by_scale, strict=True))

    def _read_inputs(
        self, checked: Sequence[CheckedRequest], seen: Sequence[Sequence[Pyramid]]
    ) -> RouterInputs:
        """Read what the router looks at, rounded as labelling stores it."""
        model = self._backbone
        questions = [one.request.question for one in checked]
        coarse = _as_labelled(model.coarse_tokens(seen), "coarse tokens")
        question = _as_labelled(model.question_embedding(questions), "question embeddings")
        extras = {}
        if "pixels" in self._router.extras:
            groups = [one.request.pictures for one in checked]
            # By identity: an image that several questions share is measured once.
            distinct = {id(image): image for group in groups for image in group}
            measured = {key: model.image_statistics(one) for key, one in distinct.items()}
            # Of several images the mean, as of their coarse tokens.
            rows = [np.mean([measured[id(image)] for image in group], axis=0) for group in groups]
            extras["pixels"] = _as_labelled(np.stack(rows), "image statistics")
        if "state" in self._router.extras:
            extras["state"] = _as_labelled(model.prompt_states(seen, questions), "prompt states")
        return coarse, question, extras

    def _count_tokens(self, seen: Sequence[Sequence[Pyramid]]) -> FloatArray:
        """Count the visual tokens of each scale [n, s]: of all images, and of all their crops."""
        rows = [
            [sum(len(pyramid[scale]) for pyramid in group) for scale in self._router.scales]
            for group in seen
        ]
        return np.array(rows, np.float64)

    def _find_outside(self, inputs: RouterInputs) -> NDArray[np.bool_]:
        coarse, question, _ = inputs
        if not self.outlier or self._router.gate is None:
            return np.zeros(len(question), np.bool_)
        return self._router.gate.find_outside(coarse, question, self.outlier)


def _take_row(inputs: RouterInputs, row: int) -> RouterInputs:
    coarse, question, extras = inputs
    one = slice(row, row + 1)
    # Copies: a part of the batch's arrays would keep all of them.
    return coarse[one].copy(), question[one].copy(), {k: v[one].copy() for k, v in extras.items()}


def encode_images(backbone: M3Backbone, requests: Sequence[Request]) -> list[list[list[Pyramid]]]:
    """Encode the images of each turn that shows any, of each request."""
    # One flat batch for the model, dealt out to the turns in the same order.
    pyramids = iter(backbone.encode([image for one in requests for image in one.pictures]))
    return [
        [[next(pyramids) for _ in turn.pictures] for turn in one.turns if turn.pictures]
        for one in requests
    ]


def write_chat(request: Request) -> Chat:
    """Pair each question with its answer, the last one with none, as the model takes them."""
    spoken = request.turns if request.system is None else request.turns[1:]
    said = [turn.text for turn in spoken[1::2]] + [""]
    turns = tuple(
        (int(bool(asked.pictures)), asked.text, answer)
        for asked, answer in zip(spoken[::2], said, strict=True)
    )
    return Chat(turns, request.system)


def _as_labelled(features: FloatArray, what: str) -> FloatArray:
    # The router was trained on what labelling stores.
    return to_half(features, what).astype(np.float32)
