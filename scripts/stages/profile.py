"""How long a checkpoint takes at each scale on this machine, measured and read.

The times are prices for the policy: of encoding the image, reading the prompt and writing the
answer, one question at a time.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import click
from annotated_types import Interval

from m3_backbone.schemas import read_saved
from scripts.stages.run_folder import PARTS
from scripts.terminal.options import part_option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from labels.questions import QuestionSet
    from m3_backbone.backbone import M3Backbone, Pyramid


PROFILE_HELP = "What m3scale profile wrote, for times of this machine; the labels' times otherwise."

QUESTIONS = 2
"""Questions that are asked about each image."""

NOISY = 0.25
"""Share by which times may differ for no reason before a profile says so."""

Work = Callable[[], object]


def measure_profile(
    backbone: "M3Backbone", questions: "QuestionSet", repeats: int, max_new_tokens: int
) -> dict[str, Any]:
    """Measure a model at every scale.

    Args:
        backbone: the model.
        questions: what it is asked; the first two of each image.
        repeats: rounds in which everything is timed once, after one that is not counted.
        max_new_tokens: longest answer [tokens].

    Returns:
        `encode_ms` per image; by scale `prefill_ms`, `decode_ms` per token, `answer_tokens` and
        the sum `total_ms` for an answer of the same length at all scales; what the router's
        optional features cost, `extras_ms`; and `noise` with a `note` on it.
    """
    groups = [group[:QUESTIONS] for group in questions.by_image()]
    images = [questions.image(group[0].image_id) for group in groups]
    asked = [question.question for group in groups for question in group]
    encoded = backbone.encode(images)
    # One pyramid per question, so that each is timed alone.
    pyramids = [pyramid for pyramid, group in zip(encoded, groups, strict=True) for _ in group]
    pairs = list(zip(pyramids, asked, strict=True))

    def answer(pair: "tuple[Pyramid, str]", scale: int, tokens: int) -> int:
        pyramid, text = pair
        [one] = backbone.generate([pyramid], [text], scale, max_new_tokens=tokens)
        return one.output_tokens

    written = {
        scale: sum(answer(pair, scale, max_new_tokens) for pair in pairs) / len(pairs)
        for scale in backbone.scales
    }
    works: dict[str, list[Work]] = {
        "encode": [partial(backbone.encode, [image]) for image in images],
        "pixels": [partial(backbone.image_statistics, image) for image in images],
        "state": [partial(backbone.prompt_states, [pyramid], [text]) for pyramid, text in pairs],
    }
    for scale in backbone.scales:
        works[f"first {scale}"] = [partial(answer, pair, scale, 1) for pair in pairs]
        works[f"whole {scale}"] = [partial(answer, pair, scale, max_new_tokens) for pair in pairs]
    times = time_in_turn(works, repeats)
    least = {name: float(of_work.min(axis=0).mean()) for name, of_work in times.items()}
    scales = _sum_up(least, written)
    noise = measure_noise(times)
    return {
        "encode_ms": round(least["encode"], 3),
        "questions": len(asked),
        "scales": scales,
        "extras_ms": {name: round(least[name], 3) for name in ("pixels", "state")},
        "noise": None if noise is None else round(noise, 4),
        "note": judge_times({scale: one["total_ms"] for scale, one in scales.items()}, noise),
    }


def _sum_up(
    least: Mapping[str, float], written: Mapping[int, float]
) -> dict[str, dict[str, float]]:
    """Make the times of each scale [ms] from its least times and the tokens of its answers."""
    # What a scale costs is no matter of the words that it happens to choose.
    usual = sum(written.values()) / len(written)
    scales = {}
    for scale, count in written.items():
        first = least[f"first {scale}"]
        # The prefill gives the first token. Where there is no other, noise may make this negative.
        later = max(least[f"whole {scale}"] - first, 0.0)
        decode = later / (count - 1) if count > 1 else 0.0
        scales[str(scale)] = {
            "prefill_ms": round(first, 3),
            "decode_ms": round(decode, 3),
            "answer_tokens": round(count, 3),
            "total_ms": round(least["encode"] + first + decode * max(usual - 1, 0.0), 3),
        }
    return scales


def time_in_turn(
    works: Mapping[str, Sequence[Work]], repeats: int
) -> "dict[str, NDArray[np.float64]]":
    """Time each piece of work once a round, so that a busy moment does not hit one work alone.

    Args:
        works: name to its pieces.
        repeats: rounds; one more goes before, to warm up.

    Returns:
        Name to the times of its pieces [repeats, pieces], in ms.
    """
    import numpy as np

    times = {name: np.empty((repeats + 1, len(pieces))) for name, pieces in works.items()}
    for turn in range(repeats + 1):
        for name, pieces in works.items():
            for number, piece in enumerate(pieces):
                start = time.perf_counter()
                piece()
                times[name][turn, number] = 1000 * (time.perf_counter() - start)
    return {name: of_work[1:] for name, of_work in times.items()}


def measure_noise(times: "Mapping[str, NDArray[np.float64]]") -> float | None:
    """Tell by what share the usual time of a piece is above its least; None from one round."""
    import numpy as np

    above = [np.median(one, axis=0) / np.maximum(one.min(axis=0), 1e-9) for one in times.values()]
    if any(len(one) < 2 for one in times.values()):
        return None
    return float(np.median(np.concatenate(above))) - 1


def judge_times(totals: Mapping[str, float], noise: float | None) -> str:
    """Say if the machine was too busy for its times to be believed.

    Args:
        totals: scale to its time as it was measured [ms].
        noise: what `measure_noise` gave.

    Returns:
        A sentence; empty if they can be believed.
    """
    fitted = fit_times(totals)
    moved = max(abs(fitted[scale] - ms) / max(ms, 1e-9) for scale, ms in totals.items())
    reasons = []
    if noise is not None and noise > NOISY:
        reasons.append(f"the usual time was {100 * noise:.0f} % above the least")
    if moved > NOISY:
        reasons.append(f"more tokens took less time, by up to {100 * moved:.0f} % of it")
    if not reasons:
        return ""
    return (
        f"The machine was too busy to time scales: {' and '.join(reasons)}; measure again when it "
        "is idle, or with more --repeats."
    )


def fit_times(totals: Mapping[str, float]) -> dict[str, float]:
    """Give the nearest times that never fall with the number of tokens.

    Args:
        totals: scale to its time as it was measured [ms].

    Returns:
        The same scales with their times; where more tokens seemed to take less, their mean.

    >>> fit_times({"1": 2000.0, "9": 1800.0, "36": 1600.0, "144": 2500.0})
    {'1': 1800.0, '9': 1800.0, '36': 1800.0, '144': 2500.0}
    """
    from scipy.optimize import isotonic_regression

    # Shorter numbers are smaller ones.
    scales = sorted(totals, key=lambda scale: (len(scale), scale))
    fitted = isotonic_regression([totals[scale] for scale in scales]).x.tolist()
    return dict(zip(scales, fitted, strict=True))


Amount = Annotated[float, Interval(ge=0, le=1e12)]


@dataclass(frozen=True)
class ScaleTimes:
    """What a profile must say about a scale; its other times are for people."""

    total_ms: Amount


@dataclass(frozen=True)
class Profile:
    """What a profile must say; an old one has no `extras_ms` and no `note`."""

    scales: dict[str, ScaleTimes]
    checkpoint: str = ""
    dtype: str = ""
    extras_ms: dict[str, Amount] = field(default_factory=dict)
    note: str = ""


def is_profiled(path: Path, checkpoint: str, dtype: str) -> bool:
    """Tell whether the file is the profile of a checkpoint (its fingerprint) in a dtype."""
    try:
        known = _read(path)
    except (OSError, ValueError, click.BadParameter):
        return False
    return (known.checkpoint, known.dtype) == (checkpoint, dtype)


def read_profile(path: Path) -> dict[str, float]:
    """Read what each scale costs [ms] from a profile; a file that is none is an error.

    Times never fall with the number of tokens: where the profile says so, it is noise.
    """
    return fit_times({scale: times.total_ms for scale, times in _read(path).scales.items()})


def read_note(path: Path) -> str:
    """Read why the times are not to be believed; empty if they are."""
    known = _read(path)
    totals = {scale: times.total_ms for scale, times in known.scales.items()}
    return known.note or judge_times(totals, None)


def read_extras(path: Path) -> dict[str, float]:
    """Read the time of each optional feature [ms]; an old profile has none."""
    return _read(path).extras_ms


def _read(path: Path) -> Profile:
    if not path.is_file():
        raise click.BadParameter(f"no profile at {path}; m3scale profile makes one")
    return read_saved(Profile, path, "m3scale profile makes a new one")


profile_option = part_option("--profile", PARTS.profile, PROFILE_HELP, needed=False, if_there=True)
