"""Pixels through the vision tower: up to what the projector reads, or all the way."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor


def project_images(
    model: Any, image_processor: Any, images: list[Image.Image], batch_size: int
) -> list[Tensor]:
    """Encode and project images that the model sees as one crop each.

    Args:
        model: a stock model whose `get_image_features` gives the language model's tokens.
        image_processor: its image processor.
        images: images in mode RGB, at least one.
        batch_size: crops in one pass; there are no more images than that.

    Returns:
        Tokens of each image [N, D].
    """
    pixels = image_processor(images=images, return_tensors="pt")["pixel_values"]
    output = model.get_image_features(pixels.to(model.device, model.dtype), return_dict=True)
    return list(output.pooler_output)


def encode_pixels(model: Any, pixels: Tensor) -> Tensor:
    """Run the vision tower and select the features that the model's configuration names.

    Args:
        model: a stock LLaVA, LLaVA-NeXT or LLaVA-OneVision.
        pixels: pixel values of images or crops [B, 3, H, W].

    Returns:
        Features [B, N, F]; F is the tower's width, times the layers where several are joined.
    """
    config = model.config
    hidden = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
    layers = config.vision_feature_layer
    features = torch.cat(
        [hidden[layer] for layer in ([layers] if isinstance(layers, int) else layers)], dim=-1
    )
    # The class token.
    return features[:, 1:] if config.vision_feature_select_strategy == "default" else features
