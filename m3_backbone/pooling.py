"""Fewer visual tokens from the full grid, after the projector, as the M3 code does it.

Averages, or for comparison a sample of the tokens.
"""

from collections.abc import Sequence
from math import isqrt

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from m3_backbone.scales import check_scale, legal_scales, pool_stride

Pyramid = dict[int, Tensor]
"""One image's tokens at every scale: scale -> [n_visual, D].

n_visual is the scale for a model that sees an image as one crop; models that cut images have more.
"""

POOLING_METHODS = ("average", "sequential", "spatial")
"""How tokens become fewer. M3 models are trained with average; the others are comparisons."""


def pool_tokens(tokens: Tensor, scale: int, method: str = "average") -> Tensor:
    """Reduce the visual tokens of each image crop to `scale` tokens.

    average: each token of the pooled grid is the mean of the square of cells that it covers.
    sequential: token i is token i * N / scale of the row-major order, that is 0, 4, 8, ... for 144
        of 576, whatever column that falls in.
    spatial: each token is the one at the top left of the square that it would average, that is
        rows and columns 0, 2, 4, ... for 144 of 576: tokens 0, 2, ..., 22, 48, 50, ...
    The full scale is the input itself, bit for bit. In all three, pooling to 144 and then to 36 is
    pooling to 36. The paper draws the two ways of sampling without indices, and its code lacks
    them: these are ours. A ValueError refuses tokens that are not square grids, a scale that does
    not divide them, and an unknown method.

    Args:
        tokens: one crop per row, tokens in row-major order of a square grid [B, N, D].
        scale: tokens to keep per crop, one of `legal_scales(sqrt(N))`.
        method: one of `POOLING_METHODS`.

    Returns:
        Pooled tokens in row-major order [B, scale, D], same dtype and device.

    >>> grid = torch.arange(16.0).reshape(1, 16, 1)  # a 4x4 grid of tokens of one number each
    >>> pool_tokens(grid, 4)[0, :, 0]
    tensor([ 2.5000,  4.5000, 10.5000, 12.5000])

    Source: M3 (arXiv 2405.17430), section 3 and, for the sampling, tables 4 and 6 and figure 5;
        official code, `llava_arch.py`, where the pooling follows the projector.
    """
    _check_tokens(tokens, method)
    return _pool(tokens, pool_stride(scale, isqrt(tokens.shape[1])), method)


def pool_to_scales(
    tokens: Tensor, scales: Sequence[int], method: str = "average"
) -> dict[int, Tensor]:
    """Reduce the visual tokens of each image crop to several scales, see `pool_tokens`.

    Args:
        tokens: one crop per row, tokens in row-major order of a square grid [B, N, D].
        scales: tokens to keep per crop.
        method: one of `POOLING_METHODS`.

    Returns:
        scale -> [B, scale, D].
    """
    _check_tokens(tokens, method)
    side = isqrt(tokens.shape[1])
    ladder = legal_scales(side)
    for scale in set(scales).difference(ladder):
        check_scale(scale, ladder)  # says which are legal
    return {scale: _pool(tokens, side // isqrt(scale), method) for scale in scales}


def build_pyramid(tokens: Tensor, scales: Sequence[int], method: str = "average") -> Pyramid:
    """Pool the tokens of one image to every scale.

    Args:
        tokens: projected tokens of one image, row-major order of a square grid [N, D].
        scales: the scales to build.
        method: one of `POOLING_METHODS`.

    Returns:
        The pyramid: scale -> [scale, D].

    Raises:
        ValueError: if there are not the tokens of one image, or as for `pool_tokens`.

    >>> {scale: len(tokens) for scale, tokens in build_pyramid(torch.ones(576, 8), (1, 9)).items()}
    {1: 1, 9: 9}
    """
    if tokens.ndim != 2:
        raise ValueError(f"expected the tokens of one image [N, D], got {list(tokens.shape)}")
    pooled = pool_to_scales(tokens[None], scales, method)
    return {scale: crops[0] for scale, crops in pooled.items()}


def check_pooling(method: str) -> str:
    """Return a pooling method that there is.

    Raises:
        ValueError: if it is not one of `POOLING_METHODS`.
    """
    if method not in POOLING_METHODS:
        raise ValueError(f"unknown pooling {method!r}: choose one of {', '.join(POOLING_METHODS)}")
    return method


def _check_tokens(tokens: Tensor, method: str) -> None:
    check_pooling(method)
    if tokens.ndim != 3 or isqrt(tokens.shape[1]) ** 2 != tokens.shape[1]:
        raise ValueError(
            f"expected tokens of square grids [B, N, D], N a square, got {list(tokens.shape)}"
        )


def _pool(tokens: Tensor, stride: int, method: str) -> Tensor:
    if stride == 1:
        return tokens
    side = isqrt(tokens.shape[1])
    if method != "average":
        return tokens[:, _sampled_places(side, stride, method, tokens.device)]
    grid = tokens.reshape(len(tokens), side, side, -1).permute(0, 3, 1, 2)  # [B, D, side, side]
    # No overlap and no padding: the stride is the kernel size and divides the side.
    return avg_pool2d(grid, stride).flatten(2).transpose(1, 2)  # [B, scale, D]


def _sampled_places(side: int, stride: int, method: str, device: torch.device) -> Tensor:
    """List the places in row-major order that a way of sampling keeps [scale]."""
    if method == "sequential":
        return torch.arange(0, side * side, stride * stride, device=device)
    along = torch.arange(0, side, stride, device=device)
    return (along[:, None] * side + along).flatten()  # row * side + column
