"""The crops of LLaVA-NeXT and LLaVA-OneVision through the vision tower, each crop by itself.

Not `get_image_features` of the stock model: that merges crops at the full grid and drops what it
takes for padding, while M3 pools each crop first.

The crops themselves are the stock image processor's, the Pillow one: torchvision resizes
differently. They equal the official ones pixel for pixel where the Pillow versions agree. From 13
on Pillow resizes some portrait images in another order than before, which changes a few pixel
values of the base crop.
"""

from collections.abc import Sequence
from math import isqrt
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from m3_backbone.hosts.anyres import CropLayout, Size, count_crops, tile_grid, unpadded_window
from m3_backbone.hosts.config import read_layout
from m3_backbone.hosts.llava import encode_pixels
from m3_backbone.pooling import Pyramid, pool_to_scales


def prepare_crops(config: Any, image_processor: Any, image: Image.Image) -> Tensor:
    """Cut an RGB image as the model's configuration says, see `cut_image`."""
    layout = read_layout(config)
    check_processor(image_processor, layout)
    return cut_image(image_processor, image, layout)


def project_crops(model: Any, pixels: Tensor) -> Tensor:
    """Encode and project crops [B, 3, side, side] to tokens on the full grid [B, N, D]."""
    tokens: Tensor = model.model.multi_modal_projector(encode_pixels(model, pixels))
    return tokens


def check_processor(image_processor: Any, layout: CropLayout) -> None:
    """Refuse an image processor that chooses other grids than the model.

    Raises:
        ValueError: if its `image_grid_pinpoints`, (height, width) each, are not the layout's, in
            the same order.
    """
    pinpoints = getattr(image_processor, "image_grid_pinpoints", None) or []
    grids = tuple((width, height) for height, width in pinpoints)
    # Two grids may have equally many tiles, so counting crops would not notice.
    if grids != layout.resolutions:
        raise ValueError(
            f"the image processor fits images into {list(grids)} pixels (width, height), the "
            f"model's configuration says {list(layout.resolutions)}: image_grid_pinpoints must "
            "be the same in both"
        )


def cut_image(image_processor: Any, image: Image.Image, layout: CropLayout) -> Tensor:
    """Cut an image into crops.

    Args:
        image_processor: the checkpoint's image processor, a `LlavaNextImageProcessorPil`.
        image: an image in mode RGB.
        layout: how the model cuts images.

    Returns:
        Pixel values, the base crop first, then the tiles row by row [crops, 3, side, side].

    Raises:
        ValueError: if the processor gives other crops than the model expects.
    """
    # One image a call: several would be filled up to the same number of crops.
    values = image_processor(images=[image], return_tensors="pt")["pixel_values"][0]
    pixels: Tensor = torch.as_tensor(values)
    expected = (count_crops(image.size, layout), 3, layout.crop_side, layout.crop_side)
    if tuple(pixels.shape) != expected:
        raise ValueError(
            f"the image processor gave crops {list(pixels.shape)}, expected {list(expected)}: it "
            "and the model's configuration disagree"
        )
    return pixels


def merge_crops(tokens: Tensor, size: Size, layout: CropLayout, newline: Tensor) -> Tensor:
    """Put the pooled tokens of one image's crops in order.

    The tokens of the base crop always come first.

    Args:
        tokens: pooled tokens of each crop, the base crop first, then the tiles row by row
            [crops, scale, D].
        size: width and height of the image [pixels].
        layout: how the model cuts and merges.
        newline: what ends a row of tiles if the merge type is spatial_unpad [D].

    Returns:
        The visual tokens [n_visual, D].

    Raises:
        ValueError: if there are not as many crops as an image of this size has.

    Source: M3's official code, `llava_arch.py`.
    """
    columns, rows = tile_grid(size, layout)
    if len(tokens) not in (1, 1 + columns * rows):
        raise ValueError(
            f"an image of {size[0]}x{size[1]} pixels has {1 + columns * rows} crops, "
            f"got tokens of {len(tokens)}"
        )
    if layout.merge == "flat":
        return tokens.flatten(0, 1)
    base = tokens[0]  # [scale, D]
    tiles = tokens[1:]  # [columns * rows, scale, D]
    unpad = layout.merge == "spatial_unpad"
    if not len(tiles):
        # An image that is only its base crop still ends with one newline.
        return torch.cat([base, newline[None].to(base)]) if unpad else base
    stitched = _stitch(tiles, columns, rows)  # [height, width, D]
    if unpad:
        stitched = _unpad(stitched, size, newline.to(base))
    # Coarse maps of flat images may have lost every tile; the base crop is always there.
    return torch.cat([base, stitched.flatten(0, 1)])


def build_crop_pyramid(
    tokens: Tensor,
    scales: Sequence[int],
    size: Size,
    layout: CropLayout,
    newline: Tensor,
    method: str = "average",
) -> Pyramid:
    """Pool and merge the tokens of one image's crops at every scale.

    Tokens of each crop, a square grid [crops, N, D], are pooled as `pool_to_scales` does and merged
    as `merge_crops` does. Gives scale -> [n_visual, D].
    """
    pooled = pool_to_scales(tokens, scales, method)
    return {
        scale: merge_crops(crops, size, layout, newline)  # [crops, scale, D] to [n_visual, D]
        for scale, crops in pooled.items()
    }


def pool_crops(
    model: Any, tokens: Tensor, size: Size, scales: Sequence[int], method: str
) -> Pyramid:
    """Pool and merge crops [crops, N, D] as a LLaVA-NeXT says, see `build_crop_pyramid`."""
    newline = model.model.image_newline.detach()
    return build_crop_pyramid(tokens, scales, size, read_layout(model.config), newline, method)


def _stitch(tiles: Tensor, columns: int, rows: int) -> Tensor:
    """Lay tiles [columns * rows, scale, D] side by side: [height, width, D]."""
    side = isqrt(tiles.shape[1])
    # [rows, columns, side, side, D]
    grid = tiles.reshape(rows, columns, side, side, -1)
    # [rows, side, columns, side, D]: a row of cells runs through all tiles beside one another.
    return grid.permute(0, 2, 1, 3, 4).reshape(rows * side, columns * side, -1)


def _unpad(stitched: Tensor, size: Size, newline: Tensor) -> Tensor:
    """Drop the padding of a stitched map and end each row that is left with a newline."""
    window = unpadded_window(size, stitched.shape[1], stitched.shape[0])
    # [kept rows, kept columns, D]
    kept = stitched[window.top : window.bottom, window.left : window.right]
    return torch.cat([kept, newline.expand(len(kept), 1, -1)], dim=1)
