"""Asking a few questions about one image, and showing what came back.

Not a labeller: nothing is judged or kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.stages import open_backbone

if TYPE_CHECKING:
    from PIL import Image

    from m3_backbone.backbone import M3Backbone
    from predictor.adaptive import AdaptiveM3


@dataclass(frozen=True)
class AskSettings:
    """The knob, of which exactly one is set.

    Attributes:
        budget: mean visual tokens.
        lam: price of a visual token.
        certified: alpha and delta of one of the router's certificates.
        outlier: share of the calibration split beyond which the dearest scale is taken.
        scale: one scale for all questions; no router is used.
        max_new_tokens: longest answer [tokens].
    """

    budget: float | None = None
    lam: float | None = None
    certified: tuple[float, float] | None = None
    outlier: float = 0.0
    scale: int | None = None
    max_new_tokens: int = 16


Model = tuple[str, str, str]
"""Checkpoint, device and number format."""


def ask_image(
    model: Model, router: Path, image: Path, questions: Sequence[str], settings: AskSettings
) -> list[dict[str, Any]]:
    """Answer questions about an image file.

    Args:
        model: checkpoint, device and number format.
        router: folder of the router; not looked at if a scale is set.
        image: the file.
        questions: what is asked.
        settings: the knob.

    Returns:
        One row a question, see `ask_router` and `ask_scale`.

    Raises:
        ValueError: if a question is empty, or the image or the router cannot be used.
    """
    from m3_backbone.images import load_image

    for question in questions:
        if not question.strip():
            raise ValueError("a question is empty; write what you want to know about the image")
    picture = load_image(image)
    if settings.scale is not None:
        return ask_scale(open_backbone(*model), picture, questions, settings)
    from predictor.adaptive import AdaptiveM3
    from predictor.store import RouterBundle

    bundle = RouterBundle.load(router)  # before the model: it is the one that is often missing
    adaptive = AdaptiveM3(open_backbone(*model), bundle, outlier=settings.outlier)
    return ask_router(adaptive, picture, questions, settings)


def ask_scale(
    backbone: "M3Backbone", image: "Image.Image", questions: Sequence[str], settings: AskSettings
) -> list[dict[str, Any]]:
    """Answer at one scale, without a router.

    Args:
        backbone: the model.
        image: the image.
        questions: what is asked.
        settings: the knob, whose scale is set.

    Returns:
        Rows with question, answer, scale and visual tokens.
    """
    pyramids = backbone.encode([image]) * len(questions)
    answers = backbone.generate(
        pyramids, questions, settings.scale or 0, max_new_tokens=settings.max_new_tokens
    )
    return [
        {
            "question": question,
            "answer": answer.text,
            "scale": answer.scale,
            "visual_tokens": answer.visual_tokens,
        }
        for question, answer in zip(questions, answers, strict=True)
    ]


def ask_router(
    adaptive: "AdaptiveM3", image: "Image.Image", questions: Sequence[str], settings: AskSettings
) -> list[dict[str, Any]]:
    """Answer at the scales that a router picks.

    Args:
        adaptive: model and router.
        image: the image.
        questions: what is asked.
        settings: the knob.

    Returns:
        Rows with question, answer, scale, visual tokens, probabilities, router_ms and fell_back.
    """
    proven = adaptive.router.certificate(*settings.certified) if settings.certified else None
    answers = adaptive.generate(
        [image] * len(questions),
        questions,
        budget=settings.budget,
        lam=settings.lam if proven is None else proven,
        max_new_tokens=settings.max_new_tokens,
    )
    return [
        {
            "question": question,
            "answer": answer.text,
            "scale": answer.scale,
            "visual_tokens": answer.visual_tokens,
            "probabilities": {str(scale): p for scale, p in answer.probabilities.items()},
            "router_ms": answer.router_ms,
            "fell_back": answer.fell_back,
        }
        for question, answer in zip(questions, answers, strict=True)
    ]


def print_answers(rows: Sequence[dict[str, Any]]) -> None:
    """Print what was asked and answered to stdout.

    Args:
        rows: what `ask_image` gave.
    """
    for row in rows:
        click.echo(f"question   {row['question']}")
        click.echo(f"answer     {row['answer']}")
        click.echo(f"scale      {row['scale']} ({row['visual_tokens']} visual tokens)")
        if "probabilities" in row:
            told = "  ".join(f"{scale}: {p:.2f}" for scale, p in row["probabilities"].items())
            click.echo(f"P(correct) {told}")
            click.echo(f"router     {row['router_ms']:.2f} ms")
        if row.get("fell_back"):
            click.echo("fell back  unlike what the router was trained on: the dearest scale")
        click.echo("")
