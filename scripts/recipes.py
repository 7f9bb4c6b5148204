"""The steps of `m3scale finetune`: open a start, train it, write a stock checkpoint."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import AutoProcessor
from transformers.utils import logging

from labels.scene_dense import DENSE_TARGETS
from labels.scene_items import CONTENTS
from labels.scene_splits import TRAINING
from labels.scene_vocabulary import GLYPHS, WORDS
from labels.scenes import conversation
from labels.sources import load_questions
from m3_backbone.finetune import FinetuneSettings, finetune
from m3_backbone.geometry import trained_scales
from m3_backbone.group import group_rank
from m3_backbone.loading import open_checkpoint
from m3_backbone.mini import build_mini, build_processor, train_tokenizer
from m3_backbone.prompts import PromptBuilder
from m3_backbone.scales import check_scale
from m3_backbone.tower import pretrain_tower
from m3_backbone.training import LoopSettings
from scripts.batches import (
    Example,
    cached_batches,
    dense_batches,
    finetune_batches,
    image_batches,
    question_examples,
    scene_examples,
)

TOKENIZER_SCENES = 2000
TURNS_PER_SCENE = 8
CHECKPOINT = "unfinished.pt"


@dataclass(frozen=True)
class Start:
    """What a training starts from: a stock model, its processor, its ladder."""

    model: Any
    processor: Any
    scales: tuple[int, ...]


@dataclass(frozen=True)
class Sizes:
    """How much of what goes into a step.

    Attributes:
        batch: images a step.
        cached: images to encode once and use again each epoch; 0 encodes anew every step.
        scales: scales to train; empty for the whole ladder.
    """

    batch: int
    cached: int = 0
    scales: tuple[int, ...] = ()


def open_start(name: str | None, seed: int, device: str) -> Start:
    """Open a checkpoint, or make a fresh m3-mini where no name is given."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if name is not None:
        opened = open_checkpoint(name, device, "float32")
        if opened.model.config.model_type not in ("llava", "llava_next"):
            raise ValueError(
                f"only LLaVA-1.5 and LLaVA-NeXT can be trained here, {name} holds a model of type "
                f"{opened.model.config.model_type!r}"
            )
        open_processor: Any = AutoProcessor.from_pretrained
        processor = open_processor(opened.folder)
        processor.image_processor = opened.image_processor
        return Start(opened.model, processor, trained_scales(opened.model.config))
    pairs = (
        pair
        for index in range(TOKENIZER_SCENES)
        for pair in conversation(TRAINING, index, TURNS_PER_SCENE, seed)
    )
    tokenizer = train_tokenizer(pairs)
    model: Any = build_mini(tokenizer, seed)
    model.to(device)
    return Start(model, build_processor(tokenizer), tuple(model.config.matryoshka_vis_token_scale))


def open_examples(
    data: str, split: str, turns: int, seed: int, draws: int, described: int, dense: bool
) -> Callable[[int], Example]:
    """Open what to train on: endless scenes, or the epochs of any question set."""
    if data == "scenes":
        return scene_examples(turns, seed, draws, described, dense)
    return question_examples(load_questions(data, split=split), turns, seed)


def train_tower(
    start: Start, out: Path, loop: LoopSettings, rate: float, batch: int
) -> dict[str, float]:
    """Pretrain the vision tower on dense targets and write the model with it."""
    result = pretrain_tower(
        start.model.model.vision_tower,
        DENSE_TARGETS,
        dense_batches(start.processor.image_processor, batch, loop.seed),
        loop,
        unfinished(out),
        rate,
    )
    write_checkpoint(start, out)
    return result


def train_answers(
    start: Start,
    example: Callable[[int], Example],
    out: Path,
    loop: LoopSettings,
    rates: FinetuneSettings,
    sizes: Sizes,
) -> dict[str, float]:
    """Fine-tune on questions and answers and write the model."""
    prompts = PromptBuilder(start.processor.tokenizer, start.model.config.image_token_id)
    images = start.processor.image_processor
    if sizes.cached:
        draw = image_batches(example, images, sizes.batch)
        count = max(sizes.cached // sizes.batch, 1)
        batches = cached_batches(start.model, draw, prompts, count, loop.seed, loop.quiet)
    else:
        batches = finetune_batches(example, images, prompts, sizes.batch)
    if rates.align_weight:
        rates = replace(rates, align_ids=content_ids(start.processor.tokenizer))
    scales = tuple(check_scale(scale, start.scales) for scale in sizes.scales) or start.scales
    losses = finetune(start.model, batches, scales, rates, loop, unfinished(out))
    write_checkpoint(start, out)
    return {f"loss at {scale}": loss for scale, loss in losses.items()}


def content_ids(tokenizer: Any) -> tuple[int, ...]:
    """Find the token of each thing a patch can show, -1 where it has none of its own."""
    found = []
    for name in CONTENTS:
        ids = tokenizer(f" {name}", add_special_tokens=False)["input_ids"]
        found.append(ids[0] if len(ids) == 1 and name in (*GLYPHS, *WORDS) else -1)
    return tuple(found)


def unfinished(out: Path) -> Path:
    """Name the file that holds a run until it is finished."""
    return out.with_name(out.name + ".unfinished") / CHECKPOINT


def write_checkpoint(start: Start, out: Path) -> None:
    """Write a stock transformers folder in one step, and remove what the unfinished run left.

    Of processes that train together the first one writes.
    """
    if group_rank() > 0:
        return
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    start.model.save_pretrained(partial)
    start.processor.save_pretrained(partial)
    os.replace(partial, out)
    shutil.rmtree(unfinished(out).parent)
