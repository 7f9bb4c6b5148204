"""Tokens that a model must never answer.

An official LLaVA has no token for its visual place holder. A stock one needs it, so conversion adds
a row to the vocabulary and lists it under `suppress_tokens` of the generation settings, which
`transformers.generate` obeys. This file does the same for logits that are read elsewhere: with the
barred tokens gone, probabilities and losses are those of the official vocabulary.
"""

from typing import Any

import torch
from torch import Tensor


def barred_ids(model: Any) -> list[int]:
    """List the tokens that a model must never answer.

    Args:
        model: any transformers model.

    Returns:
        Their ids, from its generation settings.
    """
    settings = getattr(model, "generation_config", None)
    return list(getattr(settings, "suppress_tokens", None) or [])


def bar_tokens(model: Any, logits: Tensor) -> Tensor:
    """Make barred tokens impossible.

    Args:
        model: the model that gave the logits.
        logits: logits [..., V].

    Returns:
        The same, with minus infinity for the barred tokens.
    """
    ids = barred_ids(model)
    if not ids:
        return logits
    return logits.index_fill(-1, torch.tensor(ids, device=logits.device), float("-inf"))
