"""What a fine-tuning starts from, and the folder that it ends in."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.utils import logging

from labels.scenes.benchmark import conversation
from labels.scenes.draws import SCENES_V2, TRAINING, Draw
from m3_backbone.checkpoints.conversion import save_stock
from m3_backbone.checkpoints.loading import open_checkpoint
from m3_backbone.checkpoints.placement import find_device
from m3_backbone.checkpoints.source import CheckpointSource
from m3_backbone.checkpoints.writing import writing_weights
from m3_backbone.files import check_output, replacing, sweep
from m3_backbone.hosts.config import trained_scales
from m3_backbone.inference.prompts import PromptBuilder
from m3_backbone.scales import check_scale
from m3_backbone.training.distributed import group_rank
from m3_backbone.training.loop import LOG
from m3_backbone.training.mini import build_mini, build_processor, train_tokenizer
from m3_backbone.training.trainable import write_adapter

TOKENIZER_SCENES = 2000
TURNS_PER_SCENE = 8
TRAINABLE = ("llava", "llava_next")
CHECKPOINT = "unfinished.pt"
CHECKED_IMAGES = "images.json"
LOCK = "unfinished.lock"
"""Names the process that trains, which holds it locked."""

RECORD = "finetune.log"
"""Says what a folder was trained for; no file that a checkpoint's fingerprint counts."""


@dataclass(frozen=True)
class Start:
    """What a training starts from.

    Attributes:
        model: a stock model.
        tokenizer: its tokenizer.
        image_processor: its image processor.
        scales: the scales to train.
        record: what is trained, on what, and how, see `is_finished`.
    """

    model: Any
    tokenizer: Any
    image_processor: Any
    scales: tuple[int, ...]
    record: str = ""


def open_start(
    source: CheckpointSource | None,
    seed: int,
    device: str,
    dtype: str = "float32",
    scales: tuple[int, ...] = (),
    draw: Draw = SCENES_V2,
) -> Start:
    """Open a checkpoint, stock or official, or make a fresh m3-mini where none is given.

    Args:
        source: the checkpoint.
        seed: seed of fresh weights.
        device: torch device.
        dtype: number format of a checkpoint's weights.
        scales: scales to train; empty for all that the model offers.
        draw: configuration of the benchmark that a fresh tokenizer is made for.

    Returns:
        The start.
    """
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    if source is not None:
        opened = open_checkpoint(source, device, dtype)
        check_trainable(opened.model.config.model_type, str(source.name))
        model = opened.model
        tokenizer = opened.tokenizer
        images = opened.image_processor
    else:
        model, tokenizer, images = fresh_mini(seed, draw)
        model.to(find_device(device))
    offered = trained_scales(model.config)
    chosen = tuple(check_scale(scale, offered) for scale in scales) or offered
    return Start(model, tokenizer, images, chosen)


def stop_at_end(model: Any, prompts: PromptBuilder) -> None:
    """Let answers stop where those that are learnt end, too: a template may have its own end."""
    settings = model.generation_config
    known = settings.eos_token_id or prompts.tokenizer.eos_token_id
    listed = known if isinstance(known, list) else [known]
    end = prompts.tokenizer.convert_tokens_to_ids(prompts.frame.end)
    if end not in (None, *listed):
        settings.eos_token_id = [*filter(None, listed), end]


def check_trainable(model_type: str, name: str) -> None:
    """Refuse models of other families, which are pooled at inference only.

    Raises:
        ValueError: if the training code does not know the family.
    """
    if model_type not in TRAINABLE:
        raise ValueError(
            f"only LLaVA-1.5 and LLaVA-NeXT can be trained here, {name} holds a model of type "
            f"{model_type!r}"
        )


def fresh_mini(seed: int, draw: Draw) -> tuple[Any, Any, Any]:
    """Make an untrained m3-mini with its tokenizer and image processor."""
    pairs = (
        pair
        for index in range(TOKENIZER_SCENES)
        for pair in conversation(TRAINING, index, TURNS_PER_SCENE, seed, draw=draw)
    )
    tokenizer = train_tokenizer(pairs)
    processor: Any = build_processor(tokenizer)
    return build_mini(tokenizer, seed), tokenizer, processor.image_processor


def unfinished(out: Path) -> Path:
    """Name the file that holds a run until it is finished."""
    # Beside the folder, which is complete or not there.
    return out.with_name(out.name + ".unfinished") / CHECKPOINT


def checked_images(out: Path) -> Path:
    """Name the file that lists the images which an unfinished run has found good."""
    return unfinished(out).with_name(CHECKED_IMAGES)


def is_finished(out: Path, record: str) -> bool:
    """Tell whether a folder is the end of a run; if not, it must be one that can be written.

    Args:
        out: the folder. One that holds anything else is refused, before anything is trained.
        record: what the run trains, on what, and how.
    """
    # The folder appears in one step, so this file stands for all of it.
    path = out / RECORD
    if path.is_file() and path.read_bytes() == record.encode():
        # The run may have been killed before it came to that.
        remove_unfinished(out)
        sweep(Path(os.path.realpath(out)).parent)
        return True
    check_output(out, owned=_refuse_filled)
    check_output(unfinished(out).parent, owned=lambda _: (CHECKPOINT, LOG, CHECKED_IMAGES, LOCK))
    return False


def _refuse_filled(folder: Path) -> tuple[str, ...]:
    raise ValueError(
        f"{folder} holds files, and not what this command trains: remove it or name a new folder"
    )


def write_checkpoint(start: Start, out: Path, adapted: Any = None) -> None:
    """Write the trained folder in one step, and remove what the unfinished run left.

    Of processes that train together the first one writes.

    Args:
        start: the model, trained by now.
        out: the folder: a stock checkpoint, or an adapter and what goes with it.
        adapted: the model in peft's wrapper, where its adapter is to be written alone.
    """
    if group_rank() > 0:
        return
    log = unfinished(out).with_name(LOG)
    with replacing(out) as partial, writing_weights():
        if adapted is None:
            save_stock(start.model, start.tokenizer, start.image_processor, partial)
        else:
            write_adapter(adapted, partial)
            start.model.config.save_pretrained(partial)
        if log.is_file():
            shutil.copyfile(log, partial / LOG)
        (partial / RECORD).write_text(start.record, encoding="utf-8")
    # Last: until the folder stands, a killed run can be taken up again.
    remove_unfinished(out)


def remove_unfinished(out: Path) -> None:
    """Remove what a run has written until it was finished, and nothing that a user put there."""
    folder = unfinished(out).parent
    sweep(folder)
    for name in (CHECKPOINT, LOG, CHECKED_IMAGES, LOCK):
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # a user's files keep the folder
        folder.rmdir()
