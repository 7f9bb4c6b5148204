"""Average pooling of visual tokens, after the projector, as the M3 code does it.

Not the place where tokens are made (`backbone.py`) nor where a scale is chosen (the policy).
"""

from collections.abc import Sequence
from math import isqrt

from torch import Tensor
from torch.nn.functional import avg_pool2d

from m3_backbone.scales import pool_stride

Pyramid = dict[int, Tensor]
"""One image's tokens at every scale: scale -> [scale, D]."""


def pool_tokens(tokens: Tensor, scale: int) -> Tensor:
    """Average the visual tokens of each image crop down to `scale` tokens.

    Each token of the pooled grid is the mean of the square of cells that it covers; the full scale
    is the input itself, bit for bit.

    Args:
        tokens: one crop per row, tokens in row-major order of a square grid [B, N, D].
        scale: tokens to keep per crop, one of `legal_scales(sqrt(N))`.

    Returns:
        Pooled tokens in row-major order [B, scale, D], same dtype and device.

    Raises:
        ValueError: if the tokens are not a batch of square grids, or the scale does not divide
            the grid.

    Source: M3 (arXiv 2405.17430), section 3; official code, `llava_arch.py`, where the
        pooling follows the projector.
    """
    if tokens.ndim != 3 or isqrt(tokens.shape[1]) ** 2 != tokens.shape[1]:
        raise ValueError(
            f"expected tokens of square grids [B, N, D], N a square, got {list(tokens.shape)}"
        )
    side = isqrt(tokens.shape[1])
    stride = pool_stride(scale, side)
    if stride == 1:
        return tokens
    grid = tokens.reshape(len(tokens), side, side, -1).permute(0, 3, 1, 2)
    return avg_pool2d(grid, stride).flatten(2).transpose(1, 2)


def build_pyramid(tokens: Tensor, scales: Sequence[int]) -> Pyramid:
    """Pool the tokens of one image to every scale.

    Args:
        tokens: projected tokens of one image, row-major order of a square grid [N, D].
        scales: the scales to build.

    Returns:
        The pyramid: scale -> [scale, D].

    Raises:
        ValueError: if the grid is not square or a scale does not divide it.
    """
    if tokens.ndim != 2:
        raise ValueError(f"expected the tokens of one image [N, D], got {list(tokens.shape)}")
    return {scale: pool_tokens(tokens[None], scale)[0] for scale in scales}
