"""From the tokens of a model's vision side to one pyramid per image, as that model needs it."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from m3_backbone.hosts.anyres import Size
from m3_backbone.hosts.config import StockModel
from m3_backbone.hosts.host import Host
from m3_backbone.inference.execution import wait_for
from m3_backbone.pooling import Pyramid
from m3_backbone.scales import check_scale

Pyramids: TypeAlias = Pyramid | Sequence[Pyramid]
"""What one question is about: the pyramid of an image, or those of several images, such as the
frames of a video, whose tokens follow one another."""


def check_grids(tokens: Sequence[Tensor], side: int, hidden: int) -> None:
    """Refuse visual tokens [N, D] or [crops, N, D] unless N is side * side and D is `hidden`.

    Raises:
        ValueError: if N or D is another.
    """
    expected = [side**2, hidden]
    for grid in tokens:
        if list(grid.shape[-2:]) != expected:
            raise ValueError(
                f"the model gave visual tokens {list(grid.shape)}, expected {expected}: "
                "its image processor and its configuration disagree"
            )


def build_pyramids(
    model: StockModel,
    host: Host,
    tokens: Sequence[Tensor],
    sizes: Sequence[Size],
    scales: Sequence[int],
    method: str,
) -> list[Pyramid]:
    """Pool, and merge if the model cuts images, the tokens of images at every scale.

    Args:
        model: the model that gave the tokens.
        host: its family.
        tokens: what `encode_images` gave: [N, D] or [crops, N, D] of each image.
        sizes: width and height of each image [pixels].
        scales: tokens per crop.
        method: how a crop is pooled, one of `POOLING_METHODS`.

    Returns:
        One pyramid per image; images that share their tokens share it.
    """
    # By identity: `encode_images` gives equal images the same tensor, which is alive here.
    built: dict[int, Pyramid] = {}
    for grid, size in zip(tokens, sizes, strict=True):
        if id(grid) not in built:
            built[id(grid)] = host.pool(model, grid, size, scales, method)
    # The last step of encoding: a GPU that is not done would do it in the time of what follows.
    wait_for(model.device)
    return [built[id(grid)] for grid in tokens]


def check_length(name: str, items: Sequence[Any], count: int) -> None:
    """Refuse lists that have not one item for each of `count` questions.

    Raises:
        ValueError: if there are not as many items as questions.
    """
    if len(items) != count:
        raise ValueError(
            f"expected as many {name} as questions (or groups of them): {count}, got {len(items)}"
        )


def check_scales(scales: Sequence[int] | int, ladder: Sequence[int], count: int) -> list[int]:
    """Return one legal scale per question, given one for all or one per question."""
    # A string is iterable, but its letters are no scales: `check_scale` refuses it whole.
    if not isinstance(scales, Iterable) or isinstance(scales, str):
        return [check_scale(scales, ladder)] * count
    chosen = [check_scale(scale, ladder) for scale in scales]
    check_length("scales", chosen, count)
    return chosen


def take_tokens(pyramids: Pyramids, scale: int, fixed: bool) -> Tensor:
    """Take the tokens of one scale out of the pyramids of a question.

    Args:
        pyramids: one image, or several whose tokens follow one another.
        scale: tokens per crop.
        fixed: whether every image has just `scale` tokens.

    Returns:
        Visual tokens [n_visual, D].

    Raises:
        ValueError: if a pyramid lacks the scale or holds another number of tokens there, or if
            there is no image at all.
    """
    if isinstance(pyramids, dict):
        return _take_one(pyramids, scale, fixed)
    if not pyramids:
        raise ValueError("a question needs at least one image, got an empty list of pyramids")
    return torch.cat([_take_one(pyramid, scale, fixed) for pyramid in pyramids])


def _take_one(pyramid: Pyramid, scale: int, fixed: bool) -> Tensor:
    if scale not in pyramid:
        raise ValueError(f"this pyramid has no scale {scale}, only {', '.join(map(str, pyramid))}")
    tokens = pyramid[scale]
    # Of a model that cuts images, the base crop at least.
    if len(tokens) < scale or (fixed and len(tokens) != scale):
        raise ValueError(
            f"the prompt has room for {scale} visual tokens an image, this one has {len(tokens)}: "
            "was its pyramid made by another model?"
        )
    return tokens
