"""Attention step by step, for training on CPUs.

There torch's fused attention is quick forward alone: forward and back, 577 places of 3 heads of 64
in 4 rows took 27 ms in bfloat16, its four operations one after the other 11 (torch 2.13, one core).
"""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask
from transformers.models.llama.modeling_llama import repeat_kv

STEPWISE = "m3scale_stepwise"
"""Its name among the attention implementations of transformers."""


def use_stepwise_attention(model: Any) -> None:
    """Let all layers of a transformers model attend by `attend_stepwise`."""
    AttentionInterface.register(STEPWISE, attend_stepwise)
    AttentionMaskInterface.register(STEPWISE, eager_mask)
    model.set_attn_implementation(STEPWISE)


def attend_stepwise(  # noqa: PLR0913 - what transformers hands to each implementation
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: object,
) -> tuple[Tensor, Tensor]:
    """Attend as the other implementations of transformers do, called in the same way.

    Args:
        module: the attention layer.
        query: [B, heads, L, head size].
        key: [B, key heads, S, head size], each shared by as many heads as it takes.
        value: as `key`.
        attention_mask: what is added to the scores, or True where a place may look [B, 1, L, S].
        scaling: factor of the scores.
        dropout: share of the attention that is dropped.

    Returns:
        What the heads read [B, L, heads, head size] and the attention [B, heads, L, S].
    """
    shared = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, shared), repeat_kv(value, shared)
    scores = (query * scaling) @ key.transpose(2, 3)
    if attention_mask is not None:
        scores = scores + added_mask(attention_mask, scores.dtype)
    attention = nn.functional.dropout(scores.softmax(-1), dropout)
    return (attention @ value).transpose(1, 2).contiguous(), attention


def added_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Turn a mask of what may be looked at into what is added to the scores."""
    if mask.is_floating_point():
        return mask
    # Not -inf, which makes NaN of a row that sees nothing.
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, torch.finfo(dtype).min)


def fit_mask(model: Any, mask: Tensor) -> Tensor:
    """Make the mask of a step once in the form that the attention of all its layers needs."""
    config = model.config.get_text_config()
    if config._attn_implementation != STEPWISE:
        return mask
    # bfloat16 has the range of float32 and is read twice as fast.
    return added_mask(mask, torch.bfloat16)
