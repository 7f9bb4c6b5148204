"""Asking a few questions about an image, several or a video, and showing what came back.

Not a labeller: nothing is judged or kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.stages.model import Opening, open_backbone

if TYPE_CHECKING:
    from PIL import Image

    from m3_backbone.backbone import M3Backbone
    from predictor.adaptive import AdaptiveM3
    from predictor.bundle.bundle import RouterBundle
    from predictor.policy.budgets import OperatingPoint


@dataclass(frozen=True)
class AskSettings:
    """The knob, of which exactly one is set.

    Attributes:
        budget: mean cost of a question.
        unit: what the budget counts, one of `predictor.data.UNITS`.
        drop: largest loss of accuracy on the calibration split.
        lam: price of a visual token.
        certified: alpha and delta of one of the router's certificates.
        outlier: share of the calibration split beyond which the largest scale is taken.
        scale: one scale for all questions; no router is used.
        max_new_tokens: longest answer [tokens].
    """

    budget: float | None = None
    unit: str = "tokens"
    drop: float | None = None
    lam: float | None = None
    certified: tuple[float, float] | None = None
    outlier: float = 0.0
    scale: int | None = None
    max_new_tokens: int = 16


@dataclass(frozen=True)
class AskFiles:
    """What is asked about: image files, or one video.

    Attributes:
        images: the files, in the order they are shown.
        video: an animated file, or a folder of frames, instead.
        frames: frames to take of the video.
    """

    images: tuple[Path, ...] = ()
    video: Path | None = None
    frames: int = 8

    def load(self) -> "list[Image.Image]":
        """Open all pictures.

        Returns:
            The images, or the frames of the video.
        """
        from m3_backbone.images import load_frames, load_image

        if self.video is not None:
            return load_frames(self.video, self.frames)
        return [load_image(path) for path in self.images]


def ask_files(
    model: Opening, router: str, files: AskFiles, questions: Sequence[str], settings: AskSettings
) -> list[dict[str, Any]]:
    """Answer questions about image files; each question is about all of them.

    Args:
        model: which checkpoint, and how to open it.
        router: folder or Hub name of the router; not looked at if a scale is set.
        files: the image files, or the video.
        questions: what is asked.
        settings: the knob.

    Returns:
        One row a question, see `ask_router` and `ask_scale`.

    Raises:
        ValueError: if a question is empty, or an image or the router cannot be used.
    """
    for question in questions:
        if not question.strip():
            raise ValueError("a question is empty; write what you want to know about the image")
    pictures = files.load()
    if settings.scale is not None:
        return ask_scale(open_backbone(model), pictures, questions, settings)
    from predictor.adaptive import AdaptiveM3
    from predictor.bundle.hub import open_router

    bundle = open_router(router)  # before the model: it is the one that is often missing
    adaptive = AdaptiveM3(open_backbone(model), bundle, outlier=settings.outlier)
    return ask_router(adaptive, pictures, questions, settings)


def ask_scale(
    backbone: "M3Backbone",
    images: "list[Image.Image]",
    questions: Sequence[str],
    settings: AskSettings,
) -> list[dict[str, Any]]:
    """Answer at one scale, without a router.

    Args:
        backbone: the model.
        images: the images that each question is about.
        questions: what is asked.
        settings: the knob, whose scale is set.

    Returns:
        Rows with question, answer, scale and visual tokens.
    """
    pyramids = [backbone.encode(images)] * len(questions)
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
    adaptive: "AdaptiveM3",
    images: "list[Image.Image]",
    questions: Sequence[str],
    settings: AskSettings,
) -> list[dict[str, Any]]:
    """Answer at the scales that a router picks.

    Args:
        adaptive: model and router.
        images: the images that each question is about.
        questions: what is asked.
        settings: the knob.

    Returns:
        Rows with question, answer, scale, visual tokens, probabilities, router_ms and fell_back.
    """
    answers = adaptive.generate(
        [images] * len(questions),
        questions,
        lam=_turn_knob(adaptive.router, settings),
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


def _turn_knob(router: "RouterBundle", settings: AskSettings) -> "float | OperatingPoint | None":
    if settings.certified:
        return router.certificate(*settings.certified)
    if settings.drop is not None:
        return router.price_for_drop(settings.drop)
    if settings.budget is not None:
        return router.price(settings.budget, settings.unit)
    return settings.lam


def print_answers(rows: Sequence[dict[str, Any]]) -> None:
    """Print what was asked and answered to stdout.

    Args:
        rows: what `ask_files` gave.
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
            click.echo("fell back  unlike what the router was trained on: the largest scale")
        click.echo("")
