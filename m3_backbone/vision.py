"""Pixels through the vision tower, up to what the projector reads."""

from typing import Any

import torch
from torch import Tensor


def encode_pixels(model: Any, pixels: Tensor) -> Tensor:
    """Run the vision tower and select the features that the model's configuration names.

    Args:
        model: a stock LLaVA or LLaVA-NeXT.
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
