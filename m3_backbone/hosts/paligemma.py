"""How PaliGemma reads a prompt: image and question as one block, each part of which sees all.

Its answers are causal. Positions start at 1. Text embeddings are scaled inside the embedding layer,
so projected tokens go in as they are.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

PREFIX_TEMPLATE = (
    "{% for part in messages[0]['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% endif %}{% endfor %}"
    "{{ bos_token }}{{ messages[0]['content'][-1]['text'] }}{{ '\\n' }}"
)
"""Source: the layout that transformers' `PaliGemmaProcessor` writes."""


def splice_prefix(ids: Tensor, features: Sequence[Tensor]) -> dict[str, Any]:
    """Hand over visual tokens, and say that all of the prompt is prefix, see `host.Splice`."""
    # It scatters the tokens in order; how they are spread over the first two axes does not matter.
    joined = torch.cat(list(features))[None]  # [1, all visual tokens, D]
    outputs = BaseModelOutputWithPooling(pooler_output=joined)
    return {"mm_encoder_outputs": {"image": outputs}, "token_type_ids": torch.zeros_like(ids)}
