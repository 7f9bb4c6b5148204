"""Tokens that a model must never answer.

An official LLaVA has no token for its visual place holder. A stock one needs it, so conversion adds
a row to the vocabulary and lists it under `suppress_tokens` of the generation settings, which
`transformers.generate` obeys. This file does the same for logits that are read elsewhere: without
the suppressed tokens, probabilities and losses are those of the official vocabulary.
"""

from typing import Any

import torch
from torch import Tensor


def suppressed_ids(model: Any) -> list[int]:
    """List the ids that a transformers model must never answer, from its generation settings."""
    settings = getattr(model, "generation_config", None)
    return list(getattr(settings, "suppress_tokens", None) or [])


def suppress_tokens(model: Any, logits: Tensor) -> Tensor:
    """Set the logits [..., V] of a model's suppressed tokens to minus infinity."""
    ids = suppressed_ids(model)
    if not ids:
        return logits
    # Not in place: training takes a gradient through these logits.
    return logits.index_fill(-1, torch.tensor(ids, device=logits.device), float("-inf"))
