"""What a router gets to see of a question and its image, as plain arrays.

The first functions are methods of `M3Backbone`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from m3_backbone.inference.encoding import PreparedImage
from m3_backbone.inference.execution import evaluating
from m3_backbone.inference.prefill import read_last_states
from m3_backbone.inference.pyramids import Seen, check_length, read_level
from m3_backbone.pooling import Pyramid

if TYPE_CHECKING:
    from m3_backbone.backbone import M3Backbone

LEVELS = (1, 2, 4, 8, 16)
"""Pixels along the side of the squares that are averaged before edges are measured."""

BINS = 32

EDGE = 0.5
"""A step between neighbours that counts as an edge [deviations of the normalised pixels]."""


ROWS = 32
"""Prompts that are read at once for their states."""


def coarse_tokens(self: "M3Backbone", pyramids: Sequence[Seen]) -> NDArray[np.float32]:
    """Join the base crop's tokens at the two smallest scales, the router's view of an image.

    Args:
        self: the backbone.
        pyramids: what `encode` gave, one a question; or several, whose mean is taken.

    Returns:
        Tokens [n, t, D] with the smallest scale first; t is 10 for scales 1 and 9.
    """
    return join_coarse_tokens(pyramids, self.scales[:2], self.hidden_size)


def question_embedding(self: "M3Backbone", questions: Sequence[str]) -> NDArray[np.float32]:
    """Average the language model's input embeddings over each question's own tokens.

    Args:
        self: the backbone.
        questions: what is asked; no template is added.

    Returns:
        Embeddings [n, D].
    """
    ids = self._engine.prompts.question_ids(questions)
    table: Any = self.model.get_input_embeddings().weight
    return average_embeddings(table, ids)


def prompt_states(
    self: "M3Backbone", pyramids: Sequence[Seen], questions: Sequence[str]
) -> NDArray[np.float32]:
    """Read each prompt at the second smallest scale and take the state that would begin the answer.

    That is 9 tokens where scales start 1, 9: a router does better with it than with 1, for a third
    more time.

    Args:
        self: the backbone.
        pyramids: what `encode` gave, one (or several) a question.
        questions: what is asked.

    Returns:
        The last layer's hidden state at the last place of each prompt [n, D].
    """
    check_length("pyramids", pyramids, len(questions))
    scale = self.scales[:2][-1]
    shown = [read_level(seen, scale, fixed=self.layout is None) for seen in pyramids]
    prompts = self._engine.tokenize(questions, list(map(len, shown)), 1)
    image_id, pad_id = self.model.config.image_token_id, self._engine.pad_id
    ids = [p.with_image(image_id, len(tokens)) for p, tokens in zip(prompts, shown, strict=True)]
    # Rows of like length together, so that little is padded.
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    rows: dict[int, Tensor] = {}
    for start in range(0, len(order), ROWS):
        batch = order[start : start + ROWS]
        with evaluating(self.model):
            parts = ([ids[i] for i in batch], [shown[i] for i in batch])
            rows.update(zip(batch, read_last_states(self.model, *parts, pad_id), strict=True))
    return _as_array([rows[i] for i in range(len(ids))], (self.hidden_size,))


def join_coarse_tokens(
    pyramids: Sequence[Seen], scales: Sequence[int], hidden: int
) -> NDArray[np.float32]:
    """Join the tokens of a few scales of each image's base crop.

    The base crop is the whole image, and its tokens come first in whatever way crops are merged. So
    a router sees equally many tokens of every image, and for a model that sees an image as one crop
    these are all its tokens. Of several images it sees their mean, place by place. How many they
    are is no feature: it would change the layout for one image, and it enters the choice as cost.

    Args:
        pyramids: tokens of each image (or of each question's several images) at every scale.
        scales: the scales to join, in this order.
        hidden: width D of a token; the shape of an empty result needs it.

    Returns:
        Tokens [n, sum of scales, D].
    """
    rows = [_mean_coarse([seen] if isinstance(seen, dict) else seen, scales) for seen in pyramids]
    return _as_array(rows, (sum(scales), hidden))


def _mean_coarse(pyramids: Sequence[Pyramid], scales: Sequence[int]) -> Tensor:
    each = [torch.cat([pyramid[scale][:scale] for scale in scales]) for pyramid in pyramids]
    return torch.stack(each).float().mean(0)


def average_embeddings(table: Tensor, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Average the embeddings of each row of token ids.

    Args:
        table: embedding of every token [V, D].
        ids: token ids of each question, none of them empty.

    Returns:
        Mean embeddings [n, D].
    """
    table = table.detach()
    rows = [table[torch.tensor(row, device=table.device)].float().mean(0) for row in ids]
    return _as_array(rows, (table.shape[1],))


def _as_array(rows: Sequence[Tensor], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if not rows:
        return np.zeros((0, *shape), np.float32)
    array: NDArray[np.float32] = torch.stack(list(rows)).float().cpu().numpy()
    return array


def image_statistics(self: "M3Backbone", image: Image.Image | PreparedImage) -> NDArray[np.float32]:
    """Measure an image as the vision tower would see it; a method of `M3Backbone`.

    Args:
        self: the backbone.
        image: a PIL image of any mode, or what `prepare` made of it.

    Returns:
        Logarithms of width and height, mean and deviation of the brightness, its entropy [nats],
        the logarithm of the number of colours, then for each of `LEVELS`, sideways and downwards,
        the mean step between neighbours and the share of steps that are edges [26].
    """
    ready = image if isinstance(image, PreparedImage) else self.prepare(image)
    # Of an image that is cut into crops, the first is the whole one.
    pixels = (ready.pixels[0] if ready.pixels.ndim == 4 else ready.pixels).float().cpu()
    grey = pixels.mean(0)
    width, height = (float(np.log(side)) for side in ready.size)
    found = [width, height, float(grey.mean()), float(grey.std()), _entropy(grey), _colours(pixels)]
    for level in LEVELS:
        found += _edges(F.avg_pool2d(grey[None], level)[0])
    return np.array(found, np.float32)


def _entropy(grey: Tensor) -> float:
    low, high = float(grey.min()), float(grey.max())
    shares = torch.histc(grey, BINS, low, high) / grey.numel()
    return float(-torch.xlogy(shares, shares).sum())


def _colours(pixels: Tensor) -> float:
    # Half a deviation a step: about eight steps a channel.
    steps = torch.round(2 * pixels).clamp(-8, 7).long() + 8
    return float(np.log(len(torch.unique(steps[0] * 256 + steps[1] * 16 + steps[2]))))


def _edges(grey: Tensor) -> list[float]:
    steps = [torch.diff(grey, dim=dim).abs() for dim in (1, 0)]
    return [float(value) for step in steps for value in (step.mean(), (step > EDGE).float().mean())]
