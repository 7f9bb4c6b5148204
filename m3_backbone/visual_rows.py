"""The visual tokens of a training batch at one scale, one row an image.

Images that a model cuts into crops may differ in their number of visual tokens. Rows are filled up
behind their visual tokens; the filling is hidden from attention and takes no position.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from m3_backbone.anyres import Size, count_crops
from m3_backbone.geometry import crop_layout
from m3_backbone.merging import merge_crops
from m3_backbone.packing import PackedText, packed_mask, packed_positions
from m3_backbone.pooling import pool_tokens


def join_crops(model: Any, images: Tensor, sizes: Sequence[Size]) -> Tensor:
    """Lay the crops of a batch behind one another, without what fills up images of fewer crops.

    Args:
        model: a stock LLaVA-NeXT.
        images: pixel values as its image processor gives them for several images
            [B, C, 3, side, side].
        sizes: width and height of each image [pixels].

    Returns:
        Pixel values of the real crops [crops, 3, side, side].
    """
    layout = crop_layout(model.config)
    crops = [count_crops(size, layout) for size in sizes]
    return torch.cat([image[:count] for image, count in zip(images, crops, strict=True)])


def merge_images(model: Any, tokens: Tensor, scale: int, sizes: Sequence[Size]) -> list[Tensor]:
    """Pool the tokens of images and, if the model cuts images, merge their crops.

    Args:
        model: a stock LLaVA, or a LLaVA-NeXT, whose newline then receives its gradient.
        tokens: projected tokens of each image [B, N, D]; of a model that cuts images, those of all
            crops of the first image, then of the second, and so on [crops, N, D].
        scale: visual tokens to pool each image or crop to.
        sizes: width and height of each image [pixels]; only of use where images are cut.

    Returns:
        The visual tokens of each image [n_visual, D].

    Raises:
        ValueError: if there are not as many crops as images of these sizes have.
    """
    layout = crop_layout(model.config)
    pooled = pool_tokens(tokens, scale)
    if layout is None:
        return list(pooled)
    crops = [count_crops(size, layout) for size in sizes]
    if sum(crops) != len(pooled):
        raise ValueError(
            f"expected {sum(crops)} crops of {len(sizes)} images, got {len(pooled)}: give the "
            "batch the size of each image it holds"
        )
    newline = model.model.image_newline
    return [
        merge_crops(part, size, layout, newline)
        for part, size in zip(torch.split(pooled, crops), sizes, strict=True)
    ]


def visual_rows(
    model: Any, tokens: Tensor, scale: int, sizes: Sequence[Size]
) -> tuple[Tensor, list[int]]:
    """Give the visual tokens of images as rows of one length; the arguments as `merge_images` has.

    Returns:
        Rows [B, V, D], filled up with zeros, and the visual tokens of each.
    """
    rows = merge_images(model, tokens, scale, sizes)
    return pad_sequence(rows, batch_first=True), [len(row) for row in rows]


def rows_mask(text: PackedText, counts: Sequence[int]) -> Tensor:
    """Say which place may look at which; nobody looks at the filling.

    Args:
        text: the packed questions.
        counts: visual tokens of each row.

    Returns:
        Boolean mask [B, 1, L, L] with L = P + the largest count + T; True where the row's place may
        look.
    """
    width = max(counts)
    mask = packed_mask(text, width)
    start = text.before.shape[-1]
    shown = torch.arange(width) < torch.tensor(counts)[:, None]
    mask[..., start : start + width] &= shown[:, None, None]
    return mask


def rows_positions(text: PackedText, counts: Sequence[int]) -> Tensor:
    """Give every place the position it would have without the filling [B, L]."""
    positions = packed_positions(text, max(counts))
    filled = max(counts) - torch.tensor(counts)[:, None]
    positions[:, -text.ids.shape[1] :] -= filled
    return positions
