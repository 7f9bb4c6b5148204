"""Pretrains a vision tower with dense supervision: linear heads name what is on every patch.

The heads are thrown away afterwards. Only for towers that start from random weights, not for a
pretrained CLIP.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionModel

from m3_backbone.training.compilation import compile_layers
from m3_backbone.training.distributed import prefetch_batches
from m3_backbone.training.loop import LOG, StepLog, TrainingLoop
from m3_backbone.training.settings import LoopSettings

NO_CLASS = -1

# A patch of plain background says little; without a lower weight it drowns everything else.
BACKGROUND_WEIGHT = 0.1

# Questions are about what a patch shows and what belongs to it.
WEIGHTS = {
    "content": 2.0,
    "left": 2.0,
    "right": 2.0,
    "value": 2.0,
    "copies": 12.0,
    "middle": 3.0,
    "early middle": 1.5,
}

# Targets that are named half-way up the tower too: only what is known there can be counted above.
EARLY = ("content", "middle")

SINGLE_WEIGHT = 0.3
"""Of a thing that occurs once, where copies are counted."""

DenseBatch = tuple[Tensor, Mapping[str, Tensor]]


class DenseHeads(nn.Module):
    """One linear classifier per dense target over normalised patch features.

    Args:
        width: features of a patch.
        classes: target name -> number of classes.
    """

    def __init__(self, width: int, classes: Mapping[str, int]) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleDict({name: nn.Linear(width, n) for name, n in classes.items()})

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """Map patch features [B, N, D] to logits [B, N, classes] per target."""
        normalised = self.norm(features)
        return {name: head(normalised) for name, head in self.heads.items()}


class TowerHeads(nn.Module):
    """Dense heads at the top of a tower, and those of `EARLY` half-way up.

    Args:
        tower: a `CLIPVisionModel`.
        classes: target name -> number of classes.
    """

    def __init__(self, tower: CLIPVisionModel, classes: Mapping[str, int]) -> None:
        super().__init__()
        width = int(tower.config.hidden_size)
        self.depth = int(tower.config.num_hidden_layers) // 2
        self.top = DenseHeads(width, classes)
        self.early = DenseHeads(width, {name: classes[name] for name in EARLY if name in classes})

    def forward(self, states: Sequence[Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Map states, [B, 1 + N, D] in front of each layer and behind the last, to both logits."""
        # Without the class token [B, N, D].
        return self.top(states[-1][:, 1:]), self.early(states[self.depth][:, 1:])


def dense_loss(logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cross-entropy of each dense target over the patches where it applies.

    Args:
        logits: target name -> [B, N, classes].
        targets: target name -> class numbers [B, N], -1 where the target does not apply.

    Returns:
        Target name -> scalar loss.
    """
    losses = {}
    for name, values in logits.items():
        weight = None
        if name == "content":
            # [classes]
            weight = torch.ones(values.shape[-1], device=values.device)
            weight[0] = BACKGROUND_WEIGHT
        flat = values.float().flatten(0, 1)  # [B * N, classes]
        wanted = targets[name].flatten()
        if name == "copies":
            losses[name] = copies_loss(flat, wanted, targets["content"])
            continue
        total = F.cross_entropy(flat, wanted, weight, ignore_index=NO_CLASS, reduction="sum")
        # Background adds to the sum by its low weight, but is not counted in the mean.
        counted = wanted != (0 if name == "content" else NO_CLASS)
        losses[name] = total / counted.sum().clamp(min=1)
    return losses


def copies_loss(logits: Tensor, copies: Tensor, content: Tensor) -> Tensor:
    """Cross-entropy of how often a thing occurs, where each thing of an image counts once.

    By the patch, what is large or occurs often would say all, and two would never be told from
    three.

    Args:
        logits: [B * N, classes].
        copies: class numbers [B * N], -1 where the target does not apply.
        content: what each patch shows [B, N].

    Returns:
        A scalar, 0 where nothing can be counted.
    """
    known = (copies != NO_CLASS).float()
    shown = F.one_hot(content).float() * known.view(*content.shape, 1)  # [B, N, things]
    patches = shown.sum(dim=1, keepdim=True).expand_as(shown)  # [B, N, things]
    weights = known / patches.gather(-1, content[..., None]).flatten().clamp(min=1)
    # Most things occur once, and that is soon known.
    weights = torch.where(copies == 1, SINGLE_WEIGHT * weights, weights)
    each = F.cross_entropy(logits, copies, ignore_index=NO_CLASS, reduction="none")
    return (each * weights).sum() / weights.sum().clamp(min=1)


def weigh_losses(losses: Mapping[str, Tensor]) -> Tensor:
    """Add the dense losses up by their weights, a scalar."""
    return torch.stack([loss * WEIGHTS.get(name, 1.0) for name, loss in losses.items()]).sum()


def move_dense(batch: DenseBatch, device: torch.device) -> DenseBatch:
    """Move pixel values and targets to a device."""
    pixels, targets = batch
    return pixels.to(device), {name: target.to(device) for name, target in targets.items()}


def dense_accuracy(logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> dict[str, float]:
    """Share of patches whose target is named right, where it applies and is not background."""
    result = {}
    for name, values in logits.items():
        wanted = targets[name]
        counted = wanted != NO_CLASS
        if name == "content":
            counted &= wanted != 0
        right = (values.argmax(-1) == wanted) & counted
        result[name] = float(right.sum() / counted.sum().clamp(min=1))
    return result


def pretrain_tower(
    tower: CLIPVisionModel,
    classes: Mapping[str, int],
    draw_batch: Callable[[int], DenseBatch],
    settings: LoopSettings,
    checkpoint: Path,
    rate: float = 1e-3,
) -> dict[str, float]:
    """Train a CLIP-style tower so that linear heads can read off what every patch shows.

    Args:
        tower: a `CLIPVisionModel`, changed in place.
        classes: target name -> number of classes.
        draw_batch: step -> (pixel values [B, 3, H, W], targets {name: [B, N]}).
        settings: how long.
        checkpoint: file for resuming; `LOG` is written beside it.
        rate: peak learning rate.

    Returns:
        Accuracy per target on the last batch.
    """
    torch.manual_seed(settings.seed)
    heads = TowerHeads(tower, classes).to(tower.device)
    compile_layers(tower, settings)
    identity = f"tower rate={rate} targets={sorted(classes)}"
    loop = TrainingLoop([(tower, rate), (heads, rate)], settings, checkpoint, identity)
    log = StepLog(checkpoint.with_name(LOG), loop.step)
    batches = prefetch_batches(draw_batch, loop.step, settings.steps, settings.workers)

    def name_patches(pixels: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        with torch.autocast(pixels.device.type, torch.bfloat16, enabled=settings.bf16):
            states = tower(pixel_values=pixels, output_hidden_states=True).hidden_states
            named: tuple[dict[str, Tensor], dict[str, Tensor]] = heads(states)
        return named

    for step, bar in loop.steps("tower"):
        pixels, targets = move_dense(next(batches), tower.device)
        logits, early = name_patches(pixels)
        losses = dense_loss(logits, targets)
        losses |= {f"early {name}": loss for name, loss in dense_loss(early, targets).items()}
        torch.autograd.backward(weigh_losses(losses))
        # Stacked: read from the device at once.
        told = torch.stack(list(losses.values())).tolist()
        log.write(dict(zip(losses, told, strict=True)))
        if step % 50 == 0:
            accuracy = dense_accuracy(logits, targets)
            bar.set_postfix({name: f"{value:.2f}" for name, value in accuracy.items()})
    # On its last batch once more, so that a run killed behind it ends with the same figures.
    pixels, targets = move_dense(draw_batch(settings.steps - 1), tower.device)
    with torch.no_grad():
        return dense_accuracy(name_patches(pixels)[0], targets)
