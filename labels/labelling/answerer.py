"""The interface that labelling needs of a model: it encodes images and answers questions.

`m3_backbone.backbone.M3Backbone` has it, and so have the fakes of tests. What this is not: a base
class; nothing inherits from it.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from m3_backbone.inference.sampling import Samplings

Encoded = Any
"""One image as `encode` gives it, which labelling hands back unchanged; a list of these where a
question is about several images."""

Ready = Any
"""An image as `prepare` gives it, which labelling hands to `encode` unchanged."""


class AnswerLike(Protocol):
    """One answer and what it took."""

    @property
    def text(self) -> str:
        """The answer."""
        ...

    @property
    def visual_tokens(self) -> int:
        """Visual tokens in its prompt."""
        ...

    @property
    def prompt_tokens(self) -> int:
        """All input tokens, visual ones included."""
        ...

    @property
    def output_tokens(self) -> int:
        """Generated tokens."""
        ...

    @property
    def mean_logprob(self) -> float:
        """Mean log-probability of the generated tokens."""
        ...

    @property
    def first_margin(self) -> float:
        """Log-probability of the first token minus that of the runner-up."""
        ...

    @property
    def wall_ms(self) -> float:
        """Share of its batch's time in milliseconds, vision not included."""
        ...

    @property
    def batch_size(self) -> int:
        """Answers of its batch, itself included."""
        ...

    @property
    def batch_shape(self) -> str:
        """Rows x answers per row x tokens per row of the batch."""
        ...


class Answerer(Protocol):
    """A model that answers at several scales; all batches keep the caller's order."""

    @property
    def scales(self) -> tuple[int, ...]:
        """Scales it can answer at, ascending."""
        ...

    @property
    def fingerprint(self) -> str:
        """Content hash of the checkpoint."""
        ...

    @property
    def dtype_name(self) -> str:
        """Number format of its weights."""
        ...

    @property
    def pooling(self) -> str:
        """How visual tokens are reduced, one of `m3_backbone.pooling.POOLING_METHODS`."""
        ...

    @property
    def attention(self) -> str:
        """Implementation of its attention, such as `sdpa`."""
        ...

    def prepare(self, image: Image.Image) -> Ready:
        """Preprocess an image for `encode`; called in other threads."""
        ...

    def image_flops(self, image: Ready) -> float:
        """Count the FLOPs of encoding an image."""
        ...

    def prompt(self, question: str) -> str:
        """Put a question into the model's template."""
        ...

    def encode(self, images: Sequence[Ready]) -> list[Encoded]:
        """Encode images once, for all scales."""
        ...

    def answer_images(
        self,
        pyramids: Sequence[Encoded],
        questions: Sequence[Sequence[str]],
        scale: int,
        *,
        sampling: Samplings,
        token_budget: int,
        closing: Sequence[Sequence[Sequence[str]]] | None,
    ) -> Sequence[Sequence[AnswerLike]]:
        """Answer several questions about each of several images at one scale."""
        ...

    def reference_losses(
        self,
        pyramids: Sequence[Encoded],
        questions: Sequence[str],
        answers: Sequence[str],
        scale: int,
    ) -> Sequence[float]:
        """Measure the mean negative log-likelihood of one given answer per question [nats]."""
        ...

    def answer_flops(self, answer: Any) -> float:
        """Count the FLOPs of an answer, vision not included."""
        ...

    def coarse_tokens(self, pyramids: Sequence[Encoded]) -> NDArray[np.float32]:
        """Give the tokens of the two smallest scales, the mean over several images [n, t, D]."""
        ...

    def question_embedding(self, questions: Sequence[str]) -> NDArray[np.float32]:
        """Embed questions without the template [n, D]."""
        ...

    def image_statistics(self, image: Ready) -> NDArray[np.float32]:
        """Measure the pixels of an image [w]; only called for the extra `pixels`."""
        ...

    def prompt_states(
        self, pyramids: Sequence[Encoded], questions: Sequence[str]
    ) -> NDArray[np.float32]:
        """Give the state at the end of each prompt [n, D]; only called for the extra `state`."""
        ...
