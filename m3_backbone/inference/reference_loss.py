"""Negative log-likelihood of given answers: the loss that fine-tuning minimises, answer by answer.

Nothing is generated.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from m3_backbone.hosts.config import StockModel
from m3_backbone.hosts.host import find_host
from m3_backbone.hosts.suppressed import bar_tokens
from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.execution import evaluating
from m3_backbone.inference.prompts import IGNORED, pack_turn

ROWS = 32
"""Answers that are scored at once."""


def reference_losses(
    engine: AnswerEngine,
    questions: Sequence[str],
    answers: Sequence[str],
    features: Sequence[Tensor],
) -> list[float]:
    """Measure the negative log-likelihood of given answers.

    Args:
        engine: holds the model and its prompts.
        questions: what is asked.
        answers: the answer to each question.
        features: visual tokens of each question [n_visual, D].

    Returns:
        Mean over the tokens of each answer and its end [nats], in the caller's order.

    Raises:
        ValueError: if the model reads prompts both ways, or an answer cannot be told from its
            question.
    """
    model, prompts = engine.model, engine.prompts
    if find_host(model.config).reads_both_ways:
        raise ValueError(
            f"losses of given answers are not known for {model.config.model_type}, which reads"
            " a prompt both ways"
        )
    rows = []
    for question, answer, tokens in zip(questions, answers, features, strict=True):
        behind, labels = pack_turn(prompts, question, answer)
        before = [*prompts.tokenize(question).before, *[prompts.image_token_id] * len(tokens)]
        rows.append((before + behind, [label for label in labels if label != IGNORED]))
    # Rows of like length together, so that little is padded.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    losses: dict[int, float] = {}
    for start in range(0, len(order), ROWS):
        batch = order[start : start + ROWS]
        means = _score_rows(model, [rows[i] for i in batch], [features[i] for i in batch])
        losses.update(zip(batch, means, strict=True))
    return [losses[i] for i in range(len(rows))]


def _score_rows(
    model: StockModel, rows: Sequence[tuple[list[int], list[int]]], features: Sequence[Tensor]
) -> list[float]:
    """Score rows of ids and the labels of their last places, padded on the left."""
    host, device = find_host(model.config), model.device
    pad_id = 0 if model.config.image_token_id else 1  # any but the image's
    ids = _pad_left([ids for ids, _ in rows], pad_id).to(device)
    labels = _pad_left([labels for _, labels in rows], IGNORED).to(device)
    lengths = torch.tensor([len(ids) for ids, _ in rows], device=device)[:, None]
    position = torch.arange(ids.shape[1], device=device) - (ids.shape[1] - lengths)
    with evaluating(model):
        logits = model(
            input_ids=ids,
            attention_mask=(position >= 0).long(),
            position_ids=position.clamp_min(0) + host.first_position,
            use_cache=False,
            logits_to_keep=labels.shape[1],
            **host.splice(ids, features),
        ).logits
        logits = bar_tokens(model, logits).float().transpose(1, 2)
        loss = F.cross_entropy(logits, labels.to(logits.device), reduction="none")
    counts = (labels != IGNORED).sum(1)
    means: list[float] = (loss.sum(1).cpu() / counts.cpu()).tolist()
    return means


def _pad_left(rows: Sequence[Sequence[int]], filler: int) -> Tensor:
    width = max(map(len, rows))
    return torch.tensor([[*[filler] * (width - len(row)), *row] for row in rows])
