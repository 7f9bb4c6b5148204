"""Losses of the small network, in torch, which finds their slopes.

Scores [..., s] are in [0, 1]; what AVG-LLaVA calls the loss of a scale is 1 - score here. A scale
that was not tried (`known` is false) has no part in the row's loss.
"""

import torch
from torch import Tensor
from torch.nn import functional

_NEVER = -1e9
"""Logit or utility of a scale that was not tried; finite, so that a row without any is no NaN."""


def cross_entropy(logits: Tensor, scores: Tensor, known: Tensor) -> Tensor:
    """Measure how well sigmoid(logits) predicts every scale's score.

    Args:
        logits: log-odds [..., n, s].
        scores: scores [..., n, s].
        known: whether a scale was tried [..., n, s].

    Returns:
        Loss [..., n].
    """
    loss = functional.binary_cross_entropy_with_logits(logits, scores, reduction="none")
    return (loss * known).sum(dim=-1)


def ranking(
    logits: Tensor, scores: Tensor, known: Tensor, margin: float, choice_weight: float
) -> Tensor:
    """Measure whether better scales are ranked above worse ones, by how much they are better.

    Ranks follow the score, the cheaper scale first among equals; pairs of equals do not count.

    Args:
        logits: any numbers [..., n, s].
        scores: scores [..., n, s].
        known: whether a scale was tried [..., n, s]; at least one of each row.
        margin: margin for neighbouring ranks whose scores differ by 1.
        choice_weight: weight of the cross-entropy with the first rank.

    Returns:
        Loss [..., n].

    Source: AVG-LLaVA (arXiv 2410.02745): sum over i < j of max(0, s_j - s_i + m (j - i)(l_j - l_i))
        plus 0.1 times the cross-entropy with the scale of the smallest loss l.
    """
    # Numbers of the scales, best first; those not tried come last [..., n, s].
    order = torch.where(known, -scores, torch.inf).argsort(dim=-1, stable=True)
    ranks = order.argsort(dim=-1)  # the inverse: the rank of each scale
    # Pairs of a better and a worse scale [..., n, better, worse].
    lead = scores[..., :, None] - scores[..., None, :]
    lead = lead * (known[..., :, None] & known[..., None, :])
    steps = ranks[..., None, :] - ranks[..., :, None]
    short = logits[..., None, :] - logits[..., :, None] + margin * steps * lead
    missed = torch.where(lead > 0, short.relu(), 0.0).sum(dim=(-2, -1))
    return missed + choice_weight * _choice_loss(logits, known, order[..., 0])


def weighted_choice(logits: Tensor, scores: Tensor, known: Tensor, costs: Tensor) -> Tensor:
    """Cost-sensitive loss: choosing a worse scale costs the utility lost.

    Args:
        logits: any numbers [..., n, s].
        scores: scores [..., n, s].
        known: whether a scale was tried [..., n, s]; at least one of each row.
        costs: what each scale costs, in units of score [s].

    Returns:
        Loss [..., n]: the cross-entropy with the best scale times the mean utility lost elsewhere.
    """
    utility = torch.where(known, scores - costs, _NEVER)
    best, at = utility.max(dim=-1, keepdim=True)
    lost = torch.where(known, best - utility, 0.0)
    # The best scale itself loses nothing and is not counted.
    stake = lost.sum(dim=-1) / max(scores.shape[-1] - 1, 1)
    return stake * _choice_loss(logits, known, at[..., 0])


def _choice_loss(logits: Tensor, known: Tensor, chosen: Tensor) -> Tensor:
    # Over the scales that were tried alone: the others' share is 0 [..., n, s].
    shares = torch.where(known, logits, _NEVER).log_softmax(dim=-1)
    return -shares.gather(-1, chosen[..., None])[..., 0]
