"""Options of a fine-tuning that exclude one another, or that its way of training has no use for."""

from dataclasses import asdict
from pathlib import Path

import click

from labels.scenes.draws import find_draw
from m3_backbone.training.settings import FinetuneSettings
from scripts.finetuning.settings import Sizes, Source

SCENES_ONLY = ("easy", "described", "casual", "unknown_words", "emphasis")
"""Options that only the built-in benchmark has a use for."""

DENSE = ("data", "emphasis", "batch", "tower_rate")
"""All that --dense has a use for, beside the options of its loop."""


def parse_scales(text: str) -> tuple[int, ...]:
    """Read a comma-separated list of scales.

    Raises:
        click.UsageError: if a part is no whole number.

    >>> parse_scales("9, 36")
    (9, 36)
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise click.UsageError(f"--scales expects whole numbers such as 9,36, got {text!r}")
    return tuple(int(part) for part in parts)


def check_start(model_name: str | None, from_scratch: bool, is_added_to: bool) -> None:
    """Refuse two starts, none, and parts that are added to a fresh model.

    Raises:
        click.UsageError: if it is so.
    """
    if from_scratch == (model_name is not None):
        raise click.UsageError("give either --model NAME or --from-scratch")
    if from_scratch and is_added_to:
        raise click.UsageError("--from-scratch needs no --vision-tower and no --template")


def check_ignored(
    source: Source, sizes: Sizes, settings: FinetuneSettings, scales: str, dense: bool
) -> None:
    """Refuse options that this way of training does not look at.

    Raises:
        click.UsageError: if one of them is given.
    """
    given = {**asdict(source), **asdict(sizes), **asdict(settings), "scales": scales}
    usual = {**asdict(Source()), **asdict(Sizes()), **asdict(FinetuneSettings()), "scales": ""}
    if dense:
        way, unused = "--dense", [name for name in usual if name not in DENSE]
    elif source.images:
        way, unused = "--images", ["split", "turns", *SCENES_ONLY]
    elif find_draw(source.data) is not None:
        way, unused = f"--data {source.data}", ["split", "max_length", "skip_bad"]
    else:
        way, unused = f"--data {source.data}", [*SCENES_ONLY]
    changed = [name for name in unused if given[name] != usual[name]]
    if changed:
        flag = changed[0].replace("_", "-")
        raise click.UsageError(f"{way} does not use --{flag}: leave it out")


def check_together(
    source: Source, sizes: Sizes, settings: FinetuneSettings, adapter: bool, dense: bool
) -> None:
    """Refuse options that exclude one another.

    Raises:
        click.UsageError: if the tower is trained and cached, or a part lacks what it needs.
    """
    if sizes.cached and (settings.tower_rate or source.images):
        raise click.UsageError(
            "--cached keeps the tower as it is: give --tower-rate 0 too, and no --images"
        )
    if not source.images and find_draw(source.data) and Path(source.data).exists():
        raise click.UsageError(
            f"--data {source.data} is the built-in benchmark and also a path here: name the path "
            f"./{source.data}, or move it"
        )
    if settings.dense_weight and (find_draw(source.data) is None or not settings.tower_rate):
        raise click.UsageError("--dense-weight needs --data scenes and a --tower-rate above 0")
    if not settings.dense_weight and (settings.align_weight or settings.ground_weight):
        raise click.UsageError("--align-weight and --ground-weight need a --dense-weight above 0")
    check_lora(settings.lora_rank, settings.language_rate, adapter)
    if dense:
        check_dense(source.data, settings.tower_rate)


def check_dense(data: str, tower_rate: float) -> None:
    """Refuse to train the tower alone on what does not say what patches show, or not at all.

    Raises:
        click.UsageError: if it is so.
    """
    if find_draw(data) is None:
        raise click.UsageError(f"--dense needs --data scenes or another draw of them, not {data}")
    if not tower_rate:
        raise click.UsageError("--dense trains the tower at --tower-rate, which is 0: raise it")


def check_lora(rank: int, language_rate: float, adapter: bool) -> None:
    """Refuse a LoRA that would not be trained, and an adapter without one.

    Raises:
        click.UsageError: if it is so.
    """
    if adapter and not rank:
        raise click.UsageError("--adapter writes a LoRA: give --lora-rank too")
    if rank and not language_rate:
        raise click.UsageError("--lora-rank trains at --language-rate, which is 0: raise it")
