"""`m3scale finetune`: train a LLaVA with the Matryoshka objective, or m3-mini from nothing."""

from pathlib import Path
from typing import Any

import click

from scripts.terminal.errors import OneLineCommand

# A killed run is taken up again only by a command that agrees in these.
IDENTITY = (
    *("model_name", "data", "split", "batch", "turns"),
    *("easy", "described", "scales", "cached", "images", "max_length"),
)


# Options that go into the settings of the same name, unread.
SOURCE = ("data", "images", "split", "turns", "easy", "described")


SIZES = ("batch", "cached", "max_length")


LOOP = ("steps", "bf16", "seed", "save_seconds", "workers", "quiet", "optimizer")


RATES = (
    *("tower_rate", "projector_rate", "language_rate", "scales_per_step"),
    *("dense_weight", "align_weight", "ground_weight"),
    *("accumulate", "checkpointing", "lora_rank", "lora_alpha"),
)


def parse_scales(text: str) -> tuple[int, ...]:
    """Read a comma-separated list of scales.

    Raises:
        click.UsageError: if a part is no whole number.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise click.UsageError(f"--scales expects whole numbers such as 9,36, got {text!r}")
    return tuple(int(part) for part in parts)


def check_together(settings: dict[str, Any]) -> None:
    """Refuse options that exclude one another.

    Raises:
        click.UsageError: if the tower is trained and cached, or a part lacks what it needs.
    """
    if settings["cached"] and (settings["tower_rate"] or settings["images"]):
        raise click.UsageError(
            "--cached keeps the tower as it is: give --tower-rate 0 too, and no --images"
        )
    dense = settings["dense_weight"]
    if dense and (settings["data"] != "scenes" or not settings["tower_rate"]):
        raise click.UsageError("--dense-weight needs --data scenes and a --tower-rate above 0")
    if not dense and (settings["align_weight"] or settings["ground_weight"]):
        raise click.UsageError("--align-weight and --ground-weight need a --dense-weight above 0")


def check_lora(rank: int, language_rate: float, adapter: bool) -> None:
    """Refuse a LoRA that would not be trained, and an adapter without one.

    Raises:
        click.UsageError: if it is so.
    """
    if adapter and not rank:
        raise click.UsageError("--adapter writes a LoRA: give --lora-rank too")
    if rank and not language_rate:
        raise click.UsageError("--lora-rank trains at --language-rate, which is 0: raise it")


@click.command(cls=OneLineCommand, context_settings={"show_default": True})
@click.option(
    "--model", "model_name", help="Checkpoint to start from: a folder, a Hub name, m3-mini."
)
@click.option("--from-scratch", is_flag=True, help="Start from a fresh m3-mini instead of --model.")
@click.option(
    "--data",
    default="scenes",
    help="What to train on: scenes, any source of `label`, or with --images LLaVA's conversations.",
)
@click.option(
    "--images",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the images that the JSON file of --data names.",
)
@click.option(
    "--max-length",
    default=2048,
    type=click.IntRange(min=2),
    help="Most tokens of a conversation at the largest scale; what is behind is cut off.",
)
@click.option("--split", default="train", help="Split of --data.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option("--steps", default=1000, type=click.IntRange(min=1), help="Optimiser steps.")
@click.option(
    "--batch", default=16, type=click.IntRange(min=1), help="Images or conversations a batch."
)
@click.option(
    "--accumulate",
    default=1,
    type=click.IntRange(min=1),
    help="Batches a step, as if they were one.",
)
@click.option(
    "--checkpointing", is_flag=True, help="Compute layers twice to save memory; same gradient."
)
@click.option("--turns", default=12, type=click.IntRange(min=1), help="Most questions an image.")
@click.option(
    "--easy",
    default=1,
    type=click.IntRange(min=1),
    help="Take the emptiest of so many scenes: an easy start.",
)
@click.option(
    "--tower-rate", default=2e-5, help="Peak learning rate of the vision tower; 0 freezes."
)
@click.option("--projector-rate", default=2e-5, help="The same for the projector.")
@click.option("--language-rate", default=2e-5, help="The same for the language model.")
@click.option(
    "--scales-per-step",
    default=5,
    type=click.IntRange(min=1),
    help="Scales of each step; fewer are drawn at random, 1 is the random-scale loss.",
)
@click.option("--described", default=0, help="Descriptions of each scene beside the questions.")
@click.option("--scales", default="", help="Scales to train, such as 9,36; all if left out.")
@click.option("--cached", default=0, help="Images to encode once, with a frozen tower; 0: none.")
@click.option(
    "--dense-weight",
    default=0.0,
    help="Weight of the loss of --dense beside the answers, on scenes with a trained tower.",
)
@click.option(
    "--align-weight",
    default=0.0,
    help="Weight of the loss that draws visual tokens to the words for them, on scenes.",
)
@click.option(
    "--ground-weight",
    default=0.0,
    help="Weight of the loss that draws attention to what is asked, with --dense-weight.",
)
@click.option(
    "--lora-rank",
    default=0,
    type=click.IntRange(min=0),
    help="Train a LoRA of this rank in place of the language model, such as 128 at a"
    " --language-rate of 2e-4; 0: none. Needs peft.",
)
@click.option(
    "--lora-alpha",
    default=256,
    type=click.IntRange(min=1),
    help="The LoRA counts alpha / rank times.",
)
@click.option(
    "--adapter",
    is_flag=True,
    help="Do not merge the LoRA: write it to OUT/adapter, for peft, and what else was trained to"
    " OUT/trained.safetensors.",
)
@click.option("--dense", is_flag=True, help="Train the tower alone to name what is on every patch.")
@click.option("--bf16/--fp32", default=False, help="Precision of the forward passes.")
@click.option("--device", default="cpu", help="Torch device.")
@click.option(
    "--optimizer",
    default="adamw",
    type=click.Choice(["adamw", "muon"]),
    help="Optimiser; muon for the matrices inside the layers, AdamW for the rest.",
)
@click.option("--seed", default=0, help="Seed of data, scales and fresh weights.")
@click.option("--save-seconds", default=120.0, help="Seconds between checkpoints.")
@click.option("--workers", default=0, help="Processes that prepare batches ahead.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def main(
    model_name: str | None,
    from_scratch: bool,
    out: Path,
    scales: str,
    adapter: bool,
    dense: bool,
    device: str,
    **settings: Any,
) -> None:
    """Train a LLaVA so that its pooled visual tokens can be understood at every scale.

    The image is encoded once a step and the answer loss is averaged over scales. A killed run goes
    on from its last checkpoint when the same command is given again. The losses of every step are
    in log.jsonl in the folder of --out, and beside it in OUT.unfinished as long as the run lasts.

    With "torchrun --nproc-per-node 2 -m scripts.cli finetune" and the same options two processes
    train together, each on --batch images a step.

    Example: m3scale finetune --model m3-mini --data scenes --steps 200 --out runs/tuned

    Example: m3scale finetune --model my/llava --data mix.json --images coco --out runs/tuned
    """
    from labels.scenes.dense_targets import DENSE_TARGETS
    from m3_backbone.training.distributed import group_rank, joined_group
    from m3_backbone.training.loop import LoopSettings
    from m3_backbone.training.settings import FinetuneSettings
    from scripts.finetuning import recipes
    from scripts.finetuning.start import open_start

    if from_scratch == (model_name is not None):
        raise click.UsageError("give either --model NAME or --from-scratch")
    check_together(settings)
    check_lora(settings["lora_rank"], settings["language_rate"], adapter)
    if (out / "config.json").exists():
        click.echo(f"{out} is finished; remove it to train again")
        return
    sizes = recipes.Sizes(**{name: settings[name] for name in SIZES})
    source = recipes.Source(**{name: settings[name] for name in SOURCE})
    given = click.get_current_context().params
    purpose = " ".join(f"{name}={given[name]}" for name in IDENTITY)
    loop = LoopSettings(**{name: settings[name] for name in LOOP}, purpose=purpose)
    rates = FinetuneSettings(
        **{name: settings[name] for name in RATES}, dense_targets=DENSE_TARGETS
    )
    dtype = "bfloat16" if loop.bf16 and rates.lora_rank else "float32"
    with joined_group(device):
        start = open_start(model_name, loop.seed, device, dtype, parse_scales(scales))
        if dense:
            result = recipes.train_tower(start, out, loop, rates.tower_rate, sizes.batch)
        else:
            draw = recipes.draw_batches(start, source, sizes, loop, rates.dense_weight > 0)
            result = recipes.train_answers(start, draw, out, loop, rates, adapter)
        if group_rank() == 0:
            told = "  ".join(f"{name}: {value:.4g}" for name, value in result.items())
            click.echo(f"{told}\nwrote {out}")
