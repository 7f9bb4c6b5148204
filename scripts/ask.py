"""The command `m3scale ask`: questions about one image, each answered at the scale it needs."""

from pathlib import Path

import click

from scripts.answers import AskSettings, ask_image, print_answers
from scripts.errors import OneLineCommand
from scripts.layout import DEFAULT_RUN, RunFolder
from scripts.options import Level, device_option, dtype_option, json_option, model_option
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
@click.option(
    "--certified",
    type=Level(),
    help="Instead of a budget, a level that the router was trained with --certify for.",
)
@click.option(
    "--outlier",
    default=0.0,
    show_default=True,
    help="Share of the calibration split, such as 0.01: what is farther out than all others gets "
    "the dearest scale.",
)
@click.option("--scale", type=int, help="Answer at this scale; no router is needed.")
@click.option("--max-new-tokens", default=16, show_default=True, type=click.IntRange(1))
@model_option
@device_option
@dtype_option
@json_option
def main(
    questions: tuple[str, ...],
    image: Path,
    router: Path,
    budget: float | None,
    lam: float | None,
    certified: tuple[float, float] | None,
    outlier: float,
    scale: int | None,
    max_new_tokens: int,
    model: str,
    device: str,
    dtype: str,
    json_file: Path | None,
) -> None:
    """Answer each QUESTION about one image at the scale it needs.

    Example: m3scale ask --image x.png "What does the sign say?"

    The budget holds on average, over questions like those that the router was calibrated on.
    """
    knobs = (budget, lam, certified, scale)
    if sum(knob is not None for knob in knobs) > 1:
        raise click.UsageError("give only one of --budget, --lambda, --certified and --scale")
    settings = AskSettings(
        budget=72.0 if all(knob is None for knob in knobs) else budget,
        lam=lam,
        certified=certified,
        outlier=outlier,
        scale=scale,
        max_new_tokens=max_new_tokens,
    )
    rows = ask_image((model, device, dtype), router, image, questions, settings)
    print_answers(rows)
    if json_file:
        write_json(json_file, rows)
