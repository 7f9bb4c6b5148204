"""Two ways to one gradient, with their times and memory: one encoding a step, or one a scale."""

import resource
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from m3_backbone.answer_loss import scale_loss
from m3_backbone.conversations import ConversationText
from m3_backbone.finetune import Batch, encode_images, matryoshka_step
from m3_backbone.finetune_settings import FinetuneSettings
from m3_backbone.packing import IGNORED
from m3_backbone.placement import DTYPES
from m3_backbone.scales import TOKEN_SCALES

VISION = {
    "tiny": (32, 2, 2, 64, 96, 4),
    "300m": (768, 12, 12, 3072, 336, 14),
    "7b": (1024, 24, 16, 4096, 336, 14),
}
"""Width, layers, heads, inner width, image side and patch side of the tower [pixels]."""

LANGUAGE = {
    "tiny": (32, 2, 2, 64, 128),
    "300m": (1024, 12, 16, 2816, 32064),
    "7b": (4096, 32, 32, 11008, 32064),
}
"""Width, layers, heads, inner width and vocabulary. 7b is that of LLaVA-1.5-7B."""

KINDS = ("shared", "naive")


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        size: one of `VISION`.
        device: torch device.
        dtype: number format of the weights, one of `DTYPES`.
        bf16: run the forward passes in bfloat16 autocast.
        batch: images a step.
        prompt: tokens around each image.
        answer: tokens of each answer.
    """

    size: str = "tiny"
    device: str = "cpu"
    dtype: str = "float32"
    bf16: bool = False
    batch: int = 2
    prompt: int = 48
    answer: int = 16


def build_model(setting: Setting) -> Any:
    """Make a stock LLaVA of a size with random weights, ready for training."""
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    tower, words = VISION[setting.size], LANGUAGE[setting.size]
    shape: Any = dict(zip((*names, "image_size", "patch_size"), tower, strict=True))
    language: Any = dict(zip((*names, "vocab_size"), words, strict=True))
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**shape),
        text_config=LlamaConfig(**language, max_position_embeddings=4096),
        image_token_index=words[-1] - 1,
    )
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(DTYPES[setting.dtype])
    try:
        with torch.device(setting.device):
            return LlavaForConditionalGeneration(config).train()
    finally:
        torch.set_default_dtype(before)


def draw_batch(setting: Setting) -> Batch:
    """Make a batch of noise: images, and a question with its answer about each."""
    seeded = torch.Generator().manual_seed(0)
    side, image = VISION[setting.size][4], LANGUAGE[setting.size][-1] - 1
    pixels = torch.randn(setting.batch, 3, side, side, generator=seeded)
    count = setting.prompt + setting.answer
    rows = []
    for _ in range(setting.batch):
        ids: list[int] = torch.randint(3, image, (count,), generator=seeded).tolist()
        labels = [IGNORED] * setting.prompt + ids[setting.prompt :]
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
        matryoshka_step(model, batch, TOKEN_SCALES, FinetuneSettings(1.0, 1.0, 1.0), bf16)
        return
    images = batch.images.to(model.device)
    losses = []
    for scale in TOKEN_SCALES:
        with torch.autocast(images.device.type, torch.bfloat16, enabled=bf16):
            tokens = model.model.multi_modal_projector(encode_images(model, images, True))
            losses.append(scale_loss(model, tokens, batch.text, scale))
    torch.autograd.backward(torch.stack(losses).mean())


def measure_memory(setting: Setting, kind: str) -> dict[str, int]:
    """Run one step and read the peak of this process; call it in a process of its own.

    Returns:
        Bytes at the peak of building the model (`start`) and of everything (`peak`).
    """
    model, batch = build_model(setting), draw_batch(setting)
    start = peak_bytes(setting.device)
    run_step(model, batch, kind, setting.bf16)
    return {"start": start, "peak": peak_bytes(setting.device)}


def peak_bytes(device: str) -> int:
    """Read the largest memory so far: of the device where it keeps count, else of the process."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device)
    # Linux counts KiB, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def measure_times(setting: Setting, repeats: int) -> dict[str, Any]:
    """Time both kinds, in turns, after one step of each that is not counted.

    Args:
        setting: what is measured.
        repeats: steps of each kind.

    Returns:
        Parameters, seconds and their median of each kind, how many times faster shared is, and the
        largest difference between their gradients beside the largest gradient.
    """
    model, batch = build_model(setting), draw_batch(setting)

    def step(kind: str) -> float:
        return time_step(lambda: run_step(model, batch, kind, setting.bf16), setting.device)

    gradients: list[list[torch.Tensor]] = []
    for kind in KINDS:
        step(kind)
        gradients.append(copy_gradients(model.parameters()))
    seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(repeats):
        for kind in KINDS:
            seconds[kind].append(step(kind))
    medians = {kind: statistics.median(taken) for kind, taken in seconds.items()}
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


def time_step(step: Callable[[], object], device: str) -> float:
    """Run a step and give its wall time, until the device is done [seconds]."""
    wait_for(device)
    started = time.perf_counter()
    step()
    wait_for(device)
    return time.perf_counter() - started


def wait_for(device: str) -> None:
    """Let a device finish what it was asked to do."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
