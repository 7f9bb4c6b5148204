"""How long a checkpoint takes at each scale on this machine, measured and read.

The times are prices for the policy: of encoding the image, reading the prompt and writing the
answer, one question at a time.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
from annotated_types import Interval

from m3_backbone.schemas import read_saved
from scripts.stages.run_folder import PARTS
from scripts.terminal.options import part_option

if TYPE_CHECKING:
    from PIL import Image

    from labels.questions import QuestionSet
    from m3_backbone.backbone import M3Backbone, Pyramid


PROFILE_HELP = "What m3scale profile wrote, for times of this machine; the labels' times otherwise."

QUESTIONS = 2
"""Questions that are asked about each image."""


def measure_profile(
    backbone: "M3Backbone", questions: "QuestionSet", repeats: int, max_new_tokens: int
) -> dict[str, Any]:
    """Measure a model at every scale.

    Args:
        backbone: the model.
        questions: what it is asked; the first two of each image.
        repeats: runs of each kind; the median counts, after one that is not counted.
        max_new_tokens: longest answer [tokens].

    Returns:
        `encode_ms` per image; by scale `prefill_ms`, `decode_ms` per token, `answer_tokens` and
        the sum `total_ms`; and what the router's optional features cost, `extras_ms`.
    """
    groups = [group[:QUESTIONS] for group in questions.by_image()]
    images = [questions.image(group[0].image_id) for group in groups]
    asked = [question.question for group in groups for question in group]
    encoded = backbone.encode(images)
    # One pyramid per question, so that each is timed alone.
    pyramids = [pyramid for pyramid, group in zip(encoded, groups, strict=True) for _ in group]
    encode = _time(lambda: [backbone.encode([image]) for image in images], repeats) / len(images)

    def answer(scale: int, tokens: int) -> list[int]:
        answers = [
            backbone.generate([pyramid], [text], scale, max_new_tokens=tokens)[0]
            for pyramid, text in zip(pyramids, asked, strict=True)
        ]
        return [one.output_tokens for one in answers]

    def measure(scale: int) -> dict[str, float]:
        written = sum(answer(scale, max_new_tokens)) / len(asked)
        whole = _time(lambda: answer(scale, max_new_tokens), repeats) / len(asked)
        first = _time(lambda: answer(scale, 1), repeats) / len(asked)
        # The prefill gives the first token. Where there is no other, noise may make this negative.
        later = max(whole - first, 0.0)
        return {
            "prefill_ms": round(first, 3),
            "decode_ms": round(later / max(written - 1, 1e-9), 3) if written > 1 else 0.0,
            "answer_tokens": round(written, 3),
            "total_ms": round(encode + first + later, 3),
        }

    scales = {str(scale): measure(scale) for scale in backbone.scales}
    return {
        "encode_ms": round(encode, 3),
        "questions": len(asked),
        "scales": scales,
        "extras_ms": _measure_extras(backbone, images, (pyramids, asked), repeats),
    }


def _measure_extras(
    backbone: "M3Backbone",
    images: "list[Image.Image]",
    pairs: "tuple[list[Pyramid], list[str]]",
    repeats: int,
) -> dict[str, float]:
    """Measure what the optional features of a question cost, one at a time [ms]."""
    asked = list(zip(*pairs, strict=True))
    pixels = _time(lambda: [backbone.image_statistics(image) for image in images], repeats)
    state = _time(lambda: [backbone.prompt_states([p], [text]) for p, text in asked], repeats)
    return {"pixels": round(pixels / len(images), 3), "state": round(state / len(asked), 3)}


def _time(work: Callable[[], object], repeats: int) -> float:
    """Give the median time of some work [ms]; the first run warms up and does not count."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return float(sorted(times[1:])[repeats // 2])


Amount = Annotated[float, Interval(ge=0, le=1e12)]


@dataclass(frozen=True)
class ScaleTimes:
    """What a profile must say about a scale; its other times are for people."""

    total_ms: Amount


@dataclass(frozen=True)
class Profile:
    """What a profile must say; an old one has no `extras_ms`."""

    scales: dict[str, ScaleTimes]
    checkpoint: str = ""
    dtype: str = ""
    extras_ms: dict[str, Amount] = field(default_factory=dict)


def is_profiled(path: Path, checkpoint: str, dtype: str) -> bool:
    """Tell whether the file is the profile of a checkpoint (its fingerprint) in a dtype."""
    try:
        known = _read(path)
    except (OSError, ValueError, click.BadParameter):
        return False
    return (known.checkpoint, known.dtype) == (checkpoint, dtype)


def read_profile(path: Path) -> dict[str, float]:
    """Read the whole time of each scale [ms] from a profile; a file that is none is an error."""
    return {scale: times.total_ms for scale, times in _read(path).scales.items()}


def read_extras(path: Path) -> dict[str, float]:
    """Read the time of each optional feature [ms]; an old profile has none."""
    return _read(path).extras_ms


def _read(path: Path) -> Profile:
    if not path.is_file():
        raise click.BadParameter(f"no profile at {path}; m3scale profile makes one")
    return read_saved(Profile, path, "m3scale profile makes a new one")


profile_option = part_option("--profile", PARTS.profile, PROFILE_HELP, needed=False, if_there=True)
