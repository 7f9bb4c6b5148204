"""Images to visual tokens: one pass of the vision tower for each distinct image."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from m3_backbone.hosts import find_host
from m3_backbone.images import check_image
from m3_backbone.stock import StockModel


@contextmanager
def evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Switch a model to evaluation without gradients, and back to what it was.

    Args:
        model: any module; one that is being trained may be asked in between.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was_training)


def encode_images(
    model: StockModel,
    image_processor: Any,
    images: Sequence[Image.Image],
    batch_size: int,
) -> list[Tensor]:
    """Encode and project images at the model's full grid.

    Args:
        model: the stock model.
        image_processor: its image processor.
        images: PIL images of any mode.
        batch_size: images in one pass; crops, for a model that cuts images.

    Returns:
        Tokens of each image in the caller's order: [N, D], or [crops, N, D] from a model that cuts
        images; equal images share one tensor.

    Raises:
        ValueError: if an image is refused, `batch_size` is below 1, or the image processor cuts
            images in another way than the model expects.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    checked = [check_image(image, f"image {i}") for i, image in enumerate(images)]
    keys = [_content_key(image) for image in checked]
    distinct = dict(zip(keys, checked, strict=True))
    order = list(distinct)
    encode = find_host(model.config).encode
    tokens: dict[str, Tensor] = {}
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        with evaluating(model):
            features = encode(model, image_processor, [distinct[k] for k in part], batch_size)
        tokens.update(zip(part, features, strict=True))
    return [tokens[key] for key in keys]


def _content_key(image: Image.Image) -> str:
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()
