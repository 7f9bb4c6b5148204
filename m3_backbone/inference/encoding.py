"""Images to visual tokens: one pass of the vision tower for each distinct image."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from m3_backbone.arguments import check_whole
from m3_backbone.hosts.anyres import Size
from m3_backbone.hosts.config import StockConfig, StockModel
from m3_backbone.hosts.host import Host
from m3_backbone.images import check_image
from m3_backbone.inference.execution import MemoryLimit, evaluating
from m3_backbone.serialization import sha256


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """An image that is ready for the vision tower.

    Attributes:
        pixels: pixel values [3, H, W], or [crops, 3, H, W] from a model that cuts images.
        size: width and height of the image [pixels].
    """

    pixels: Tensor
    size: Size


def prepare_for_tower(
    model: StockModel, host: Host, image_processor: Any, image: Image.Image
) -> PreparedImage:
    """Check an image and do what has to be done before the vision tower; another thread may.

    The pixel values lie in pinned memory for a model on a GPU.
    """
    return _prepare(model, host, image_processor, check_image(image))


def check_images(
    images: Sequence[Image.Image | PreparedImage],
) -> list[Image.Image | PreparedImage]:
    """Check images, all before the first is encoded, and make them upright and RGB.

    Args:
        images: PIL images of any mode, or prepared ones.

    Returns:
        The images in their order; what is prepared, upright and RGB stays the same object.
    """
    return [
        image if isinstance(image, PreparedImage) else check_image(image, f"image {i}")
        for i, image in enumerate(images)
    ]


def encode_images(
    model: StockModel,
    host: Host,
    image_processor: Any,
    images: Sequence[Image.Image | PreparedImage],
    batch_size: int,
    memory: MemoryLimit | None = None,
) -> list[Tensor]:
    """Encode and project images at the model's full grid.

    Args:
        model: the stock model.
        host: its family.
        image_processor: its image processor.
        images: what `check_images` gave.
        batch_size: images in one pass; crops, for a model that cuts images.
        memory: what is known of how many crops fit.

    Returns:
        Tokens of each image in the caller's order: [N, D], or [crops, N, D] from a model that cuts
        images; equal images share one tensor. An image processor that cuts images in another way
        than the model expects raises a ValueError.
    """
    check_whole("batch_size", batch_size, 1)
    # Equal content has one key, so each distinct image goes through the tower once.
    keys = [_content_key(image) for image in images]
    distinct = dict(zip(keys, images, strict=True))
    order = list(distinct)
    memory = MemoryLimit() if memory is None else memory
    tokens: dict[str, Tensor] = {}
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        pixels = [_read_pixels(model, host, image_processor, distinct[key]) for key in part]
        tokens.update(zip(part, _encode(model, host, pixels, batch_size, memory), strict=True))
    return [tokens[key] for key in keys]


def _prepare(
    model: StockModel, host: Host, image_processor: Any, image: Image.Image
) -> PreparedImage:
    pixels = host.prepare(model.config, image_processor, image).to(model.dtype)
    _check_patches(model.config, pixels)
    return PreparedImage(pixels.pin_memory() if model.device.type == "cuda" else pixels, image.size)


def _check_patches(config: StockConfig, pixels: Tensor) -> None:
    """Refuse pixels [..., H, W] of another grid than the vision tower's.

    Raises:
        ValueError: if there are more or fewer patches on a side; pixels behind the last do not
            count.
    """
    vision: Any = config.vision_config
    height, width = pixels.shape[-2:]
    side = vision.image_size
    if {height // vision.patch_size, width // vision.patch_size} != {side // vision.patch_size}:
        raise ValueError(
            f"the image processor makes images of {width}x{height} pixels, the vision tower sees "
            f"{side}x{side}: correct the size in the checkpoint's preprocessor_config.json or "
            "processor_config.json"
        )


def _read_pixels(
    model: StockModel, host: Host, image_processor: Any, image: Image.Image | PreparedImage
) -> Tensor:
    if not isinstance(image, PreparedImage):
        image = _prepare(model, host, image_processor, image)
    # From pinned memory the copy runs beside what the GPU is doing.
    return image.pixels.to(model.device, non_blocking=True)


def _encode(
    model: StockModel, host: Host, pixels: Sequence[Tensor], batch_size: int, memory: MemoryLimit
) -> list[Tensor]:
    """Encode images [3, H, W] or [crops, 3, H, W] to [N, D] or [crops, N, D]."""
    # Crops of all images in one list, so that a batch need not end where an image does.
    crops = [crop for one in pixels for crop in (one if one.ndim == 4 else one[None])]
    encoded: list[Tensor] = []
    with evaluating(model):
        for start in range(0, len(crops), batch_size):
            encoded += memory.run(
                crops[start : start + batch_size],
                len,
                # [b, 3, H, W] to b tensors [N, D]
                lambda batch: list(host.project(model, torch.stack(list(batch)))),
            )
    # One [N, D] per crop: hand each image as many as it has.
    rest = iter(encoded)
    return [
        next(rest) if one.ndim == 3 else torch.stack([next(rest) for _ in one]) for one in pixels
    ]


def _content_key(image: Image.Image | PreparedImage) -> str:
    if isinstance(image, PreparedImage):
        return str(id(image))  # whoever prepares images ahead knows which are equal
    return hash_pixels(image)


def hash_pixels(image: Image.Image) -> str:
    """Hash an image's size and pixels; images of other shapes may have the same bytes."""
    return sha256(f"{image.size}".encode() + image.tobytes())
