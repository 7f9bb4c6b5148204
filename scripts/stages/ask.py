"""The work of `m3scale ask`: a few questions about an image, several or a video.

Not a labeller: nothing is scored or kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scripts.stages.run_folder import DEFAULT_RUN, RunFolder
from scripts.terminal.options import CertifiedClaim

if TYPE_CHECKING:
    from PIL import Image

    from m3_backbone.backbone import M3Backbone
    from predictor.adaptive import AdaptiveM3
    from predictor.bundle.bundle import RouterBundle
    from predictor.requests.knobs import Knob

FRAMES = 8


router_option = click.option(
    "--router",
    default=str(RunFolder(DEFAULT_RUN).router),
    show_default=True,
    help="Saved router, or its name on the Hub; the demo makes the default one.",
)


@dataclass(frozen=True)
class AskFiles:
    """What is asked about: image files, or one video; what a field means is its help."""

    images: tuple[Path, ...] = field(
        default=(),
        metadata={
            "option": "--image",
            "help": "Image file; give several for questions about all of them.",
        },
    )
    video: Path | None = field(
        default=None,
        metadata={
            "help": "Animated GIF, WebP, PNG or AVIF, or a folder of frames, instead of images."
        },
    )
    frames: int | None = field(
        default=None,
        metadata={"help": f"Frames to take of the video, evenly.  [default: {FRAMES}]", "min": 1},
    )

    def __post_init__(self) -> None:
        """Refuse to be asked about nothing, or about images and a video.

        Raises:
            ValueError: if it is so, or frames of no video are asked for.
        """
        if bool(self.images) == (self.video is not None):
            raise ValueError("give --image FILE, once or more, or --video FILE")
        if self.frames is not None and self.video is None:
            raise ValueError("--frames is of a --video: leave it out")

    def load(self) -> "list[Image.Image]":
        """Open the images, or the frames of the video."""
        from m3_backbone.images import load_image
        from m3_backbone.videos import load_frames

        if self.video is not None:
            return load_frames(self.video, self.frames or FRAMES)
        return [load_image(path) for path in self.images]


@dataclass(frozen=True)
class AskSettings:
    """The operating point and how long answers may be; what a field means is its help.

    At most one of `budget`, `lam`, `certified`, `drop` and `scale` is set; with none of them the
    budget is an eighth of what the largest scale costs.
    """

    budget: float | None = field(
        default=None,
        metadata={
            "help": "Mean cost per question on the calibration split; inputs that --outlier calls "
            "unfamiliar come on top.  [default: tokens, 1/8 of the largest scale's]"
        },
    )
    unit: str = field(
        default="tokens",
        metadata={
            "help": "What the budget counts: visual tokens, GFLOP or milliseconds.",
            "choices": ("tokens", "flops", "ms"),
        },
    )
    lam: float | None = field(
        default=None,
        metadata={"option": "--lambda", "help": "Price of a visual token, instead of a budget."},
    )
    drop: float | None = field(
        default=None,
        metadata={
            "help": "Instead of a budget, the largest loss of accuracy, such as 0.01, on the "
            "calibration split."
        },
    )
    certified: Any = field(  # a `Claim`, whose module would be slow to import for --help
        default=None,
        metadata={
            "help": "Instead of a budget, a claim that the router was trained with --certify for. "
            "A claim of net is about --outlier 0.",
            "type": CertifiedClaim(),
            "metavar": "[LOSS:]ALPHA,DELTA[,UNIT]",
        },
    )
    outlier: float | None = field(
        default=None,
        metadata={
            "help": "Call inputs unfamiliar that lie so far from the training split that at most "
            "this share of inputs like the calibration split's do, and answer them at the largest "
            "scale; 0 calls none so.  [default: 0.02]"
        },
    )
    scale: int | None = field(
        default=None, metadata={"help": "Answer at this scale; `ask` then needs no router."}
    )
    max_new_tokens: int = field(
        default=16, metadata={"help": "Longest answer, in tokens.", "min": 1}
    )

    def __post_init__(self) -> None:
        """Refuse two operating points, and a unit of nothing.

        Raises:
            ValueError: if it is so.
        """
        points = (self.budget, self.lam, self.certified, self.drop, self.scale)
        if sum(point is not None for point in points) > 1:
            raise ValueError("give only one of --budget, --lambda, --certified, --drop, --scale")
        if self.unit != "tokens" and self.budget is None:
            raise ValueError("--unit goes with --budget: say how many")

    def knob(self, router: "RouterBundle") -> "Knob":
        """Give the operating point; if none is set, the router's usual budget."""
        from predictor.requests.knobs import Knob

        given = {name: getattr(self, name) for name in ("drop", "certified", "lam", "scale")}
        if not any(value is not None for value in given.values()):
            budget = router.usual_budget if self.budget is None else self.budget
            return Knob(budget=budget, unit=self.unit)
        return Knob(**given)


def ask_files(
    open_model: Callable[[], "M3Backbone"],
    router: str,
    files: AskFiles,
    questions: Sequence[str],
    settings: AskSettings,
) -> list[dict[str, Any]]:
    """Answer questions about image files; each question is about all of them.

    Args:
        open_model: opens the checkpoint; called once all else is found.
        router: folder or Hub name of the router; not looked at if a scale is set.
        files: the image files, or the video.
        questions: what is asked.
        settings: the operating point.

    Returns:
        One row per question, see `ask_router` and `ask_scale`.

    Raises:
        ValueError: if a question is empty, something is set that nothing uses, or an image or the
            router cannot be used.
    """
    if settings.scale is not None and settings.outlier is not None:
        raise ValueError("--outlier is the router's: leave it out where --scale is set")
    for question in questions:
        if not question.strip():
            raise ValueError("a question is empty; write what you want to know about the image")
    pictures = files.load()
    if settings.scale is not None:
        return ask_scale(open_model(), pictures, questions, settings)
    from predictor.adaptive import AdaptiveM3
    from predictor.bundle.hub import open_router

    bundle = open_router(router)  # before the model: it is the one that is often missing
    adaptive = AdaptiveM3(open_model(), bundle, outlier=settings.outlier)
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
        settings: whose scale is set.

    Returns:
        Rows with question, answer, scale and visual tokens.
    """
    pyramids = [backbone.encode(images)] * len(questions)  # encoded once, read by all questions
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
        settings: the operating point.

    Returns:
        Rows with question, answer, scale, visual tokens, probabilities, router_ms, fell_back and
        unfamiliar; with a certificate also what is certified.
    """
    from predictor.policy.certificates import Certificate

    point = settings.knob(adaptive.router).operating_point(adaptive.router)
    certified = {"certified": point.sentence} if isinstance(point, Certificate) else {}
    answers = adaptive.generate(
        # The same list each time: every question is about all images.
        [images] * len(questions),
        questions,
        lam=point,
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
            "unfamiliar": answer.unfamiliar,
            **certified,
        }
        for question, answer in zip(questions, answers, strict=True)
    ]


def print_answers(rows: Sequence[dict[str, Any]], model: str) -> None:
    """Print what `ask_files` gave to stdout, and what the model knows where it knows little."""
    from m3_backbone.checkpoints.card import read_trained_on
    from m3_backbone.checkpoints.loading import find_folder

    unfamiliar = any(row.get("fell_back") for row in rows)
    known = read_trained_on(find_folder(model)) if unfamiliar else ""
    for row in rows:
        click.echo(f"question   {row['question']}")
        click.echo(f"answer     {row['answer']}")
        click.echo(f"scale      {row['scale']} ({row['visual_tokens']} visual tokens)")
        if "probabilities" in row:
            shares = "  ".join(f"{scale}: {p:.2f}" for scale, p in row["probabilities"].items())
            click.echo(f"P(correct) {shares}")
            click.echo(f"router     {row['router_ms']:.2f} ms")
        if row.get("fell_back"):
            click.echo("unfamiliar unlike what the router was trained on: the largest scale")
            if known:
                click.echo(f"           the model was trained on {known}")
        if "certified" in row:
            click.echo(f"certified  {row['certified']}")
        click.echo("")
