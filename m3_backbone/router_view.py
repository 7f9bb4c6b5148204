"""What a router gets to see of a question and its image, as plain arrays."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from m3_backbone.levels import Seen
from m3_backbone.pooling import Pyramid


def join_coarse_tokens(
    pyramids: Sequence[Seen], scales: Sequence[int], hidden: int
) -> NDArray[np.float32]:
    """Join the tokens of a few scales of each image's base crop.

    The base crop is the whole image, and its tokens come first in whatever way crops are merged. So
    a router sees equally many tokens of every image, and for a model that sees an image as one crop
    these are all its tokens. Of several images it sees their mean, place by place. How many they
    are is no feature: it would change the layout for one image, and it enters the choice as cost.

    Args:
        pyramids: tokens of each image (or of each question's several images) at every scale.
        scales: the scales to join, in this order.
        hidden: width D of a token; the shape of an empty result needs it.

    Returns:
        Tokens [n, sum of scales, D].
    """
    rows = [_mean_coarse([seen] if isinstance(seen, dict) else seen, scales) for seen in pyramids]
    return _as_array(rows, (sum(scales), hidden))


def _mean_coarse(pyramids: Sequence[Pyramid], scales: Sequence[int]) -> Tensor:
    each = [torch.cat([pyramid[scale][:scale] for scale in scales]) for pyramid in pyramids]
    return torch.stack(each).float().mean(0)


def average_embeddings(table: Tensor, ids: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Average the embeddings of each row of token ids.

    Args:
        table: embedding of every token [V, D].
        ids: token ids of each question, none of them empty.

    Returns:
        Mean embeddings [n, D].
    """
    table = table.detach()
    rows = [table[torch.tensor(row, device=table.device)].float().mean(0) for row in ids]
    return _as_array(rows, (table.shape[1],))


def _as_array(rows: Sequence[Tensor], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if not rows:
        return np.zeros((0, *shape), np.float32)
    array: NDArray[np.float32] = torch.stack(list(rows)).float().cpu().numpy()
    return array
