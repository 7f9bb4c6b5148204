"""How surprising a given answer is to the model at one scale: its loss under teacher forcing.

The same loss that fine-tuning minimises, answer by answer. What this is not: an answer; nothing is
generated.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from m3_backbone.hosts.config import StockModel
from m3_backbone.hosts.host import find_host
from m3_backbone.hosts.suppressed import bar_tokens
from m3_backbone.inference.execution import evaluating
from m3_backbone.inference.prompts import IGNORED, pack_turn
from m3_backbone.inference.pyramids import Seen, check_length, read_level
from m3_backbone.scales import check_scale

if TYPE_CHECKING:
    from m3_backbone.backbone import M3Backbone


ROWS = 32
"""Answers that are scored at once."""


def reference_losses(
    self: "M3Backbone",
    pyramids: Sequence[Seen],
    questions: Sequence[str],
    answers: Sequence[str],
    scale: int,
) -> list[float]:
    """Measure how surprising given answers are at one scale; a method of `M3Backbone`.

    Args:
        self: the backbone.
        pyramids: what `encode` gave, one (or several) a question.
        questions: what is asked.
        answers: the answer to each question.
        scale: visual tokens per image crop.

    Returns:
        Mean loss over the tokens of each answer and its end [nats], in the caller's order.

    Raises:
        ValueError: if the model reads prompts both ways, lengths disagree, or an answer cannot be
            told from its question.
    """
    if find_host(self.model.config).reads_both_ways:
        raise ValueError(
            f"losses of given answers are not known for {self.model.config.model_type}, which reads"
            " a prompt both ways"
        )
    scale = check_scale(scale, self.scales)
    check_length("pyramids", pyramids, len(questions))
    check_length("answers", answers, len(questions))
    features = [read_level(seen, scale, fixed=self.layout is None) for seen in pyramids]
    prompts, image_id = self._engine.prompts, self.model.config.image_token_id
    rows = []
    for question, answer, tokens in zip(questions, answers, features, strict=True):
        behind, labels = pack_turn(prompts, question, answer)
        before = [*prompts.tokenize(question).before, *[image_id] * len(tokens)]
        rows.append((before + behind, [label for label in labels if label != IGNORED]))
    # Rows of like length together, so that little is padded.
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    losses: dict[int, float] = {}
    for start in range(0, len(order), ROWS):
        batch = order[start : start + ROWS]
        found = _score_rows(self.model, [rows[i] for i in batch], [features[i] for i in batch])
        losses.update(zip(batch, found, strict=True))
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
