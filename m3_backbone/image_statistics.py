"""Cheap numbers about the pixels of an image: what no vision tower is needed for."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from m3_backbone.encoding import PreparedImage

if TYPE_CHECKING:
    from m3_backbone.backbone import M3Backbone

LEVELS = (1, 2, 4, 8, 16)
"""Pixels along the side of the squares that are averaged before edges are measured."""

BINS = 32
EDGE = 0.5
"""A step between neighbours that counts as an edge [deviations of the normalised pixels]."""


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
