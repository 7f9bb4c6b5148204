"""Pixels through the vision tower: up to what the projector reads, or all the way."""

from typing import Any

import torch
from PIL import Image
from torch import Tensor


def prepare_image(config: Any, image_processor: Any, image: Image.Image) -> Tensor:
    """Make an image ready for a model that sees it as one crop.

    Args:
        config: the model's configuration; nothing of it is needed.
        image_processor: the checkpoint's image processor.
        image: an image in mode RGB.

    Returns:
        Pixel values [3, H, W].
    """
    pixels: Tensor = image_processor(images=[image], return_tensors="pt")["pixel_values"][0]
    return pixels


def project_images(model: Any, pixels: Tensor) -> Tensor:
    """Encode and project images that the model sees as one crop each.

    Args:
        model: a stock model whose `get_image_features` gives the language model's tokens.
        pixels: pixel values [B, 3, H, W].

    Returns:
        Tokens [B, N, D].
    """
    return torch.stack(list(model.get_image_features(pixels, return_dict=True).pooler_output))


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
