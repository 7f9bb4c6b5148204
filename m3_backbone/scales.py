"""The token scales, to which an image crop may be pooled, and names that all packages share.

The bottom of the project: nothing but the standard library, imported by everything else. It is not
the pooling itself (`pooling.py`) and it never rounds: an illegal scale is an error, not the nearest
legal one.
"""

from collections.abc import Sequence
from math import isqrt
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
    """List every scale that divides a square grid into equal square bins, ascending.

    These are all `g * g` where `g` divides `side`, the tokens along one side of the grid.

    >>> legal_scales(24)
    (1, 4, 9, 16, 36, 64, 144, 576)
    """
    side = _check_side(side)
    return tuple(g * g for g in range(1, side + 1) if side % g == 0)


def default_ladder(side: int = GRID_SIDE) -> tuple[int, ...]:
    """Build the scales of a model that does not name its own.

    The side is divided by its smallest prime factor until it is 1, which is what M3 does for 24:
    24, 12, 6, 3, 1. So 27, the grid of LLaVA-OneVision, gives 27, 9, 3, 1.

    >>> default_ladder(27)
    (1, 9, 81, 729)
    """
    sides = [_check_side(side)]
    # Grids nest: each side divides the one before it, so pooling can go step by step.
    while (side := sides[-1]) > 1:
        sides.append(side // next(prime for prime in range(2, side + 1) if side % prime == 0))
    return tuple(g * g for g in reversed(sides))


def check_scale(scale: int, ladder: Sequence[int] = TOKEN_SCALES) -> int:
    """Return a scale that is on the ladder, as a plain int.

    Raises:
        ValueError: if `scale` is not an integer on the ladder; the message names the legal ones.

    >>> check_scale(36)
    36
    >>> check_scale(37)
    Traceback (most recent call last):
    ValueError: illegal scale 37: choose one of 1, 9, 36, 144, 576 (visual tokens per image)
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

    This is the kernel size and the stride of the average pooling.

    >>> pool_stride(144)
    2
    """
    return side // isqrt(check_scale(scale, legal_scales(side)))


def _check_side(side: int) -> int:
    if not isinstance(side, Integral) or isinstance(side, bool) or side < 1:
        raise ValueError(f"a grid side must be a positive integer, got {side!r}")
    return int(side)
