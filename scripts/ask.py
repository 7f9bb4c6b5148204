"""The command `m3scale ask`: questions about images, each answered at the scale it needs."""

from pathlib import Path

import click

from m3_backbone.files import write_json
from scripts.stages.ask import AskFiles, AskSettings, ask_files, print_answers
from scripts.stages.model import Opening
from scripts.stages.run_folder import DEFAULT_RUN, RunFolder
from scripts.terminal.errors import OneLineCommand
from scripts.terminal.options import Level, json_option, model_options


@click.command(cls=OneLineCommand)
@click.argument("questions", nargs=-1, required=True, metavar="QUESTION...")
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Image file, any kind; give several for questions about all of them.",
)
@click.option(
    "--video",
    type=click.Path(path_type=Path),
    help="Animated GIF, WebP or PNG, or a folder of frames, instead of images.",
)
@click.option(
    "--frames",
    default=AskFiles.frames,
    show_default=True,
    type=click.IntRange(1),
    help="Frames to take of the video, evenly.",
)
@click.option(
    "--router",
    default=str(RunFolder(DEFAULT_RUN).router),
    show_default=True,
    help="Saved router, or its name on the Hub; the demo makes the default one.",
)
@click.option("--budget", type=float, help="Mean cost of a question.  [default: 72 tokens]")
@click.option("--lambda", "lam", type=float, help="Price of a token, instead of a budget.")
@click.option(
    "--certified",
    type=Level(),
    help="Instead of a budget, a level that the router was trained with --certify for.",
)
@click.option(
    "--unit",
    default="tokens",
    show_default=True,
    type=click.Choice(["tokens", "flops", "ms"]),
    help="What the budget counts: visual tokens, GFLOP or milliseconds.",
)
@click.option(
    "--drop",
    type=float,
    help="Instead of a budget, the largest loss of accuracy, such as 0.01, on the calibration "
    "split.",
)
@click.option(
    "--outlier",
    default=0.0,
    show_default=True,
    help="Share of the calibration split, such as 0.01: what is farther out than all others gets "
    "the largest scale.",
)
@click.option("--scale", type=int, help="Answer at this scale; no router is needed.")
@click.option("--max-new-tokens", default=16, show_default=True, type=click.IntRange(1))
@model_options
@json_option
def main(
    questions: tuple[str, ...],
    images: tuple[Path, ...],
    video: Path | None,
    frames: int,
    router: str,
    budget: float | None,
    lam: float | None,
    certified: tuple[float, float] | None,
    unit: str,
    drop: float | None,
    outlier: float,
    scale: int | None,
    max_new_tokens: int,
    model: str,
    device: str,
    dtype: str,
    pooling: str,
    device_map: str | None,
    quantize: str | None,
    json_file: Path | None,
) -> None:
    """Answer each QUESTION about an image, several or a video at the scale it needs.

    Example: m3scale ask --image x.png "What does the sign say?"

    All images of a question are read at one scale, and their tokens add up. The budget holds on
    average, over questions like those that the router was calibrated on.
    """
    knobs = (budget, lam, certified, drop, scale)
    if sum(knob is not None for knob in knobs) > 1:
        raise click.UsageError("give only one of --budget, --lambda, --certified, --drop, --scale")
    if bool(images) == (video is not None):
        raise click.UsageError("give --image FILE, once or more, or --video FILE")
    if unit != "tokens" and budget is None:
        raise click.UsageError("--unit goes with --budget: say how many")
    settings = AskSettings(
        budget=72.0 if all(knob is None for knob in knobs) else budget,
        lam=lam,
        certified=certified,
        unit=unit,
        drop=drop,
        outlier=outlier,
        scale=scale,
        max_new_tokens=max_new_tokens,
    )
    opening = Opening(model, device, dtype, pooling, device_map, quantize)
    files = AskFiles(images, video, frames)
    rows = ask_files(opening, router, files, questions, settings)
    print_answers(rows)
    if json_file:
        write_json(json_file, rows)
