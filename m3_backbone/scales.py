"""The token scales, to which an image crop may be pooled, and names that all packages share.

The bottom of the project: nothing but the standard library, imported by everything else. It is not
the pooling itself (`pooling.py`) and it never rounds: an illegal scale is an error, not the nearest
legal one.
"""

from collections.abc import Sequence
from numbers import Integral

GRID_SIDE = 24
"""Visual tokens along one side of the grid that M3 was trained on."""


TOKEN_SCALES: tuple[int, ...] = (1, 9, 36, 144, 576)
"""Visual tokens per image crop that M3 was trained with, ascending.

Source: Matryoshka Multimodal Models (arXiv 2405.17430).
"""


EXTRAS = ("pixels", "state")
"""Features that are measured only where asked for: statistics of the image's pixels, and the hidden
state at the end of the prompt at the second smallest scale."""


def legal_scales(side: int = GRID_SIDE) -> tuple[int, ...]:
    """List every scale that divides a square grid into equal square bins.

    Args:
        side: tokens along one side of the grid.

    Returns:
        All `g * g` where `g` divides `side`, ascending.
    """
    side = _check_side(side)
    return tuple(g * g for g in range(1, side + 1) if side % g == 0)


def default_ladder(side: int = GRID_SIDE) -> tuple[int, ...]:
    """Build the scales of a model that does not name its own.

    The side is divided by its smallest prime factor until it is 1, which is what M3 does for 24:
    24, 12, 6, 3, 1. So 27, the grid of LLaVA-OneVision, gives 27, 9, 3, 1.

    Args:
        side: tokens along one side of the grid.

    Returns:
        Scales, ascending; `TOKEN_SCALES` for 24.
    """
    sides = [_check_side(side)]
    while (side := sides[-1]) > 1:
        sides.append(side // next(prime for prime in range(2, side + 1) if side % prime == 0))
    return tuple(g * g for g in reversed(sides))


def check_scale(scale: int, ladder: Sequence[int] = TOKEN_SCALES) -> int:
    """Return a scale that is on the ladder, as a plain int.

    Args:
        scale: visual tokens per crop.
        ladder: the scales that are allowed.

    Returns:
        The scale.

    Raises:
        ValueError: if `scale` is not an integer on the ladder; the message names the legal ones.
    """
    # True == 1 and 9.0 == 9: both would slip through a plain membership test.
    is_integer = isinstance(scale, Integral) and not isinstance(scale, bool)
    if not is_integer or int(scale) not in ladder:
        legal = ", ".join(str(allowed) for allowed in ladder)
        raise ValueError(
            f"illegal scale {scale!r}: choose one of {legal} (visual tokens per image)"
        )
    return int(scale)


def pool_stride(scale: int, side: int = GRID_SIDE) -> int:
    """Return how many grid cells one pooled token spans in each direction.

    Args:
        scale: visual tokens per crop, one of `legal_scales(side)`.
        side: tokens along one side of the grid.

    Returns:
        Kernel size and stride of the average pooling, in grid cells.
    """
    ladder = legal_scales(side)
    # legal_scales is ascending in g, so the divisors in descending order are its strides.
    strides = [side // g for g in range(1, side + 1) if side % g == 0]
    return strides[ladder.index(check_scale(scale, ladder))]


def _check_side(side: int) -> int:
    if not isinstance(side, Integral) or isinstance(side, bool) or side < 1:
        raise ValueError(f"a grid side must be a positive integer, got {side!r}")
    return int(side)
