"""Pixels through the vision tower: up to what the projector reads, or all the way."""

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from m3_backbone.hosts.anyres import Size
from m3_backbone.pooling import Pyramid, build_pyramid

FALLBACK_TEMPLATE = (
    "{% for turn in messages %}{% if turn['role'] == 'user' %}USER: "
    "{% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}"
    "{% else %} ASSISTANT: {{ turn['content'][0]['text'] + ' ' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)
"""Source: LLaVA-1.5 without its system sentence, as the transformers documentation gives it."""


def prepare_image(config: Any, image_processor: Any, image: Image.Image) -> Tensor:
    """Make an RGB image ready for a model that sees it as one crop: pixel values [3, H, W]."""
    pixels: Tensor = image_processor(images=[image], return_tensors="pt")["pixel_values"][0]
    return pixels


def project_images(model: Any, pixels: Tensor) -> Tensor:
    """Encode and project images that the model sees as one crop each.

    Pixel values [B, 3, H, W] become the language model's tokens [B, N, D].
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
    # The tower's input and each layer's output, all [B, N or 1 + N, width].
    hidden = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
    layers = config.vision_feature_layer
    chosen = [layers] if isinstance(layers, int) else layers
    features = torch.cat([hidden[layer] for layer in chosen], dim=-1)  # [B, N or 1 + N, F]
    # The class token stands first.
    return features[:, 1:] if config.vision_feature_select_strategy == "default" else features


def pool_image(
    model: Any, tokens: Tensor, size: Size, scales: Sequence[int], method: str
) -> Pyramid:
    """Pool the tokens [N, D] of an image that the model sees as one crop, see `build_pyramid`."""
    return build_pyramid(tokens, scales, method)
