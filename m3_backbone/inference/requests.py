"""Requests to an engine: a conversation and the visual tokens of its images."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from m3_backbone.inference.conversations import Chat
from m3_backbone.inference.prompts import TokenizedPrompt
from m3_backbone.inference.pyramids import Pyramids, take_tokens
from m3_backbone.inference.sampling import Sampling
from m3_backbone.inference.streaming import AnswerStream


@dataclass(frozen=True, eq=False)
class AnswerRequest:
    """A conversation to answer at a scale.

    Attributes:
        chat: what was said.
        pyramids: tokens of the image or images of each of its questions that shows any.
        scale: visual tokens per image crop.
        sampling: how the answer is generated.
        stream: gets the answer's text while it is generated.
    """

    chat: Chat
    pyramids: Sequence[Pyramids]
    scale: int
    sampling: Sampling = field(default_factory=Sampling)
    stream: AnswerStream | None = None

    def take_tokens(self, fixed: bool) -> list[Tensor]:
        """Take the visual tokens of each place [n_visual, D], see `pyramids.take_tokens`.

        Raises:
            ValueError: if there are not as many places as the conversation has.
        """
        if len(self.pyramids) != self.chat.places:
            raise ValueError(
                f"the conversation shows images in {self.chat.places} places, got pyramids for "
                f"{len(self.pyramids)}"
            )
        return [take_tokens(one, self.scale, fixed) for one in self.pyramids]


@dataclass(frozen=True, eq=False)
class TokenizedRequest:
    """A request as the model reads it.

    Attributes:
        prompt: ids around the images.
        features: visual tokens, place after place [n_visual, D].
        scale: visual tokens per image crop.
        sampling: how the answer is generated.
        stream: gets the answer's text while it is generated.
    """

    prompt: TokenizedPrompt
    features: Tensor
    scale: int
    sampling: Sampling
    stream: AnswerStream | None = None

    @classmethod
    def of(
        cls, request: AnswerRequest, prompt: TokenizedPrompt, tokens: Sequence[Tensor]
    ) -> "TokenizedRequest":
        """Join a request's prompt and the visual tokens of each place."""
        joined = tokens[0] if len(tokens) == 1 else torch.cat(list(tokens))
        return cls(prompt, joined, request.scale, request.sampling, request.stream)

    @property
    def length(self) -> int:
        """Tokens that are read."""
        return self.prompt.text_tokens() + len(self.features)

    @property
    def size(self) -> int:
        """Tokens in the cache, with the answer at its longest."""
        return self.length + self.sampling.max_new_tokens
