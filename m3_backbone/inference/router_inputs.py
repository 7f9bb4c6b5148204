"""What a router gets to see of a question and its image, as plain arrays."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from m3_backbone.inference.encoding import PreparedImage
from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.pyramids import Pyramids
from m3_backbone.pooling import Pyramid

SQUARES = (1, 2, 4, 8, 16)
"""Pixels along the side of the squares that are averaged before edges are measured."""

BINS = 32

EDGE = 0.5
"""A step between neighbours that counts as an edge [deviations of the normalised pixels]."""

ROWS = 32
"""Prompts that are read at once for their states."""


def read_prompt_states(
    engine: AnswerEngine, questions: Sequence[str], features: Sequence[Tensor]
) -> NDArray[np.float32]:
    """Read each prompt and take the state that would begin its answer.

    `features` are the visual tokens of each question [n_visual, D]. Gives the last layer's hidden
    state at the last place of each prompt [n, D].
    """
    config = engine.model.config
    image_id = config.image_token_id
    prompts = engine.tokenize(questions, list(map(len, features)), 1)
    ids = [p.with_image(image_id, len(f)) for p, f in zip(prompts, features, strict=True)]
    # Rows of like length together, so that little is padded.
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    states: dict[int, Tensor] = {}
    for start in range(0, len(order), ROWS):
        batch = order[start : start + ROWS]
        rows = engine.read_states([ids[i] for i in batch], [features[i] for i in batch])  # [R, D]
        states.update(zip(batch, rows, strict=True))
    width = config.get_text_config().hidden_size
    return _as_array([states[i] for i in range(len(ids))], (width,))


def join_coarse_tokens(
    pyramids: Sequence[Pyramids], scales: Sequence[int], hidden: int
) -> NDArray[np.float32]:
    """Join the tokens of a few scales of each image's base crop.

    The base crop is the whole image, and its tokens come first in whatever way crops are merged. So
    a router sees equally many tokens of every image, and for a model that sees an image as one crop
    these are all its tokens. Of several images it sees their mean, place by place. How many they
    are is no feature: it would change the layout for one image, and it enters the choice as cost.

    Args:
        pyramids: tokens of the image (or the several images) of each question at every scale.
        scales: the scales to join, in this order.
        hidden: width D of a token; the shape of an empty result needs it.

    Returns:
        Tokens [n, sum of scales, D].
    """
    # One image or several alike: a list of pyramids for each question.
    groups = [[one] if isinstance(one, dict) else one for one in pyramids]
    return _as_array([_mean_coarse(group, scales) for group in groups], (sum(scales), hidden))


def _mean_coarse(pyramids: Sequence[Pyramid], scales: Sequence[int]) -> Tensor:
    # The first `scale` tokens are the base crop's [sum of scales, D].
    each = [torch.cat([pyramid[scale][:scale] for scale in scales]) for pyramid in pyramids]
    # [images, t, D] to [t, D]; in float32, as sums of halves lose digits.
    return torch.stack(each).float().mean(0)


def average_embeddings(table: Tensor, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Average the embeddings [V, D] of each row of token ids, none of them empty: [n, D]."""
    table = table.detach()
    # [tokens, D] to [D]
    rows = [table[torch.tensor(row, device=table.device)].float().mean(0) for row in ids]
    return _as_array(rows, (table.shape[1],))


def _as_array(rows: Sequence[Tensor], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if not rows:
        return np.zeros((0, *shape), np.float32)
    array: NDArray[np.float32] = torch.stack(list(rows)).float().cpu().numpy()
    return array


def measure_image(image: PreparedImage) -> NDArray[np.float32]:
    """Measure an image as the vision tower would see it.

    Returns:
        Logarithms of width and height, mean and deviation of the brightness, its entropy [nats],
        the logarithm of the number of colours, then for each of `SQUARES`, sideways and downwards,
        the mean step between neighbours and the share of steps that are edges [26].
    """
    # Of an image that is cut into crops, the first is the whole one.
    pixels = (image.pixels[0] if image.pixels.ndim == 4 else image.pixels).float().cpu()
    grey = pixels.mean(0)  # [H, W]
    width, height = (float(np.log(side)) for side in image.size)
    values = [
        width,
        height,
        float(grey.mean()),
        float(grey.std()),
        _entropy(grey),
        _colours(pixels),
    ]
    for side in SQUARES:
        values += _edges(F.avg_pool2d(grey[None], side)[0])
    return np.array(values, np.float32)


def _entropy(grey: Tensor) -> float:
    low, high = float(grey.min()), float(grey.max())
    # Equal bounds, of an image of one colour, are no error: histc widens them.
    shares = torch.histc(grey, BINS, low, high) / grey.numel()
    # xlogy is 0 at 0, where x * log(x) would be NaN.
    return float(-torch.xlogy(shares, shares).sum())


def _colours(pixels: Tensor) -> float:
    # Half a deviation per step, at most sixteen steps per channel.
    steps = torch.round(2 * pixels).clamp(-8, 7).long() + 8  # [3, H, W], each 0 to 15
    # Three digits to base 16: one number for each colour.
    return float(np.log(len(torch.unique(steps[0] * 256 + steps[1] * 16 + steps[2]))))


def _edges(grey: Tensor) -> list[float]:
    values = []
    for dim in (1, 0):  # sideways, downwards
        steps = torch.diff(grey, dim=dim).abs()
        values += [float(steps.mean()), float((steps > EDGE).float().mean())]
    return values
