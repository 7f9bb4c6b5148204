"""Matryoshka fine-tuning of a stock LLaVA: one encode a step, the answer loss at several scales.

The loss is the mean over scales of the token-mean cross-entropy of the answers. Each scale runs
forward and backward on its own, so that only one scale's graph is alive at a time; their gradients
add up on the projected tokens and go through the vision tower once.

Source: M3 (arXiv 2405.17430), equation 2; unlike the official code, the tower is encoded once and
really receives its gradient.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from m3_backbone.anyres import Size
from m3_backbone.barred import bar_tokens
from m3_backbone.grounding import SMALLEST_SCALE, ground_loss, watched_layer
from m3_backbone.packing import PackedText
from m3_backbone.prefetch import prefetch_batches
from m3_backbone.tower import DenseHeads, dense_loss, weigh_losses
from m3_backbone.training import LoopSettings, TrainingLoop
from m3_backbone.vision import encode_pixels
from m3_backbone.visual_rows import join_crops, rows_mask, rows_positions, visual_rows

ALIGN_TEMPERATURE = 0.07


@dataclass(frozen=True)
class FinetuneSettings:
    """What is trained and how fast.

    Attributes:
        tower_rate: peak learning rate of the vision tower; 0 freezes it.
        projector_rate: peak learning rate of the projector; 0 freezes it.
        language_rate: peak learning rate of the language model; 0 freezes it.
        scales_per_step: scales whose loss is taken each step; fewer than the ladder has are drawn
            anew each step, an unbiased sample of the mean over all.
        dense_weight: weight of the dense loss of `m3_backbone.tower` beside the answer loss, taken
            on the projected tokens, so that what the tower found reaches the language model; for
            models that start from random weights; 0 leaves it out.
        dense_targets: target name -> number of classes of the dense loss.
        align_weight: weight of `align_loss` beside the answer loss; 0 leaves it out.
        align_ids: token id of each class of the dense target "content", -1 for a class without.
        ground_weight: weight of the loss of `m3_backbone.grounding`; 0 leaves it out.
    """

    tower_rate: float = 2e-5
    projector_rate: float = 2e-5
    language_rate: float = 2e-5
    scales_per_step: int = 5
    dense_weight: float = 0.0
    dense_targets: Mapping[str, int] = field(default_factory=dict)
    align_weight: float = 0.0
    align_ids: tuple[int, ...] = ()
    ground_weight: float = 0.0


@dataclass(frozen=True)
class Batch:
    """Images and the packed questions about them.

    Attributes:
        images: pixel values [B, 3, H, W]; or, where the tower is frozen, what `encode_pixels` gave
            for them once and for all [B, N, width of the tower]. For a model that cuts images, the
            crops of all images behind one another take the place of the images; or pixel values
            [B, C, 3, H, W], filled up as its image processor does.
        text: the packed questions.
        dense: what every patch shows, target name -> [B, N], where the dense loss is taken.
        places: where what each question is about lies [B, questions, N], where it is known.
        sizes: width and height of each image [pixels], for a model that cuts images.
    """

    images: Tensor
    text: PackedText
    dense: Mapping[str, Tensor] = field(default_factory=dict)
    places: Tensor | None = None
    sizes: tuple[Size, ...] = ()


def freeze(module: nn.Module, rate: float) -> None:
    """Let a module train exactly if its learning rate is above zero."""
    module.requires_grad_(rate > 0)


def encode_images(model: Any, images: Tensor, train_tower: bool) -> Tensor:
    """Encode images to [B, N, width of the tower], unless they are such features already."""
    if images.ndim != 4:
        return images
    with torch.set_grad_enabled(train_tower):
        return encode_pixels(model, images)


def scale_loss(
    model: Any, tokens: Tensor, text: PackedText, scale: int, sizes: Sequence[Size] = ()
) -> Tensor:
    """Take the answer loss at one scale.

    Args:
        model: a stock LLaVA or LLaVA-NeXT.
        tokens: projected tokens of each image [B, N, D], or of all crops, see `visual_rows`.
        text: the packed questions.
        scale: visual tokens to pool each image or crop to.
        sizes: width and height of each image [pixels], for a model that cuts images.

    Returns:
        Mean cross-entropy over all answer tokens of the batch, a scalar.
    """
    device = tokens.device
    embed = model.get_input_embeddings()
    seen, counts = visual_rows(model, tokens, scale, sizes)
    before = embed(text.before.to(device)).expand(len(seen), -1, -1)
    inputs = torch.cat([before, seen.to(before.dtype), embed(text.ids.to(device))], dim=1)
    hidden = model.model.language_model(
        inputs_embeds=inputs,
        attention_mask=rows_mask(text, counts).to(device),
        position_ids=rows_positions(text, counts).to(device),
        use_cache=False,
    ).last_hidden_state[:, -text.ids.shape[1] :]
    asked = text.labels != -100
    logits = bar_tokens(model, model.lm_head(hidden[asked.to(device)]))
    return F.cross_entropy(logits.float(), text.labels[asked].to(device))


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


def draw_scales(ladder: Sequence[int], count: int, seed: int, step: int) -> list[int]:
    """Choose the scales of one step; the same seed and step give the same scales."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
    order = torch.randperm(len(ladder), generator=generator)[:count]
    return [ladder[int(index)] for index in order]


def answer_losses(
    model: Any, tokens: Tensor, batch: Batch, scale: int, ground_weight: float
) -> tuple[Tensor, Tensor]:
    """Take the answer loss at one scale, and the weighted loss of `grounding` where it is known."""
    if not ground_weight or batch.places is None or scale < SMALLEST_SCALE:
        loss = scale_loss(model, tokens, batch.text, scale, batch.sizes)
        return loss, torch.zeros((), device=tokens.device)
    with watched_layer(model) as seen:
        loss = scale_loss(model, tokens, batch.text, scale)
    return loss, ground_weight * ground_loss(model, seen, batch.text, batch.places, scale)


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
    if images.ndim == 5:
        images = join_crops(model, images, batch.sizes)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
        features = encode_images(model, images, settings.tower_rate > 0)
        tokens = model.model.multi_modal_projector(features)
        named = heads(tokens) if heads else {}
    leaf = tokens.detach().requires_grad_(tokens.requires_grad)
    for scale in scales:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            loss, pointed = answer_losses(model, leaf, batch, scale, settings.ground_weight)
        torch.autograd.backward((loss + pointed) / len(scales))
        losses[scale] = loss.item()
    ends, gradients = ([tokens], [leaf.grad]) if tokens.requires_grad else ([], [])
    if named:
        targets = {name: target.to(images.device) for name, target in batch.dense.items()}
        ends.append(settings.dense_weight * weigh_losses(dense_loss(named, targets)))
        gradients.append(None)
    if settings.align_weight:
        aligned = align_loss(model, tokens, batch.dense["content"], settings.align_ids)
        ends.append(settings.align_weight * aligned)
        gradients.append(None)
    if ends:
        torch.autograd.backward(ends, gradients)
    return losses


def finetune(
    model: Any,
    draw_batch: Callable[[int], Batch],
    scales: Sequence[int],
    settings: FinetuneSettings,
    loop_settings: LoopSettings,
    checkpoint: Path,
) -> dict[int, float]:
    """Fine-tune a LLaVA with the Matryoshka objective.

    Args:
        model: a stock LLaVA or LLaVA-NeXT, changed in place.
        draw_batch: step -> images and questions; must depend on the step alone.
        scales: the ladder to train.
        settings: what is trained.
        loop_settings: how long.
        checkpoint: file for resuming; a killed run goes on from it.

    Returns:
        Scale -> loss, averaged over the run's last steps.
    """
    inner = model.model
    parts = [
        (inner.vision_tower, settings.tower_rate),
        (inner.multi_modal_projector, settings.projector_rate),
        (inner.language_model, settings.language_rate),
        (model.lm_head, settings.language_rate),
    ]
    if hasattr(inner, "image_newline"):
        parts.append((nn.ParameterList([inner.image_newline]), settings.projector_rate))
    for module, rate in parts:
        freeze(module, rate)
    heads = None
    if settings.dense_weight:
        torch.manual_seed(loop_settings.seed)
        heads = DenseHeads(model.config.get_text_config().hidden_size, settings.dense_targets)
        parts.append((heads.to(model.device), max(settings.tower_rate, settings.projector_rate)))
    loop = TrainingLoop(parts, loop_settings, checkpoint, f"finetune {settings}")
    average: dict[int, float] = {}
    batches = prefetch_batches(draw_batch, loop.step, loop_settings.steps, loop_settings.workers)
    model.train()
    for step, bar in loop.steps("finetune"):
        chosen = draw_scales(scales, settings.scales_per_step, loop_settings.seed, step)
        losses = matryoshka_step(model, next(batches), chosen, settings, loop_settings.bf16, heads)
        for scale, loss in losses.items():
            average[scale] = 0.95 * average.get(scale, loss) + 0.05 * loss
        bar.set_postfix({str(s): f"{average[s]:.3f}" for s in scales if s in average})
    model.eval()
    return average
