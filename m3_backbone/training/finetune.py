"""Matryoshka fine-tuning of a stock LLaVA: one encode per step, the answer loss at several scales.

The loss is the mean over scales of the token-mean cross-entropy of the answers. Each scale runs
forward and backward on its own, so that only one scale's graph is alive at a time; their gradients
add up on the projected tokens and go through the vision tower once.

Source: M3 (arXiv 2405.17430), equation 2; unlike the official code, the tower is encoded once and
really receives its gradient.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from m3_backbone.hosts.anyres import Size
from m3_backbone.hosts.llava import encode_pixels
from m3_backbone.training.auxiliary_losses import (
    SMALLEST_SCALE,
    align_loss,
    ground_loss,
    watched_layer,
)
from m3_backbone.training.compilation import compile_layers
from m3_backbone.training.conversations import ConversationText
from m3_backbone.training.distributed import prefetch_batches, sum_over_group
from m3_backbone.training.loop import LOG, StepLog, TrainingLoop
from m3_backbone.training.losses import join_crops, scale_loss
from m3_backbone.training.packing import PackedText
from m3_backbone.training.settings import FinetuneSettings, LoopSettings
from m3_backbone.training.tower import DenseHeads, dense_loss, weigh_losses
from m3_backbone.training.trainable import choose_parts, set_checkpointing


@dataclass(frozen=True)
class Batch:
    """Images and what is asked about them.

    Attributes:
        images: pixel values [B, 3, H, W], at least one even if nothing is asked about it; or, where
            the tower is frozen, what `encode_pixels` gave for them once and for all [B, N, width of
            the tower]. For a model that cuts images, the crops of all images behind one another
            take the place of the images; or pixel values [B, C, 3, H, W], filled up as its image
            processor does.
        text: the packed questions, or the conversations.
        dense: what every patch shows, target name -> [B, N], where the dense loss is taken.
        places: where what each question is about lies [B, questions, N], where it is known; see
            `auxiliary_losses.ground_loss`.
        sizes: width and height of each image [pixels], for packed questions to a model that cuts
            images.
        share: part of the step's answer tokens that is in this batch.
    """

    images: Tensor
    text: PackedText | ConversationText
    dense: Mapping[str, Tensor] = field(default_factory=dict)
    places: Tensor | None = None
    sizes: tuple[Size, ...] = ()
    share: float = 1.0


@dataclass(frozen=True)
class Finetuned:
    """How a run ended.

    Attributes:
        losses: scale -> loss, averaged over the last steps.
        dropped: questions or conversations that were too long to learn from, over all steps.
    """

    losses: dict[int, float]
    dropped: int


def tower_features(
    model: Any, images: Tensor, train_tower: bool, sizes: Sequence[Size] = ()
) -> Tensor:
    """Encode images to [B, N, width of the tower], unless they are such features already."""
    if images.ndim == 3:
        return images
    if images.ndim == 5:
        images = join_crops(model, images, sizes)
    with torch.set_grad_enabled(train_tower):
        return encode_pixels(model, images)


def draw_scales(
    ladder: Sequence[int], count: int, seed: int, step: int, keep_largest: bool = False
) -> list[int]:
    """Choose the scales of one step; the same seed and step give the same scales.

    With `keep_largest` the largest is always among them.
    """
    # A generator of its own, so that a resumed run draws what it would have drawn.
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    order = torch.randperm(len(ladder), generator=generator)
    drawn = [ladder[int(index)] for index in order]
    if keep_largest:
        # Stable: the others stay in their random order.
        drawn.sort(key=lambda scale: scale != max(ladder))
    return drawn[:count]


def answer_losses(
    model: Any, tokens: Tensor, batch: Batch, scale: int, ground_weight: float
) -> tuple[Tensor, Tensor]:
    """Take the answer loss at one scale, and the weighted `ground_loss` where it is known."""
    text = batch.text
    places = batch.places
    known = ground_weight and scale >= SMALLEST_SCALE
    if not known or places is None or isinstance(text, ConversationText):
        loss = scale_loss(model, tokens, text, scale, batch.sizes)
        return loss, torch.zeros((), device=tokens.device)
    with watched_layer(model) as inputs:
        loss = scale_loss(model, tokens, text, scale)
    return loss, ground_weight * ground_loss(model, inputs, text, places, scale)


def patch_losses(
    model: Any,
    tokens: Tensor,
    named: Mapping[str, Tensor],
    batch: Batch,
    settings: FinetuneSettings,
) -> list[Tensor]:
    """Take the losses about what patches show that are asked for, weighted.

    Args:
        model: the model.
        tokens: projected tokens [B, N, D].
        named: logits of the dense heads, target name -> [B, N, classes]; empty without heads.
        batch: what the patches show.
        settings: the weights.

    Returns:
        Scalars; their sum over accumulated batches is a mean.
    """
    losses = []
    if named:
        targets = {name: target.to(tokens.device) for name, target in batch.dense.items()}
        dense = weigh_losses(dense_loss(named, targets))
        losses.append(settings.dense_weight / settings.accumulate * dense)
    if settings.align_weight:
        aligned = align_loss(model, tokens, batch.dense["content"], settings.align_ids)
        losses.append(settings.align_weight / settings.accumulate * aligned)
    return losses


def matryoshka_step(
    model: Any,
    batch: Batch,
    scales: Sequence[int],
    settings: FinetuneSettings,
    bf16: bool = False,
    heads: DenseHeads | None = None,
) -> dict[int, float]:
    """Leave the gradient of the mean loss over `scales` on the parameters.

    Args:
        model: a stock LLaVA or LLaVA-NeXT in training mode.
        batch: images and questions.
        scales: visual tokens per scale.
        settings: whether the tower receives its gradient, and the weight of the dense loss.
        bf16: whether to run in bfloat16 autocast.
        heads: classifiers of the dense loss; None leaves it out.

    Returns:
        Scale -> loss.
    """
    losses = {}
    images = batch.images.to(model.device)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        features = tower_features(model, images, settings.tower_rate > 0, batch.sizes)
        tokens = model.model.multi_modal_projector(features)  # [B, N, D]
        named = heads(tokens) if heads else {}
    # Each scale's graph ends at the leaf; its gradient then goes through the tower once.
    leaf = tokens.detach().requires_grad_(tokens.requires_grad)
    for scale in scales:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            loss, grounding = answer_losses(model, leaf, batch, scale, settings.ground_weight)
        # `share` weighs by answer tokens; the grounding loss is averaged over batches instead.
        total = (loss * batch.share + grounding / settings.accumulate) / len(scales)
        # Text alone does not hang on the vision side, which may be all that is trained.
        if total.requires_grad:
            # Here and not after the loop, which frees this scale's graph before the next.
            torch.autograd.backward(total)
        losses[scale] = loss.item()
    # From here on once per batch: everything that hangs on the projected tokens, each end of the
    # graph with the gradient that it starts from, none where it is a loss.
    ends: list[tuple[Tensor, Tensor | None]] = []
    if tokens.requires_grad:
        # Zero, not none: processes that train together exchange the same gradients.
        # The scales' gradients, added up on the leaf [B, N, D].
        ends.append((tokens, torch.zeros_like(leaf) if leaf.grad is None else leaf.grad))
    ends += [(loss, None) for loss in patch_losses(model, tokens, named, batch, settings)]
    if ends:
        # One call, so that the tower's graph is walked once for all ends.
        outputs, gradients = zip(*ends, strict=True)
        torch.autograd.backward(outputs, gradients)
    return losses


def accumulated_step(
    model: Any,
    batches: Sequence[Batch],
    scales: Sequence[int],
    settings: FinetuneSettings,
    bf16: bool = False,
    heads: DenseHeads | None = None,
) -> dict[int, float]:
    """Leave the gradient of several batches on the parameters as if they were one.

    Each batch counts by its answer tokens; all else is as for `matryoshka_step`.

    Returns:
        Scale -> mean loss over the answer tokens of all batches.
    """
    counts = [batch.text.answer_tokens() for batch in batches]
    means = dict.fromkeys(scales, 0.0)
    for batch, count in zip(batches, counts, strict=True):
        part = replace(batch, share=count / max(sum(counts), 1))
        losses = matryoshka_step(model, part, scales, settings, bf16, heads)
        for scale, loss in losses.items():
            means[scale] += part.share * loss
    return means


def update_average(average: dict[int, float], losses: Mapping[int, float]) -> None:
    """Add the losses of a step, scale -> loss, to a running mean of about the last 20 steps."""
    for scale, loss in losses.items():
        average[scale] = 0.95 * average.get(scale, loss) + 0.05 * loss


def average_losses(earlier: Sequence[Mapping[str, float | None]]) -> dict[int, float]:
    """Give the running mean behind the steps that `StepLog` knows of."""
    average: dict[int, float] = {}
    for losses in earlier:
        known = {int(scale): loss for scale, loss in losses.items() if loss is not None}
        update_average(average, known)
    return average


def finetune(
    model: Any,
    draw_batch: Callable[[int], Batch],
    scales: Sequence[int],
    settings: FinetuneSettings,
    loop_settings: LoopSettings,
    checkpoint: Path,
) -> Finetuned:
    """Fine-tune a LLaVA or LLaVA-NeXT in place with the Matryoshka objective.

    Args:
        model: the model.
        draw_batch: number -> batch; must depend on the number alone.
        scales: the ladder to train.
        settings: what is trained.
        loop_settings: how long.
        checkpoint: file for resuming; a killed run goes on from it. `LOG` is written beside it.

    Returns:
        The losses at the end.

    Raises:
        ValueError: if no answer token was trained.
    """
    parts = choose_parts(model, settings)
    set_checkpointing(model, settings)
    compile_layers(model, loop_settings)
    heads = None
    if settings.dense_weight:
        # The heads start at random: alike in all processes that train together.
        torch.manual_seed(loop_settings.seed)
        heads = DenseHeads(model.config.get_text_config().hidden_size, settings.dense_targets)
        parts.append((heads.to(model.device), max(settings.tower_rate, settings.projector_rate)))
    loop = TrainingLoop(parts, loop_settings, checkpoint, f"finetune {settings}")
    log = StepLog(checkpoint.with_name(LOG), loop.step)

    def draw_step(number: int) -> list[Batch]:
        first = number * settings.accumulate
        return [draw_batch(first + part) for part in range(settings.accumulate)]

    average = average_losses(log.earlier)
    steps = prefetch_batches(draw_step, loop.step, loop_settings.steps, loop_settings.workers)
    model.train()
    for step, bar in loop.steps("finetune"):
        batches = next(steps)
        chosen = draw_scales(
            scales, settings.scales_per_step, loop_settings.seed, step, settings.keep_largest
        )
        losses = accumulated_step(model, batches, chosen, settings, loop_settings.bf16, heads)
        texts = [batch.text for batch in batches]
        log.write(losses, sum(t.answer_tokens() for t in texts), sum(t.dropped for t in texts))
        update_average(average, losses)
        status: dict[str, object] = {str(s): f"{average[s]:.3f}" for s in scales if s in average}
        if log.dropped:
            status["dropped"] = log.dropped
        bar.set_postfix(status)
    if sum_over_group(log.answer_tokens, model.device) == 0:
        raise ValueError(
            f"nothing was learnt in {loop_settings.steps} steps: no answer was short enough"
        )
    model.eval()
    return Finetuned(average, log.dropped)
