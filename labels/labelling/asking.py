"""All questions about a batch of images at all scales: rows of outcomes, and features.

A question about several images costs what all of them cost; its answer is given from the tokens of
all of them at one scale.

What this is not: a run; `labels.labelling.run` decides what is asked when, and writes the results.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from labels.labelling.answerer import Answerer, AnswerLike, Encoded, Ready
from labels.labelling.settings import LabelSettings
from labels.metrics.registry import list_closing, reference_text, score_answer, settle_reference
from labels.outcomes.formats import Features, Value
from labels.questions import Question
from m3_backbone.half import to_half
from m3_backbone.inference.sampling import Sampling, make_seed

Group = Sequence[Question]
"""All questions of one image, or of the same several images."""

T = TypeVar("T")


@dataclass(frozen=True)
class EncodedImage:
    """An image as the answerer takes it.

    Attributes:
        encoded: what `Answerer.encode` gave.
        flops: what encoding it took.
        statistics: statistics of its pixels [w]; empty unless they are wanted.
    """

    encoded: Encoded
    flops: float
    statistics: NDArray[np.float32]


def stand_alone(image_id: str) -> tuple[str, ...]:
    """List the images that an image id stands for, where every question is about one."""
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
        repeat: how often the questions have been asked before.
    """

    answerer: Answerer
    load_image: Callable[[str], Image.Image]
    write_text: Callable[[Question], str]
    scales: tuple[int, ...]
    settings: LabelSettings
    stamp: Mapping[str, Value]
    image_parts: Callable[[str], tuple[str, ...]] = stand_alone
    repeat: int = 0

    def list_images(self, groups: Iterable[Group]) -> dict[str, str]:
        """List the single images that groups are about.

        Returns:
            Id of each image, in their order -> sample id of the first question about it.
        """
        samples: dict[str, str] = {}
        for group in groups:
            for image_id in self.image_parts(group[0].image_id):
                samples.setdefault(image_id, group[0].sample_id)
        return samples

    def choose_sampling(self, question: Question, scale: int) -> Sampling:
        """Choose how the answer to a question is generated: drawn in repeats that are to be.

        The seed is the question's own, so that its answer does not depend on who asks what else.
        """
        settings = self.settings
        if self.repeat == 0 or settings.sample_temperature == 0:
            return Sampling(settings.max_new_tokens)
        seed = make_seed(f"{question.sample_id}:{scale}:{self.repeat}")
        return Sampling(settings.max_new_tokens, settings.sample_temperature, seed=seed)

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
    known: dict[str, EncodedImage] | None = None,
    take: Callable[[str, str], Ready] | None = None,
) -> tuple[list[dict[str, Value]], Features]:
    """Ask a batch of images all their questions at all scales; each image is encoded once.

    Args:
        asking: how to ask.
        groups: the questions, grouped by image id.
        known: id of each image that was encoded before; the new ones are added.
        take: gives an image that is ready, by its id and a sample about it; else they are loaded.

    Returns:
        One row per question and scale, in the order of the questions, and their features.
    """
    batch = _make_batch(asking, groups, known, take)
    return _ask(asking, batch), _make_features(asking, batch)


def ask_rows(asking: Asking, groups: Sequence[Group]) -> list[dict[str, Value]]:
    """Ask a batch of images all their questions at all scales, and give no features.

    Args:
        asking: how to ask.
        groups: the questions, grouped by image id.

    Returns:
        One row per question and scale, in the order of the questions.
    """
    return _ask(asking, _make_batch(asking, groups, None, None))


def _ask(asking: Asking, batch: "_Batch") -> list[dict[str, Value]]:
    answers = {scale: _answer(asking, batch, scale) for scale in asking.scales}
    # [n], question by question
    largest = answers[max(asking.scales)]
    # For data without answers, what the largest scale says is right.
    questions = [
        settle_reference(question, answer.text)
        for question, answer in zip(_flatten(batch.groups), largest, strict=True)
    ]
    vision_flops = [sum(image.flops for image in images) for images in batch.images]
    # Question by question, all scales of each [n * s].
    rows = [
        _make_row(asking, question, scale, answers[scale][index], vision_flops[group])
        for index, (question, group) in enumerate(zip(questions, batch.group_rows, strict=True))
        for scale in asking.scales
    ]
    if asking.settings.losses:
        _add_losses(asking, batch, questions, rows)
    return rows


Take = Callable[[str, str], Ready]
"""Image id and sample id -> the image, ready to be encoded."""

Ask = Callable[
    [Asking, Sequence[Group], dict[str, EncodedImage], Take],
    tuple[list[dict[str, Value]], Features],
]
"""What `ask_images` is: rows and features of a batch of images."""


def encode_features(
    asking: Asking,
    groups: Sequence[Group],
    known: dict[str, EncodedImage] | None = None,
    take: Callable[[str, str], Ready] | None = None,
) -> Features:
    """Encode a batch of images and give the features of the questions about them; nothing is asked.

    Args:
        asking: how questions are written; nobody answers them.
        groups: the questions, grouped by image id.
        known: as in `ask_images`.
        take: as in `ask_images`.

    Returns:
        What `ask_images` gives beside its rows.
    """
    return _make_features(asking, _make_batch(asking, groups, known, take))


@dataclass(frozen=True)
class _Batch:
    """Groups of questions, their texts as the model reads them, and the images of each group."""

    groups: Sequence[Group]
    texts: Sequence[Sequence[str]]
    images: Sequence[Sequence[EncodedImage]]

    @property
    def group_rows(self) -> NDArray[np.int64]:
        """Number of each question's group [n]."""
        return np.repeat(np.arange(len(self.groups)), [len(group) for group in self.groups])

    @property
    def encoded(self) -> list[Encoded]:
        """What the answerer takes for each group: one image by itself, several as a list."""
        return [
            images[0].encoded if len(images) == 1 else [image.encoded for image in images]
            for images in self.images
        ]

    def list_prompts(self) -> tuple[list[Encoded], list[str]]:
        """List image and text of each question, one after the other [n], [n]."""
        encoded = self.encoded
        return [encoded[group] for group in self.group_rows], _flatten(self.texts)


def _make_batch(
    asking: Asking,
    groups: Sequence[Group],
    known: dict[str, EncodedImage] | None,
    take: Callable[[str, str], Ready] | None,
) -> _Batch:
    known = {} if known is None else known  # may be an empty dict that the caller keeps
    return _Batch(
        groups=groups,
        texts=[[asking.write_text(question) for question in group] for group in groups],
        images=_encode(asking, groups, known, take or asking.make_ready),
    )


def _flatten(groups: Sequence[Sequence[T]]) -> list[T]:
    return [item for group in groups for item in group]


def _encode(
    asking: Asking,
    groups: Sequence[Group],
    known: dict[str, EncodedImage],
    take: Callable[[str, str], Ready],
) -> list[list[EncodedImage]]:
    """Encode the images that are not known yet, and give those of each group."""
    new = {}
    for image_id, sample_id in asking.list_images(groups).items():
        if image_id not in known:
            new[image_id] = take(image_id, sample_id)
    answerer = asking.answerer
    # All new images in one call, which batches them itself.
    for image_id, encoded in zip(new, answerer.encode(list(new.values())), strict=True):
        statistics = np.zeros(0, np.float32)
        if "pixels" in asking.settings.extras:
            statistics = answerer.image_statistics(new[image_id])
        known[image_id] = EncodedImage(encoded, answerer.image_flops(new[image_id]), statistics)
    return [
        [known[image_id] for image_id in asking.image_parts(group[0].image_id)] for group in groups
    ]


def _answer(asking: Asking, batch: _Batch, scale: int) -> list[AnswerLike]:
    # Words after which an answer needs no further token.
    closing = [[list_closing(question) for question in group] for group in batch.groups]
    answers = asking.answerer.answer_images(
        batch.encoded,
        batch.texts,
        scale,
        sampling=[[asking.choose_sampling(one, scale) for one in group] for group in batch.groups],
        token_budget=asking.settings.token_budget,
        closing=closing if asking.settings.first_token else None,
    )
    # Checked here, as flattened answers could fit in number and belong to other questions.
    counts = [len(group) for group in answers]
    if counts != [len(group) for group in batch.texts]:
        raise ValueError(
            f"asked {[len(group) for group in batch.texts]} questions per image at scale {scale}, "
            f"got {counts} answers"
        )
    return _flatten(answers)


def _make_row(
    asking: Asking, question: Question, scale: int, answer: AnswerLike, vision_flops: float
) -> dict[str, Value]:
    score = score_answer(answer.text, question)
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
        "flops": float(asking.answerer.answer_flops(answer) + vision_flops),
        "wall_ms": float(answer.wall_ms),
        "batch_size": answer.batch_size,
        "batch_shape": answer.batch_shape,
        "repeat": asking.repeat,
        **asking.stamp,
    }


def _add_losses(
    asking: Asking, batch: _Batch, questions: Sequence[Question], rows: Sequence[dict[str, Value]]
) -> None:
    """Note in each row the negative log-likelihood of the reference answer at its scale."""
    images, texts = batch.list_prompts()
    answers = [reference_text(question) for question in questions]
    n_scales = len(asking.scales)
    for place, scale in enumerate(asking.scales):
        losses = asking.answerer.reference_losses(images, texts, answers, scale)
        # Rows go question by question, all scales of each: every n-th row is of this scale.
        for row, loss in zip(rows[place::n_scales], losses, strict=True):
            row["reference_loss"] = float(loss)


def _make_features(asking: Asking, batch: _Batch) -> Features:
    answerer = asking.answerer
    images, texts = batch.list_prompts()
    extras = {}
    if "pixels" in asking.settings.extras:
        # The mean over the images of each group [groups, w], then one row per question [n, w].
        means = [np.mean([one.statistics for one in of_group], axis=0) for of_group in batch.images]
        extras["pixels"] = to_half(np.stack(means)[batch.group_rows], "image statistics")
    if "state" in asking.settings.extras:
        extras["state"] = to_half(answerer.prompt_states(images, texts), "prompt states")
    return Features(
        sample_ids=np.array([question.sample_id for question in _flatten(batch.groups)]),
        image_rows=batch.group_rows,
        coarse=to_half(answerer.coarse_tokens(batch.encoded), "coarse tokens"),
        question=to_half(answerer.question_embedding(texts), "question embeddings"),
        extras=extras,
    )
