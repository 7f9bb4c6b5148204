"""From the body of a request to what `AdaptiveM3` is asked."""

from collections.abc import Sequence

from PIL import Image

from m3_backbone.inference.sampling import Sampling
from predictor.requests.knobs import Knob
from predictor.requests.request import Request
from predictor.requests.turns import Role, Turn, join_texts
from scripts.serving.errors import ApiError
from scripts.serving.images.loader import ImageLoader
from scripts.serving.schemas import AskedKnob, ChatRequest, ImagePart, Message, TextPart

MAX_CHARACTERS = 100_000
"""Text of a conversation; more has no place in any model, and takes long to cut into tokens."""


class RequestParser:
    """Makes requests of bodies.

    Attributes:
        default: the operating point of requests that name none.
    """

    def __init__(
        self, loader: ImageLoader, default: Knob, max_images: int, max_new_tokens: int
    ) -> None:
        """Set the bounds.

        Args:
            loader: opens the images.
            default: the operating point of requests that name none.
            max_images: most images of a conversation.
            max_new_tokens: longest answer, and that of requests which name none.
        """
        self.default = default
        self._loader = loader
        self._max_images = max_images
        self._max_new_tokens = max_new_tokens

    async def parse(self, body: ChatRequest) -> Request:
        """Make a request; cheap checks come first, images last.

        Args:
            body: what the client sent.

        Raises:
            ApiError: if it is beyond a bound, or cannot be understood.
        """
        parts = [part for message in body.messages for part in message.parts]
        images = sum(isinstance(part, ImagePart) for part in parts)
        if images > self._max_images:
            raise ApiError(
                400, f"got {images} images, {self._max_images} is most", None, "messages"
            )
        letters = sum(len(part.text) for part in parts if isinstance(part, TextPart))
        if letters > MAX_CHARACTERS:
            raise ApiError(400, f"the text has {letters} letters, {MAX_CHARACTERS} is most")
        try:
            knob = self.default if body.m3scale is None else read_knob(body.m3scale)
            sampling = self._read_sampling(body)
            turns: list[Turn] = []
            for message in body.messages:
                turns.append(await self._open(turns, message))
            return Request(tuple(turns), knob, sampling)
        except ValueError as error:
            raise ApiError(400, str(error)) from error

    def _read_sampling(self, body: ChatRequest) -> Sampling:
        asked = body.token_limit
        if asked is not None and asked > self._max_new_tokens:
            raise ValueError(f"an answer may have {self._max_new_tokens} tokens, got {asked}")
        return Sampling(
            max_new_tokens=self._max_new_tokens if asked is None else asked,
            temperature=body.temperature or 0.0,
            top_p=1.0 if body.top_p is None else body.top_p,
            seed=body.seed,
            stop=tuple(body.stop or ()),
            top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        )

    async def _open(self, before: Sequence[Turn], message: Message) -> Turn:
        """Open the images of a message, those of the turns before it being open."""
        role: Role = "system" if message.role == "developer" else message.role
        texts, images = [], []
        taken = sum(_count_pixels(one) for turn in before for one in turn.pictures)
        for place, part in enumerate(message.parts):
            if isinstance(part, TextPart):
                texts.append(part.text)
            else:
                name = f"messages.{len(before)}.content.{place}.image_url"
                images.append(await self._loader.load(part.image_url.url, name, taken))
                taken += _count_pixels(images[-1])
        return Turn(role, join_texts(texts), tuple(images))


def _count_pixels(image: Image.Image) -> int:
    return image.width * image.height


def read_knob(asked: AskedKnob) -> Knob:
    """Read the operating point of a request; what cannot be one raises the ValueError of `Knob`."""
    return Knob(asked.budget, asked.unit, asked.drop, asked.certified, asked.lam, asked.scale)
