"""How long a checkpoint takes at each scale on this machine, measured and read.

The times are prices for the policy: of encoding the image, reading the prompt and writing the
answer, one question at a time.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m3_backbone.serialization import parse_json
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


def is_profiled(path: Path, checkpoint: str, dtype: str) -> bool:
    """Tell whether the file is the profile of a checkpoint (its fingerprint) in a dtype."""
    try:
        known = parse_json(path.read_text(encoding="utf-8"))
        return (known.get("checkpoint"), known.get("dtype")) == (checkpoint, dtype)
    except (OSError, ValueError, AttributeError):
        return False


def read_profile(path: Path) -> dict[str, float]:
    """Read the whole time of each scale [ms] from a profile.

    Raises:
        click.BadParameter: if the file is no profile.
    """
    try:
        scales = _read(path)["scales"]
        return {str(scale): float(times["total_ms"]) for scale, times in scales.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.BadParameter(f"{path} is no profile; m3scale profile makes one") from error


def read_extras(path: Path) -> dict[str, float]:
    """Read the time of each optional feature [ms]; an old profile has none."""
    read_profile(path)  # refuses a file that is no profile
    return {str(name): float(ms) for name, ms in _read(path).get("extras_ms", {}).items()}


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise click.BadParameter(f"no profile at {path}; m3scale profile makes one")
    profile: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
    return profile


profile_option = part_option("--profile", PARTS.profile, PROFILE_HELP, needed=False, if_there=True)
