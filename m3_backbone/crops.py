"""The crops of LLaVA-NeXT and LLaVA-OneVision through the vision tower, each crop by itself.

Not `get_image_features` of the stock model: that merges crops at the full grid and drops what it
takes for padding, while M3 pools each crop first.

The crops themselves are the stock image processor's, the Pillow one: torchvision resizes
differently. They equal the official ones pixel for pixel where the Pillow versions agree. From 13
on Pillow resizes some portrait images in another order than before, which changes a few levels of
the base crop.
"""

from typing import Any

import torch
from PIL import Image
from torch import Tensor

from m3_backbone.anyres import CropLayout, count_crops
from m3_backbone.geometry import read_layout
from m3_backbone.vision import encode_pixels


def prepare_crops(config: Any, image_processor: Any, image: Image.Image) -> Tensor:
    """Cut an image as the model expects it.

    Args:
        config: the model's configuration.
        image_processor: its image processor, the Pillow one.
        image: an image in mode RGB.

    Returns:
        Pixel values, the base crop first, then the tiles row by row [crops, 3, side, side].
    """
    layout = read_layout(config)
    check_processor(image_processor, layout)
    return cut_image(image_processor, image, layout)


def project_crops(model: Any, pixels: Tensor) -> Tensor:
    """Encode and project crops.

    Args:
        model: the stock model, in evaluation mode.
        pixels: pixel values of crops [B, 3, side, side].

    Returns:
        Tokens on the full grid [B, N, D].
    """
    tokens: Tensor = model.model.multi_modal_projector(encode_pixels(model, pixels))
    return tokens


def check_processor(image_processor: Any, layout: CropLayout) -> None:
    """Refuse an image processor that chooses other grids than the model.

    Args:
        image_processor: any image processor.
        layout: how the model cuts images.

    Raises:
        ValueError: if its `image_grid_pinpoints`, (height, width) each, are not the layout's, in
            the same order.
    """
    pinpoints = getattr(image_processor, "image_grid_pinpoints", None) or []
    found = tuple((width, height) for height, width in pinpoints)
    # Two grids may have equally many tiles, so counting crops would not notice.
    if found != layout.resolutions:
        raise ValueError(
            f"the image processor fits images into {list(found)} pixels (width, height), the "
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
    found = image_processor(images=[image], return_tensors="pt")["pixel_values"][0]
    pixels: Tensor = torch.as_tensor(found)
    expected = (count_crops(image.size, layout), 3, layout.crop_side, layout.crop_side)
    if tuple(pixels.shape) != expected:
        raise ValueError(
            f"the image processor gave crops {list(pixels.shape)}, expected {list(expected)}: it "
            "and the model's configuration disagree"
        )
    return pixels
