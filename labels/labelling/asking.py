"""Asking a batch of images everything: from questions to rows of outcomes and features.

A question about several images costs what all of them cost, and its answer is read from the tokens
of all of them at one scale.

What this is not: a run; `labels.labelling.run` decides what is asked when, and writes what comes
back.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labels.labelling.answerer import Answerer, AnswerLike, Encoded, Ready
from labels.labelling.settings import LabelSettings
from labels.metrics.choice import list_closing
from labels.metrics.registry import reference_text, score_answer, settle_reference
from labels.outcomes.formats import Cell, Features
from labels.questions import Question
from m3_backbone.half import to_half

Group = Sequence[Question]
"""All questions of one image, or of the same several images."""


Seen = tuple[Encoded, float, NDArray[np.float32]]
"""An image as the answerer sees it, what that took [FLOPs], and its statistics if asked for [w]."""


def stand_alone(image_id: str) -> tuple[str, ...]:
    """Tell which images an image id stands for where every question is about one."""
    return (image_id,)


@dataclass(frozen=True)
class Asking:
    """How questions are asked in a run.

    Attributes:
        answerer: who answers.
        load_image: id of a single image -> RGB image.
        write_text: question -> what the model is asked, options and instruction included.
        scales: scales to answer at, ascending.
        settings: the settings of the run; its `scales` may be empty, those above never are.
        stamp: columns of the outcome table that are the same in all rows.
        image_parts: image id of a question -> ids of the single images it is about.
    """

    answerer: Answerer
    load_image: Callable[[str], Image.Image]
    write_text: Callable[[Question], str]
    scales: tuple[int, ...]
    settings: LabelSettings
    stamp: Mapping[str, Cell]
    image_parts: Callable[[str], tuple[str, ...]] = stand_alone

    def list_images(self, groups: Iterable[Group]) -> dict[str, str]:
        """List the single images that groups are about.

        Args:
            groups: questions, grouped by image id.

        Returns:
            Id of each image, in their order -> sample id of the first question about it.
        """
        found: dict[str, str] = {}
        for group in groups:
            for image_id in self.image_parts(group[0].image_id):
                found.setdefault(image_id, group[0].sample_id)
        return found

    def make_ready(self, image_id: str, sample_id: str) -> Ready:
        """Load an image and prepare it for the answerer.

        Args:
            image_id: the image.
            sample_id: the sample to name if that fails.

        Returns:
            The image as the answerer encodes it.

        Raises:
            ValueError: if it cannot be loaded.
        """
        try:
            return self.answerer.prepare(self.load_image(image_id))
        except (ValueError, OSError) as error:
            raise ValueError(f"image of sample {sample_id!r}: {error}") from error


def ask_images(
    asking: Asking,
    groups: Sequence[Group],
    known: dict[str, Seen] | None = None,
    take: Callable[[str, str], Ready] | None = None,
) -> tuple[list[dict[str, Cell]], Features]:
    """Ask a batch of images all their questions at all scales; each image is encoded once.

    Args:
        asking: how to ask.
        groups: the questions, grouped by image id.
        known: id of each image that was encoded before; the new ones are added.
        take: gives an image that is ready, by its id and a sample about it; else they are loaded.

    Returns:
        One row per question and scale, in the order of the questions, and their features.
    """
    texts = [[asking.write_text(question) for question in group] for group in groups]
    seen = _look(asking, groups, {} if known is None else known, take or asking.make_ready)
    # One image comes by itself, as everywhere; several as a list.
    pyramids = [parts[0][0] if len(parts) == 1 else [one[0] for one in parts] for parts in seen]
    closing = [[list_closing(one) for one in group] for group in groups]
    words = closing if asking.settings.first_token else None
    answers = {scale: _answer(asking, pyramids, texts, scale, words) for scale in asking.scales}
    asked = [question for group in groups for question in group]
    largest = [answer.text for answer in answers[max(asking.scales)]]
    flat = [settle_reference(*pair) for pair in zip(asked, largest, strict=True)]
    vision = [
        sum(flops for _, flops, _ in parts)
        for parts, group in zip(seen, groups, strict=True)
        for _ in group
    ]
    rows = [
        _make_row(asking, question, scale, answers[scale][index], vision[index])
        for index, question in enumerate(flat)
        for scale in asking.scales
    ]
    if asking.settings.losses:
        _add_losses(asking, rows, flat, pyramids, texts)
    features = _make_features(asking.answerer, groups, pyramids, texts)
    return rows, replace(features, extras=_measure_extras(asking, seen, pyramids, texts))


def _look(
    asking: Asking,
    groups: Sequence[Group],
    known: dict[str, Seen],
    take: Callable[[str, str], Ready],
) -> list[list[Seen]]:
    """Encode the images that are not known yet, and give those of each group."""
    asked = asking.list_images(groups)
    new = {image_id: take(image_id, asked[image_id]) for image_id in asked if image_id not in known}
    pyramids = asking.answerer.encode(list(new.values()))
    for (image_id, image), pyramid in zip(new.items(), pyramids, strict=True):
        wanted = "pixels" in asking.settings.extras
        measured = asking.answerer.image_statistics(image) if wanted else np.zeros(0, np.float32)
        known[image_id] = pyramid, asking.answerer.image_flops(image), measured
    return [
        [known[image_id] for image_id in asking.image_parts(group[0].image_id)] for group in groups
    ]


def _answer(
    asking: Asking,
    pyramids: Sequence[Encoded],
    texts: Sequence[Sequence[str]],
    scale: int,
    closing: Sequence[Sequence[Sequence[str]]] | None,
) -> list[AnswerLike]:
    answers = asking.answerer.answer_images(
        pyramids,
        texts,
        scale,
        max_new_tokens=asking.settings.max_new_tokens,
        token_budget=asking.settings.token_budget,
        closing=closing,
    )
    counts = [len(group) for group in answers]
    if counts != [len(group) for group in texts]:
        raise ValueError(
            f"asked {[len(group) for group in texts]} questions per image at scale {scale}, "
            f"got {counts} answers"
        )
    return [answer for group in answers for answer in group]


def _make_row(
    asking: Asking,
    question: Question,
    scale: int,
    answer: AnswerLike,
    vision_flops: float,
) -> dict[str, Cell]:
    score = score_answer(answer.text, question)
    flops = asking.answerer.answer_flops(answer) + vision_flops
    return {
        "sample_id": question.sample_id,
        "image_id": question.image_id,
        "group": question.group,
        "scale": scale,
        "answer": answer.text,
        "score": score.score,
        "parse_ok": score.parse_ok,
        "mean_logprob": float(answer.mean_logprob),
        "first_margin": float(answer.first_margin),
        "visual_tokens": answer.visual_tokens,
        "prompt_tokens": answer.prompt_tokens,
        "output_tokens": answer.output_tokens,
        "flops": float(flops),
        "wall_ms": float(answer.wall_ms),
        "batch_size": answer.batch_size,
        "batch_shape": answer.batch_shape,
        **asking.stamp,
    }


def _add_losses(
    asking: Asking,
    rows: Sequence[dict[str, Cell]],
    questions: Sequence[Question],
    pyramids: Sequence[Encoded],
    texts: Sequence[Sequence[str]],
) -> None:
    """Note in each row how surprising the question's reference answer is at its scale."""
    seen = [pyramid for pyramid, group in zip(pyramids, texts, strict=True) for _ in group]
    asked = [text for group in texts for text in group]
    answers = [reference_text(question) for question in questions]
    for place, scale in enumerate(asking.scales):
        losses = asking.answerer.reference_losses(seen, asked, answers, scale)
        for row, loss in zip(rows[place :: len(asking.scales)], losses, strict=True):
            row["reference_loss"] = float(loss)


def _make_features(
    answerer: Answerer,
    groups: Sequence[Group],
    pyramids: Sequence[Encoded],
    texts: Sequence[Sequence[str]],
) -> Features:
    counts = [len(group) for group in groups]
    embedding = answerer.question_embedding([text for group in texts for text in group])
    return Features(
        sample_ids=np.array([question.sample_id for group in groups for question in group]),
        image_rows=np.repeat(np.arange(len(groups)), counts),
        coarse=to_half(answerer.coarse_tokens(pyramids), "coarse tokens"),
        question=to_half(embedding, "question embeddings"),
    )


def _measure_extras(
    asking: Asking,
    seen: Sequence[Sequence[Seen]],
    pyramids: Sequence[Encoded],
    texts: Sequence[Sequence[str]],
) -> dict[str, NDArray[np.float16]]:
    """Measure what was asked for beside the features that every run has, a row a question."""
    counts, found = [len(group) for group in texts], {}
    if "pixels" in asking.settings.extras:
        rows = [np.mean([one[2] for one in parts], axis=0) for parts in seen]
        found["pixels"] = to_half(np.repeat(rows, counts, axis=0), "image statistics")
    if "state" in asking.settings.extras:
        shown = [one for one, count in zip(pyramids, counts, strict=True) for _ in range(count)]
        asked = [text for group in texts for text in group]
        found["state"] = to_half(asking.answerer.prompt_states(shown, asked), "prompt states")
    return found
