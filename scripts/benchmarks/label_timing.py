"""Ways to label beside the plain loop: whether answers agree, and how long each takes."""

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from labels.labelling.run import label
from labels.labelling.settings import LabelSettings
from labels.outcomes.table import read_table
from labels.questions import Question, QuestionSet, format_question
from m3_backbone import flops
from m3_backbone.backbone import M3Backbone
from m3_backbone.hosts.host import find_host
from m3_backbone.inference.engine import AnswerEngine
from m3_backbone.inference.execution import evaluating, wait_for
from m3_backbone.inference.sampling import Sampling, spread_sampling
from m3_backbone.pooling import pool_tokens
from scripts.benchmarks.timing import processor_seconds, time_step

Answers = dict[tuple[str, int], str]
"""Sample and scale -> answer."""

PLAIN = "plain"
"""The way that the others are compared with."""

CORNER = 16
"""Side of the corner that differs [pixels]."""

MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True)
class Workload:
    """What all are asked: equally many questions per image."""

    backbone: M3Backbone
    questions: QuestionSet
    max_new_tokens: int

    def first_images(self, count: int) -> "Workload":
        """Take the questions of the first `count` images."""
        groups = self.questions.by_image()[:count]
        chosen = [question for group in groups for question in group]
        few = QuestionSet(self.questions.name, chosen, self.questions.image)
        return Workload(self.backbone, few, self.max_new_tokens)

    def paint(self, number: int) -> "Workload":
        """Ask the same about other images, of which no cache knows anything: one corner is new."""
        painted = {}
        # The number of questions, as the images of other workloads may be the same.
        colour = (37 * number % 256, 5 * len(self.questions) % 256, 0)
        for name in self.questions.image_ids:
            painted[name] = self.questions.image(name).copy()
            painted[name].paste(colour, (0, 0, CORNER, CORNER))
        asked = QuestionSet(self.questions.name, self.questions, painted.__getitem__)
        return Workload(self.backbone, asked, self.max_new_tokens)


Way = Callable[[Workload], Answers]


def answer_plainly(work: Workload) -> Answers:
    """Ask as the official evaluation does: question by question, one `generate` per scale.

    Every call preprocesses and encodes the image again; only stock code generates.
    """
    return {
        (question.sample_id, scale): _generate(work, question, scale)
        for question in work.questions
        for scale in work.backbone.scales
    }


def answer_by_label(work: Workload) -> Answers:
    """Ask as `m3scale label` does, table and features written included."""
    frame = _label(work)
    keys = zip(frame["sample_id"], frame["scale"].astype(int), strict=True)
    return dict(zip(keys, frame["answer"], strict=True))


def _label(work: Workload) -> Any:
    settings = LabelSettings(max_new_tokens=work.max_new_tokens)
    with tempfile.TemporaryDirectory() as name:
        folder = label(work.questions, work.backbone, Path(name) / "run", settings, False)
        return read_table(folder)


def compare(
    work: Workload, ways: Mapping[str, Way], plain_images: int, repeats: int
) -> dict[str, dict[str, Any]]:
    """Time ways in turns, after a round that is not counted and whose answers are compared.

    Args:
        work: what to ask.
        ways: how, by name; `PLAIN` is one of them.
        plain_images: images that the plain loop is given; it is slow.
        repeats: timed rounds.

    Returns:
        Of each way questions per second of each round and their median, how many times faster than
        the plain loop it is, processor seconds per question and how many times fewer it takes (the
        steadier figure on a processor that is busy with other things, and without meaning on an
        accelerator), and the share of answers that equal the plain loop's.
    """
    few = work.first_images(plain_images)
    asked = {name: few if name == PLAIN else work for name in ways}
    answers = {name: way(asked[name]) for name, way in ways.items()}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    used: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(repeats):
        # In turns, so that a machine that slows down slows all.
        for name, way in ways.items():
            fresh = asked[name].paint(number)
            start = processor_seconds()
            seconds = time_step(partial(way, fresh), str(work.backbone.model.device))
            used[name].append((processor_seconds() - start) / len(fresh.questions))
            rates[name].append(len(fresh.questions) / seconds)
    median = {name: statistics.median(all_rates) for name, all_rates in rates.items()}
    seconds_of = {name: statistics.median(all_seconds) for name, all_seconds in used.items()}
    return {
        name: {
            "questions_per_second": rates[name],
            "median": median[name],
            "speedup": median[name] / median[PLAIN],
            "processor_seconds": used[name],
            "processor_speedup": seconds_of[PLAIN] / seconds_of[name],
            "equal_answers": statistics.fmean(
                answers[name][key] == answer for key, answer in answers[PLAIN].items()
            ),
        }
        for name in ways
    }


def count_flops(work: Workload) -> float:
    """Count what labelling needs [FLOPs].

    Each image is read once, each beginning of a prompt once per scale.
    """
    backbone = work.backbone
    shape = backbone.language_shape
    frame = _label(work)
    counts = (frame[name].astype(int) for name in ("prompt_tokens", "output_tokens"))
    tokens = zip(*counts, strict=True)
    head = 2.0 * shape.hidden * shape.vocab  # logits of one token, which shared tokens do not need
    engine = AnswerEngine(backbone.model, backbone.tokenizer)
    # Any question will do: the template decides what stands before the image.
    before = len(engine.prompts.tokenize("?").before)
    shared = [flops.prefill_flops(shape, before + scale) - head for scale in backbone.scales]
    images = work.questions.image_ids
    encoding = sum(backbone.image_flops(work.questions.image(one)) for one in images)
    answers = sum(flops.answer_flops(shape, *pair) for pair in tokens)
    # Questions beyond the first of an image reuse its prompt's beginning at every scale.
    repeated = len(work.questions) - len(images)
    return encoding + answers - repeated * sum(shared)


def measure_prefix(work: Workload, repeats: int) -> list[dict[str, float]]:
    """Time reading the beginning of prompts once per image and once per question, scale by scale.

    Args:
        work: what to ask.
        repeats: timed rounds.

    Returns:
        One row per scale: how many times faster it is to read it once.
    """
    backbone = work.backbone
    engine = AnswerEngine(backbone.model, backbone.tokenizer)
    groups = work.questions.by_image()
    pyramids = backbone.encode([work.questions.image(group[0].image_id) for group in groups])
    asked = [[format_question(question) for question in group] for group in groups]
    samplings = spread_sampling(Sampling(work.max_new_tokens), asked)
    rows = []
    for scale in backbone.scales:
        features = [pyramid[scale] for pyramid in pyramids]
        prompts = [engine.tokenize(group, [scale] * len(group), 1) for group in asked]

        def answer(pays: bool, features: Any = features, prompts: Any = prompts) -> None:
            engine.answer_groups(prompts, features, 0, samplings, 16384, lambda *_: pays)

        rows.append({"scale": scale, "speedup": _compare_times(answer, backbone, repeats)})
    return rows


def measure_matrix_rate(device: str, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """Measure how fast a device multiplies large matrices [FLOP/s]: no model is faster."""
    side = MATRIX_SIDE["cuda" if device.startswith("cuda") else "cpu"]
    one = torch.randn(side, side, device=device).to(dtype)
    one @ one  # warms up
    wait_for(device)
    count = 0
    start = time.perf_counter()
    while time.perf_counter() - start < seconds:
        one @ one
        # Or the clock would stop at products that are queued but not done.
        wait_for(device)
        count += 1
    # A multiplication and an addition for each of side^3 terms.
    return 2.0 * side**3 * count / (time.perf_counter() - start)


def _generate(work: Workload, question: Question, scale: int) -> str:
    backbone = work.backbone
    model: Any = backbone.model  # `generate` is typed for another class than it works on
    tokenizer = backbone.tokenizer
    image = work.questions.image(question.image_id)
    marker = str(tokenizer.convert_ids_to_tokens(model.config.image_token_id))
    # One marker per visual token, as stock processors write it.
    text = backbone.prompt(format_question(question)).replace(marker, marker * scale)
    ids = torch.tensor([tokenizer(text)["input_ids"]], device=model.device)  # [1, T]
    with evaluating(model):
        pixels = backbone.image_processor(images=[image], return_tensors="pt")["pixel_values"]
        pixels = pixels.to(model.device, model.dtype)
        tokens = model.get_image_features(pixels, return_dict=True).pooler_output[0]  # [576, D]
        pooled = pool_tokens(tokens[None], scale)[0]  # [scale, D]
        generated = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=work.max_new_tokens,
            do_sample=False,
            **find_host(model.config).splice(ids, [pooled]),
        )
    # [1, T + answer]: the prompt comes back in front.
    return str(tokenizer.decode(generated[0, ids.shape[1] :], skip_special_tokens=True)).strip()


def _compare_times(answer: Callable[[bool], None], backbone: M3Backbone, repeats: int) -> float:
    device = str(backbone.model.device)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(repeats + 1):
        for pays in (True, False):
            seconds[pays].append(time_step(lambda pays=pays: answer(pays), device))  # type: ignore[misc]
    # The first round warms up.
    return statistics.median(seconds[False][1:]) / statistics.median(seconds[True][1:])


def pick_questions(source: QuestionSet, images: int, each: int) -> QuestionSet:
    """Take `each` questions about each of the first images that have as many.

    The images are kept in memory.

    Raises:
        ValueError: if there are not as many.
    """
    groups: list[Sequence[Question]] = [g[:each] for g in source.by_image() if len(g) >= each]
    if len(groups) < images:
        raise ValueError(
            f"{source.name} has {len(groups)} images with {each} questions, {images} were asked for"
        )
    chosen = groups[:images]
    # Loaded here once: rounds shall time the model, not the disk.
    kept = {group[0].image_id: source.image(group[0].image_id) for group in chosen}
    return QuestionSet(source.name, [q for group in chosen for q in group], kept.__getitem__)
