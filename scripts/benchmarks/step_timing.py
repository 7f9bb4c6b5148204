"""Time and memory of two ways to the same gradient: one encoding per step, or one per scale."""

import statistics
from typing import Any

import torch

from m3_backbone.checkpoints.placement import DTYPES
from m3_backbone.inference.prompts import IGNORED
from m3_backbone.scales import TOKEN_SCALES
from m3_backbone.training.conversations import ConversationText
from m3_backbone.training.finetune import Batch, matryoshka_step, tower_features
from m3_backbone.training.losses import scale_loss
from m3_backbone.training.settings import FinetuneSettings
from scripts.benchmarks.models import LANGUAGE, VISION, build_model
from scripts.benchmarks.settings import StepSettings
from scripts.benchmarks.timing import peak_bytes, time_step

KINDS = ("shared", "naive")


def draw_batch(setting: StepSettings) -> Batch:
    """Make a batch of noise: images, and a question with its answer about each."""
    seeded = torch.Generator().manual_seed(0)
    side = VISION[setting.size][4]
    image = LANGUAGE[setting.size][-1] - 1
    pixels = torch.randn(setting.batch, 3, side, side, generator=seeded)  # [B, 3, side, side]
    count = setting.prompt + setting.answer
    rows = []
    for _ in range(setting.batch):
        # From 3 on: below are padding, beginning and end; `image` is the last of the vocabulary.
        ids: list[int] = torch.randint(3, image, (count,), generator=seeded).tolist()
        # Only the answer is learnt.
        labels = [IGNORED] * setting.prompt + ids[setting.prompt :]
        # The image stands behind the first token and is never an answer.
        rows.append(([ids[0], image, *ids[1:]], [labels[0], IGNORED, *labels[1:]]))
    sizes = ((side, side),) * setting.batch
    return Batch(pixels.to(DTYPES[setting.dtype]), ConversationText(tuple(rows), image, sizes, 0))


def run_step(model: Any, batch: Batch, kind: str, bf16: bool) -> None:
    """Leave the gradient of the mean loss over all scales on the parameters.

    Args:
        model: a stock LLaVA.
        batch: images and questions.
        kind: "shared" encodes once and goes scale by scale; "naive" encodes for every scale and
            goes backward once through all of it, as M3's own code does (with a tower that learns).
        bf16: whether to run in bfloat16 autocast.
    """
    model.zero_grad(set_to_none=True)
    if kind == "shared":
        # Rates above 0 for tower, projector and language model: the gradient reaches everything.
        matryoshka_step(model, batch, TOKEN_SCALES, FinetuneSettings(1.0, 1.0, 1.0), bf16)
        return
    images = batch.images.to(model.device)
    losses = []
    for scale in TOKEN_SCALES:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            tokens = model.model.multi_modal_projector(tower_features(model, images, True))
            losses.append(scale_loss(model, tokens, batch.text, scale))
    # All scales' activations are alive until here: that is what costs the memory.
    torch.autograd.backward(torch.stack(losses).mean())


def measure_memory(setting: StepSettings, kind: str) -> dict[str, int]:
    """Run one step and read the peak of this process; call it in a process of its own.

    Returns:
        Bytes at the peak of building the model (`start`) and of everything (`peak`).
    """
    model = build_model(setting)
    batch = draw_batch(setting)
    start = peak_bytes(setting.device)
    run_step(model, batch, kind, setting.bf16)
    return {"start": start, "peak": peak_bytes(setting.device)}


def measure_times(setting: StepSettings, repeats: int) -> dict[str, Any]:
    """Time both kinds, in turns, after one step of each that is not counted.

    Args:
        setting: what is measured.
        repeats: steps of each kind.

    Returns:
        Parameters, seconds and their median of each kind, how many times faster shared is, and the
        largest difference between their gradients beside the largest gradient.
    """
    model = build_model(setting)
    batch = draw_batch(setting)

    def step(kind: str) -> float:
        return time_step(lambda: run_step(model, batch, kind, setting.bf16), setting.device)

    gradients: list[list[torch.Tensor]] = []
    for kind in KINDS:
        step(kind)
        gradients.append(copy_gradients(model.parameters()))
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    # In turns, so that a machine that slows down slows both.
    for _ in range(repeats):
        for kind in KINDS:
            seconds[kind].append(step(kind))
    medians = {kind: statistics.median(taken) for kind, taken in seconds.items()}
    # Strict: both kinds must reach the same parameters.
    pairs = list(zip(*gradients, strict=True))
    return {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "seconds": seconds,
        "median_seconds": medians,
        "speedup": medians["naive"] / medians["shared"],
        "largest_gradient": max(float(one.abs().max()) for one, _ in pairs),
        "largest_difference": max(float((one - other).abs().max()) for one, other in pairs),
    }


def copy_gradients(weights: Any) -> list[torch.Tensor]:
    """Copy the gradients there are to the processor's memory, in single precision."""
    return [weight.grad.float().cpu() for weight in weights if weight.grad is not None]
