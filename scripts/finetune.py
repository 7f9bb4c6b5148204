"""`m3scale finetune`: train a LLaVA with the Matryoshka objective, or m3-mini from nothing."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import click

from labels.scenes.draws import SCENES_V2, Draw, find_draw
from m3_backbone.serialization import short_hash
from m3_backbone.training.settings import FinetuneSettings, LoopSettings
from scripts.finetuning.leaving_out import tell_left_out
from scripts.finetuning.refusals import check_ignored, check_start, check_together, parse_scales
from scripts.finetuning.settings import Sizes, Source
from scripts.stages.model import Opening
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import option_of, settings_options

# A killed run is taken up again only by a command that agrees in these; in this order they are part
# of what the run is recognized by.
IDENTITY = (
    "model_name",
    "data",
    "split",
    "batch",
    "turns",
    "easy",
    "described",
    "scales",
    "cached",
    "images",
    "max_length",
)


LATER = ("emphasis", "casual", "unknown_words", "vision_tower", "template")
"""Options that came later, of which the same holds."""


def name_purpose(given: Mapping[str, object]) -> str:
    """Say what a run is recognized by, of the options that are not its loop's."""
    # These only where they are used: runs that were begun without them go on.
    names = (*IDENTITY, *(name for name in LATER if given[name]))
    return " ".join(f"{name}={given[name]}" for name in names)


def describe_run(start: object, settings: FinetuneSettings, loop: LoopSettings, what: str) -> str:
    """Say what a run trains, on what, and how; what changes nothing about that is left out."""
    loop = replace(loop, save_seconds=0, workers=0, quiet=False)
    return f"{start}\n{settings}\n{loop}\n{what}\n"


def choose_draw(data: str) -> Draw:
    """Find the scenes that --data names, or those of a fresh m3-mini; their fonts are there."""
    from labels.scenes.wide.typefaces import check_fonts

    drawn = find_draw(data) or SCENES_V2
    if drawn.wide:
        check_fonts()
    return drawn


def choose_dtype(loop: LoopSettings, settings: FinetuneSettings) -> str:
    """Choose how a model is opened: under a LoRA its language model is frozen and only read."""
    return "bfloat16" if loop.bf16 and settings.lora_rank else "float32"


def show_result(result: dict[str, float], skipped: list[str], out: Path) -> None:
    """Print the figures of a finished run, once for all processes."""
    from m3_backbone.training.distributed import group_rank

    if group_rank():
        return
    result = {**result, "skipped": len(skipped)} if skipped else result
    figures = "  ".join(f"{name}: {value:.4g}" for name, value in result.items())
    click.echo(f"{figures}\nwrote {out}")


def report_skipped(skipped: list[str]) -> str:
    """Say on stderr what was left out, and give what a run is recognized by in addition."""
    tell_left_out(skipped)
    # A run is taken up again only where the same ones are left out.
    return f" skipped={short_hash(' '.join(skipped))}" if skipped else ""


@click.command(cls=OneLineCommand)
@click.option(
    "--model", "model_name", help="Checkpoint to start from: a folder, a Hub name, m3-mini."
)
@click.option("--from-scratch", is_flag=True, help="Start from a fresh m3-mini instead of --model.")
@settings_options(Source, "source")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@settings_options(Sizes, "sizes")
@click.option("--scales", default="", help="Scales to train, such as 9,36; all if left out.")
@settings_options(FinetuneSettings, "settings")
@click.option(
    "--adapter",
    is_flag=True,
    help="Do not merge the LoRA: write it to OUT/adapter, for peft, and what else was trained to"
    " OUT/trained.safetensors.",
)
@click.option("--dense", is_flag=True, help="Train the tower alone to name what is on every patch.")
@settings_options(LoopSettings, "loop")
@option_of(Opening, "device")
@option_of(Opening, "vision_tower")
@option_of(Opening, "template")
def main(
    model_name: str | None,
    from_scratch: bool,
    source: Source,
    out: Path,
    sizes: Sizes,
    scales: str,
    settings: FinetuneSettings,
    adapter: bool,
    dense: bool,
    loop: LoopSettings,
    device: str,
    vision_tower: str | None,
    template: str | None,
) -> None:
    """Train a LLaVA so that its pooled visual tokens can be understood at every scale.

    The image is encoded once per step and the answer loss is averaged over scales. A killed run
    goes on from its last checkpoint when the same command is given again. The losses of every step
    are in log.jsonl in the folder of --out, and in OUT.unfinished while the run lasts.

    With "torchrun --nproc-per-node 2 -m scripts.cli finetune" and the same options two processes
    train together, each on --batch images per step.

    Example: m3scale finetune --model m3-mini --data scenes --steps 200 --out runs/tuned

    Example: m3scale finetune --model my/llava --data mix.json --images coco --out runs/tuned
    """
    from labels.scenes.dense_targets import DENSE_TARGETS
    from m3_backbone.checkpoints.source import CheckpointSource
    from m3_backbone.training.distributed import joined_group
    from scripts.finetuning import recipes
    from scripts.finetuning.alone import writing_alone
    from scripts.finetuning.start import is_finished, open_start

    check_start(model_name, from_scratch, bool(vision_tower or template))
    check_ignored(source, sizes, settings, scales, dense)
    check_together(source, sizes, settings, adapter, dense)
    ladder = parse_scales(scales)
    named = CheckpointSource(model_name, vision_tower, template) if model_name else None
    given = {
        "model_name": model_name,
        "vision_tower": vision_tower,
        "template": template,
        "scales": scales,
        **asdict(source),
        **asdict(sizes),
    }
    loop = replace(loop, purpose=name_purpose(given))
    record = describe_run(named, settings, loop, f"dense={dense} adapter={adapter}")
    if is_finished(out, record):
        click.echo(f"{out} is finished; remove it to train again")
        return
    settings = replace(settings, dense_targets=DENSE_TARGETS)
    drawn = choose_draw(source.data)
    with joined_group(device), writing_alone(out):
        # Before the model, which takes long to open.
        data, skipped = ([], []) if dense else recipes.open_data(source, out, loop, settings)
        loop = replace(loop, purpose=loop.purpose + report_skipped(skipped))
        start = replace(
            open_start(named, loop.seed, device, choose_dtype(loop, settings), ladder, drawn),
            record=record,
        )
        if dense:
            shown = recipes.weigh_draw(drawn, source)
            result = recipes.train_tower(start, out, loop, settings.tower_rate, sizes.batch, shown)
        else:
            draw = recipes.draw_batches(start, data, source.turns, sizes, loop, out)
            result = recipes.train_answers(start, draw, out, loop, settings, adapter)
        show_result(result, skipped, out)
