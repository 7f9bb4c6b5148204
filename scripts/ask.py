"""The command `m3scale ask`: questions about one image, each answered at the scale it needs."""

from pathlib import Path

import click

from scripts.answers import AskSettings, ask_image, print_answers
from scripts.errors import OneLineCommand
from scripts.layout import DEFAULT_RUN, RunFolder
from scripts.options import (
    device_map_option,
    device_option,
    dtype_option,
    json_option,
    model_option,
    quantize_option,
)
from scripts.output import write_json


@click.command(cls=OneLineCommand)
@click.argument("questions", nargs=-1, required=True, metavar="QUESTION...")
@click.option(
    "--image", required=True, type=click.Path(path_type=Path), help="Image file, any kind."
)
@click.option(
    "--router",
    default=RunFolder(DEFAULT_RUN).router,
    show_default=True,
    type=click.Path(path_type=Path),
    help="Saved router; the demo makes the default one.",
)
@click.option("--budget", type=float, help="Mean visual tokens a question.  [default: 72]")
@click.option("--lambda", "lam", type=float, help="Price of a token, instead of a budget.")
@click.option("--scale", type=int, help="Answer at this scale; no router is needed.")
@click.option("--max-new-tokens", default=16, show_default=True, type=click.IntRange(1))
@model_option
@device_option
@dtype_option
@device_map_option
@quantize_option
@json_option
def main(
    questions: tuple[str, ...],
    image: Path,
    router: Path,
    budget: float | None,
    lam: float | None,
    scale: int | None,
    max_new_tokens: int,
    model: str,
    device: str,
    dtype: str,
    device_map: str | None,
    quantize: str | None,
    json_file: Path | None,
) -> None:
    """Answer each QUESTION about one image at the scale it needs.

    Example: m3scale ask --image x.png "What does the sign say?"

    The budget holds on average, over questions like those that the router was calibrated on.
    """
    if sum(knob is not None for knob in (budget, lam, scale)) > 1:
        raise click.UsageError("give only one of --budget, --lambda and --scale")
    settings = AskSettings(
        budget=72.0 if budget is None and lam is None and scale is None else budget,
        lam=lam,
        scale=scale,
        max_new_tokens=max_new_tokens,
    )
    opening = (model, device, dtype, device_map, quantize)
    rows = ask_image(opening, router, image, questions, settings)
    print_answers(rows)
    if json_file:
        write_json(json_file, rows)
