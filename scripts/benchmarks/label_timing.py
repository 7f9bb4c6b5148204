"""The labeller beside the plain loop: whether answers agree, and how long both take."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
from m3_backbone.inference.execution import evaluating
from m3_backbone.pooling import pool_tokens
from scripts.benchmarks.timing import time_step, wait_for

Answers = dict[tuple[str, int], str]
"""Sample and scale -> answer."""

MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}


@dataclass(frozen=True)
class Workload:
    """What both are asked: equally many questions per image."""

    backbone: M3Backbone
    questions: QuestionSet
    max_new_tokens: int

    def first_images(self, count: int) -> "Workload":
        """Take the questions of the first `count` images."""
        groups = self.questions.by_image()[:count]
        chosen = [question for group in groups for question in group]
        few = QuestionSet(self.questions.name, chosen, self.questions.image)
        return Workload(self.backbone, few, self.max_new_tokens)


def answer_plainly(work: Workload) -> Answers:
    """Ask as the official evaluation does: question by question, one `generate` per scale.

    Every call preprocesses and encodes the image again; only stock code generates.
    """
    return {
        (question.sample_id, scale): _generate(work, question, scale)
        for question in work.questions
        for scale in work.backbone.scales
    }


def answer_by_label(work: Workload) -> tuple[Answers, list[tuple[int, int]]]:
    """Ask as `m3scale label` does, table and features written included.

    Returns:
        The answers, and input and output tokens of each.
    """
    settings = LabelSettings(max_new_tokens=work.max_new_tokens)
    with tempfile.TemporaryDirectory() as name:
        folder = label(work.questions, work.backbone, Path(name) / "run", settings, False)
        frame = read_table(folder)
    keys = zip(frame["sample_id"], frame["scale"].astype(int), strict=True)
    tokens = zip(
        frame["prompt_tokens"].astype(int), frame["output_tokens"].astype(int), strict=True
    )
    return dict(zip(keys, frame["answer"], strict=True)), list(tokens)


def compare(work: Workload, plain_images: int, repeats: int) -> dict[str, Any]:
    """Time both in turns, after a round that is not counted and whose answers are compared.

    Args:
        work: what to ask.
        plain_images: images that the plain loop is given; it is slow.
        repeats: timed rounds.

    Returns:
        Questions per second of each round and their medians, how many times faster the labeller is,
        processor seconds per question and how many times fewer it takes (the steadier figure on a
        processor that is busy with other things, and without meaning on an accelerator),
        the share of equal answers, and the FLOPs that one run of the labeller needs.
    """
    few = work.first_images(plain_images)
    device = str(work.backbone.model.device)
    expected = answer_plainly(few)
    answers, _ = answer_by_label(work)
    equal = statistics.fmean(answers[key] == answer for key, answer in expected.items())
    rates: dict[str, list[float]] = {"plain": [], "label": []}
    processor: dict[str, list[float]] = {"plain": [], "label": []}
    kinds = {"plain": (answer_plainly, few), "label": (answer_by_label, work)}
    for _ in range(repeats):
        # In turns, so that a machine that slows down slows both.
        for kind, (answer, asked) in kinds.items():
            start = time.process_time()
            seconds = time_step(lambda answer=answer, asked=asked: answer(asked), device)  # type: ignore[misc]
            processor[kind].append((time.process_time() - start) / len(asked.questions))
            rates[kind].append(len(asked.questions) / seconds)
    medians = {kind: statistics.median(all_rates) for kind, all_rates in rates.items()}
    used = {kind: statistics.median(seconds) for kind, seconds in processor.items()}
    return {
        "questions_per_second": rates,
        "median": medians,
        "speedup": medians["label"] / medians["plain"],
        "processor_seconds": processor,
        "processor_speedup": used["plain"] / used["label"],
        "equal_answers": equal,
        "flops_per_question": count_flops(work) / len(work.questions),
    }


def count_flops(work: Workload) -> float:
    """Count what labelling needs [FLOPs].

    Each image is read once, each beginning of a prompt once per scale.
    """
    backbone = work.backbone
    shape = backbone.language_shape
    _, tokens = answer_by_label(work)
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
    rows = []
    for scale in backbone.scales:
        features = [pyramid[scale] for pyramid in pyramids]
        prompts = [engine.tokenize(group, [scale] * len(group), 1) for group in asked]

        def answer(pays: bool, features: Any = features, prompts: Any = prompts) -> None:
            engine.answer_groups(prompts, features, 0, work.max_new_tokens, 16384, lambda *_: pays)

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
