"""What a call hands over, checked: scales, pyramids and how many there are of each."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from m3_backbone.pooling import Pyramid
from m3_backbone.scales import check_scale

Seen: TypeAlias = Pyramid | Sequence[Pyramid]
"""What a question is about: one image, or several such as the frames of a video."""


def check_length(name: str, items: Sequence[Any], count: int) -> None:
    """Refuse lists that do not belong to the questions.

    Args:
        name: what the items are.
        items: the list.
        count: questions.

    Raises:
        ValueError: if there are not as many items as questions.
    """
    if len(items) != count:
        raise ValueError(
            f"expected as many {name} as questions (or groups of them): {count}, got {len(items)}"
        )


def check_scales(scales: Sequence[int] | int, ladder: Sequence[int], count: int) -> list[int]:
    """Return one legal scale a question.

    Args:
        scales: one scale for all, or one a question.
        ladder: the scales that are allowed.
        count: questions.

    Returns:
        The scales.
    """
    if not isinstance(scales, Iterable) or isinstance(scales, str):
        return [check_scale(scales, ladder)] * count
    chosen = [check_scale(scale, ladder) for scale in scales]
    check_length("scales", chosen, count)
    return chosen


def read_level(seen: Seen, scale: int, fixed: bool) -> Tensor:
    """Take the tokens of one scale out of a pyramid.

    Args:
        seen: one image, or several whose tokens follow one another.
        scale: tokens per crop.
        fixed: whether every image has just `scale` tokens.

    Returns:
        Visual tokens [n_visual, D].

    Raises:
        ValueError: if a pyramid lacks the scale or holds another number of tokens there, or if
            there is no image at all.
    """
    if isinstance(seen, dict):
        return _read_one(seen, scale, fixed)
    if not seen:
        raise ValueError("a question needs at least one image, got an empty list of pyramids")
    return torch.cat([_read_one(pyramid, scale, fixed) for pyramid in seen])


def _read_one(pyramid: Pyramid, scale: int, fixed: bool) -> Tensor:
    if scale not in pyramid:
        raise ValueError(f"this pyramid has no scale {scale}, only {', '.join(map(str, pyramid))}")
    level = pyramid[scale]
    # Of a model that cuts images, the base crop at least.
    if len(level) < scale or (fixed and len(level) != scale):
        raise ValueError(
            f"the prompt has room for {scale} visual tokens an image, this one has {len(level)}: "
            "was its pyramid made by another model?"
        )
    return level
