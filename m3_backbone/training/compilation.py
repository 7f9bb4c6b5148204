"""Compiles the layers that are trained, so that their many small operations become few."""

from typing import Any

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from m3_backbone.foreign import third_party
from m3_backbone.training.attention import use_stepwise_attention
from m3_backbone.training.settings import LoopSettings


def compile_layers(model: nn.Module, settings: LoopSettings) -> None:
    """Let `torch.compile` take over each layer of a transformers model in place, if asked to.

    The names of the weights and what a layer computes stay as they are. A layer and not the whole
    model, so that one compilation serves all layers, and what looks into a model between two of
    them still can. Lengths may vary from batch to batch. Where nothing can be compiled, as without
    a C++ compiler, it is a ValueError.

    Args:
        model: a model or a part of one.
        settings: whether layers are compiled.
    """
    if not settings.compiled:
        return
    numbers = torch.zeros(2, device=next(model.parameters()).device)
    # Else the first step would tell, in hundreds of lines.
    with third_party("torch.compile does not work here, train without --compile"):
        torch.compile(lambda x: x.sin() + 1)(numbers)
    if numbers.device.type == "cpu":
        use_stepwise_attention(model)
    for layer in model.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            compiled: Any = torch.compile(layer.forward, dynamic=True)
            # `forward` alone: hooks around it are called as before.
            layer.forward = compiled
