"""Times adaptive answering, part by part, beside the largest scale for every question."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from m3_backbone.backbone import Answer, M3Backbone
from predictor.adaptive import AdaptiveM3
from predictor.bundle.bundle import RouterBundle
from predictor.training.train import train_bundle
from scripts.benchmarks.label_timing import pick_questions
from scripts.benchmarks.models import make_questions, open_model
from scripts.benchmarks.router import make_rows
from scripts.benchmarks.settings import AdaptiveBenchSettings
from scripts.benchmarks.timing import processor_seconds

FIXED = "always the largest"
ROUTER_ROWS = 500
"""Few will do: what routing takes does not depend on them."""


@dataclass(frozen=True)
class Times:
    """One round, per question.

    Attributes:
        tokens: mean visual tokens.
        encode: tower, projector and pooling [seconds].
        route: features and router [seconds].
        generate: reading and answering [seconds].
        total: all of it, from images to answers [seconds].
        processor: processor time of all of it [seconds]; the steadier figure where a processor is
            busy with other things, and without meaning on an accelerator.
    """

    tokens: float
    encode: float
    route: float
    generate: float
    total: float
    processor: float


@dataclass(frozen=True)
class Asked:
    """Questions, each about an image of its own.

    Attributes:
        images: the images.
        texts: the questions.
        scales: at what each is to be answered.
    """

    images: Sequence[Image.Image]
    texts: Sequence[str]
    scales: Sequence[int]

    def take(self, part: slice) -> "Asked":
        """Take some of them."""
        return Asked(self.images[part], self.texts[part], self.scales[part])


Way = Callable[[Asked], tuple[list[Answer], float]]
"""Gives answers, and the seconds that routing took."""


def measure_times(means: Sequence[int], settings: AdaptiveBenchSettings) -> dict[str, list[Times]]:
    """Time all ways in turns, after a round that is not counted.

    Args:
        means: mean visual tokens of the adaptive ways.
        settings: the model and how much it is asked.

    Returns:
        Name of the way -> its rounds.
    """
    size = settings.size.removesuffix("-shape")
    backbone = open_model(size, settings.device, settings.dtype, settings.layers)
    asked = pick_questions(make_questions(size, settings.questions, 1), settings.questions, 1)
    images = [asked.image(one.image_id) for one in asked]
    texts = [one.question for one in asked]
    limit = settings.max_new_tokens
    adaptive = AdaptiveM3(backbone, _train_router(backbone), outlier=0.0)
    ways: dict[str, tuple[Way, Sequence[int]]] = {
        FIXED: (partial(_answer_at_largest, backbone, limit), [backbone.scales[-1]] * len(texts))
    }
    for mean in means:
        mixed = mix_scales(backbone.scales, mean, len(texts))
        ways[f"adaptive, {mean}"] = (partial(_answer_adaptively, adaptive, limit), mixed)
    rounds: dict[str, list[Times]] = {name: [] for name in ways}
    for _ in range(settings.repeats + 1):
        # In turns, so that a machine that slows down slows all.
        for name, (way, chosen) in ways.items():
            rounds[name].append(_time(way, Asked(images, texts, chosen), settings.batch))
    return {name: all_rounds[1:] for name, all_rounds in rounds.items()}


def mix_scales(scales: Sequence[int], mean: float, count: int) -> list[int]:
    """Spread scales over questions: as many of each as the most even mixture of a mean has.

    Args:
        scales: scales to mix, ascending.
        mean: their wanted mean; what comes out is as near as so few questions allow.
        count: number of questions.

    Returns:
        The scale of each question, in random order.
    """
    places = (np.arange(count) + 0.5) / count
    values = np.array(scales)
    mixtures = []
    # The most even mixture falls or rises exponentially with the number of tokens.
    for slope in np.concatenate([-np.geomspace(1e-6, 1, 400), [0], np.geomspace(1e-6, 1, 400)]):
        weights = np.exp(slope * (values - (values.max() if slope > 0 else values.min())))
        shares = np.cumsum(weights) / weights.sum()
        mixtures.append(values[np.searchsorted(shares, places)])
    best = min(mixtures, key=lambda one: abs(one.mean() - mean))
    chosen: list[int] = np.random.default_rng(0).permutation(best).tolist()
    return chosen


def _train_router(backbone: M3Backbone) -> RouterBundle:
    with tempfile.TemporaryDirectory() as folder:
        train, calibration = (
            make_rows(ROUTER_ROWS, backbone.hidden_size, seed, Path(folder)) for seed in (0, 1)
        )
        return train_bundle(train, calibration, meta={"checkpoint": backbone.fingerprint})


def _answer_at_largest(
    backbone: M3Backbone, limit: int, asked: Asked
) -> tuple[list[Answer], float]:
    pyramids = backbone.encode(asked.images)
    return backbone.generate(pyramids, asked.texts, asked.scales, max_new_tokens=limit), 0.0


def _answer_adaptively(model: AdaptiveM3, limit: int, asked: Asked) -> tuple[list[Answer], float]:
    answers = model.generate(asked.images, asked.texts, scales=asked.scales, max_new_tokens=limit)
    return [one.answer for one in answers], sum(one.router_ms for one in answers) / 1000


def _time(way: Way, asked: Asked, batch: int) -> Times:
    count = len(asked.texts)
    answers: list[Answer] = []
    route = 0.0
    start, used = time.perf_counter(), processor_seconds()
    for first in range(0, count, batch):
        # Answers are on the CPU, so the device is done when they are there.
        part, routed = way(asked.take(slice(first, first + batch)))
        answers += part
        route += routed
    total = time.perf_counter() - start
    generate = sum(one.wall_ms for one in answers) / 1000
    encode = total - route - generate
    tokens = sum(one.visual_tokens for one in answers)
    sums = (tokens, encode, route, generate, total, processor_seconds() - used)
    return Times(*(one / count for one in sums))
