"""Draws visual tokens to the words for what they show; training only, for models from scratch."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

ALIGN_TEMPERATURE = 0.07


def align_loss(model: Any, tokens: Tensor, content: Tensor, ids: Sequence[int]) -> Tensor:
    """Ask each visual token to lie nearest to the word for what its patch shows.

    With visual tokens and words in one space, finding the patch that a word names is one and the
    same operation for every word, and need not be learnt word by word.

    Args:
        model: a stock `LlavaForConditionalGeneration`; its input embeddings are the words.
        tokens: projected tokens at full scale [B, N, D].
        content: class shown on each patch [B, N].
        ids: token id of each class, -1 for a class without a word.

    Returns:
        Mean cross-entropy over the patches whose class has a word, a scalar; the logits are cosines
        over `ALIGN_TEMPERATURE`, as in CLIP (arXiv 2103.00020, figure 3).
    """
    known = torch.tensor([i for i, token in enumerate(ids) if token >= 0], device=tokens.device)
    place = torch.full((len(ids),), -1, device=tokens.device)
    place[known] = torch.arange(len(known), device=tokens.device)
    wanted = place[content.to(tokens.device)].flatten()
    words = model.get_input_embeddings().weight[torch.tensor(ids, device=tokens.device)[known]]
    shown = tokens.float().flatten(0, 1)[wanted >= 0]
    cosines = F.normalize(shown, dim=-1) @ F.normalize(words.float(), dim=-1).T
    total = F.cross_entropy(cosines / ALIGN_TEMPERATURE, wanted[wanted >= 0], reduction="sum")
    return total / max(len(shown), 1)
