"""What answers a harness: a model with a router, or one at a scale that stays."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scripts.harnesses.model_args import ModelArgs
from scripts.stages.model import open_backbone

if TYPE_CHECKING:
    from m3_backbone.backbone import Answer, M3Backbone
    from predictor.adaptive import AdaptiveM3
    from predictor.requests.knobs import Knob
    from predictor.requests.request import Request


class FixedScale:
    """A model that answers all requests at one scale, whatever their knob; it needs no router.

    Attributes:
        backbone: the model.
        scale: visual tokens per image crop.
    """

    def __init__(self, backbone: "M3Backbone", scale: int) -> None:
        """Take a model and a scale, with a ValueError if it is none of the model's."""
        from m3_backbone.scales import check_scale

        self.backbone = backbone
        self.scale = check_scale(scale, backbone.scales)

    def answer(self, requests: "Sequence[Request]") -> "list[Answer]":
        """Answer requests in one batch.

        Args:
            requests: the requests.

        Returns:
            Answers in the caller's order.
        """
        from m3_backbone.backbone import AnswerRequest
        from predictor.requests.routing import encode_images, write_chat

        pairs = zip(requests, encode_images(self.backbone, requests), strict=True)
        return self.backbone.answer(
            [AnswerRequest(write_chat(one), seen, self.scale, one.sampling) for one, seen in pairs]
        )


def open_model(args: ModelArgs) -> "tuple[AdaptiveM3 | FixedScale, Knob]":
    """Open a model, and its router if one is named.

    Args:
        args: which, and how they answer.

    Returns:
        What answers, and the operating point of its requests.
    """
    from predictor.adaptive import AdaptiveM3
    from predictor.bundle.hub import open_router
    from predictor.requests.knobs import Knob

    if args.router is None:
        scale = args.settings.scale or 0
        return FixedScale(open_backbone(args.opening, engine=args.engine), scale), Knob(scale=scale)

    # The router first, and whether it has this operating point: the model takes longer.
    router = open_router(args.router)
    knob = args.settings.knob(router)
    knob.operating_point(router)
    backbone = open_backbone(args.opening, engine=args.engine)
    return AdaptiveM3(backbone, router, outlier=args.settings.outlier), knob
