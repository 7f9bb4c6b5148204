"""A question about an image, a set of them, and the fingerprints that keep splits apart.

What this is not: a reader of files (`labels.sources.loading`) or a metric of answers
(`labels.metrics.registry`). Images stay where they are until one is needed.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import overload

import numpy as np
from PIL import Image

from m3_backbone.serialization import short_hash

ImageLoader = Callable[[str], Image.Image]
Joined = Mapping[str, tuple[str, ...]]
NOT_JOINED: Joined = MappingProxyType({})
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

REFERENCE = "reference"
"""The metric of questions without answers: right is what the largest scale says."""

UNKNOWN_IMAGE = "unknown:"
"""How the image id of an imported sample begins whose log does not say which image it is about."""


@dataclass(frozen=True)
class Question:
    """One question about an image or several, with everything needed to score an answer.

    Attributes:
        sample_id: unique name of the question within its set.
        image_id: content hash of the image, see `image_fingerprint`, or of several, see
            `join_fingerprints`; splits are made by it and by `images`.
        question: the text as a person would type it; no template, no options.
        answers: accepted answers; ten human ones for the metric `vqa`, none for `reference`.
        metric: name of the metric, a key of `labels.metrics.registry.METRICS`.
        choices: options of a multiple-choice question, at most 26, else empty. An empty text keeps
            the place of an option that is not there, so that the others keep their letters.
        group: family or dataset the question belongs to.
        meta: facts about the question that no router may see (size in pixels, ...).
        right: numbers of the right options, counted from 0; empty where `answers` alone says it.
        images: ids of the images of a question about several, in their order, else empty.

    >>> Question("q1", "i1", "What colour is the mug?", ("red",), "exact").choices
    ()
    >>> Question("q2", "i1", " ", ("red",), "exact")
    Traceback (most recent call last):
    ValueError: sample 'q2' has an empty question; give it a text
    """

    sample_id: str
    image_id: str
    question: str
    answers: tuple[str, ...]
    metric: str
    choices: tuple[str, ...] = ()
    group: str = ""
    meta: Mapping[str, float | int | str] = field(default_factory=dict, hash=False)
    right: tuple[int, ...] = ()
    images: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what cannot be asked or scored.

        Raises:
            ValueError: if there is no id, question or answer, more choices than letters, or a right
                one that is not there.
        """
        if not self.sample_id:
            raise ValueError(f"a question without sample_id: {self.question!r}")
        if not self.question.strip():
            raise ValueError(f"sample {self.sample_id!r} has an empty question; give it a text")
        if not self.answers and self.metric != REFERENCE:
            raise ValueError(
                f"sample {self.sample_id!r} has no answers; give it at least one, or use the "
                f"metric {REFERENCE}"
            )
        if len(self.choices) > len(LETTERS):
            raise ValueError(
                f"sample {self.sample_id!r} has {len(self.choices)} choices; "
                f"at most {len(LETTERS)} have a letter"
            )
        there = {place for place, choice in enumerate(self.choices) if choice}
        if not there.issuperset(self.right):
            raise ValueError(
                f"sample {self.sample_id!r}: the right choices are {self.right}, but there are "
                f"only {sorted(there)}"
            )


@dataclass(frozen=True)
class Wordings:
    """Other words for questions, that ask the same.

    Attributes:
        reword: question and number of its repeat, from 1 on -> the text; its own where there is no
            other.
        name: what they are, for manifests.
    """

    reword: Callable[[Question, int], str]
    name: str


def keep_words(question: Question, repeat: int) -> str:
    """Ask every repeat in the question's own words."""
    return question.question


OWN_WORDS = Wordings(keep_words, "")


class QuestionSet(Sequence[Question]):
    """Questions in a fixed order, with lazy access to their images.

    Args:
        name: where the questions come from, for manifests and messages.
        questions: the questions; their sample ids must be unique.
        load_image: image_id -> RGB image; called each time an image is needed, nothing is kept.
        joined: image_id of a question about several images -> ids of these, in their order.
        skipped: what was wrong with each row of the source that was left out.
        wordings: other words for the questions, for repeats.

    Raises:
        ValueError: if there is no question, or two share a sample id.
    """

    def __init__(
        self,
        name: str,
        questions: Iterable[Question],
        load_image: ImageLoader,
        joined: Joined = NOT_JOINED,
        skipped: tuple[str, ...] = (),
        wordings: Wordings = OWN_WORDS,
    ) -> None:
        self.name = name
        self.skipped = skipped
        self.wordings = wordings
        self._questions = tuple(questions)
        self._load_image = load_image
        self._joined = joined
        if not self._questions:
            raise ValueError(f"{name}: no questions; expected at least one")
        _check_unique(name, self._questions)

    @property
    def questions(self) -> tuple[Question, ...]:
        """All questions in their order."""
        return self._questions

    @property
    def image_ids(self) -> tuple[str, ...]:
        """Distinct image ids in the order of their first question."""
        return tuple(dict.fromkeys(question.image_id for question in self._questions))

    @property
    def fingerprint(self) -> str:
        """Content hash over all questions and image ids: equal sets have equal ones."""
        return fingerprint_questions(self._questions)

    def image(self, image_id: str) -> Image.Image:
        """Load the image of a question that is about one.

        Args:
            image_id: one of `image_ids`, or of the parts of one.

        Returns:
            The image in RGB.

        Raises:
            ValueError: if it stands for several images.
        """
        count = len(self.image_parts(image_id))
        if count > 1:
            raise ValueError(
                f"{self.name}: expected questions about one image, got one about {count}"
            )
        return self._load_image(image_id)

    def image_parts(self, image_id: str) -> tuple[str, ...]:
        """Tell which images an image id stands for.

        Args:
            image_id: one of `image_ids`.

        Returns:
            Ids of the images in their order; just `image_id` where a question is about one.
        """
        return self._joined.get(image_id, (image_id,))

    def about(self, image_ids: Iterable[str]) -> "QuestionSet":
        """Take the questions about some images, as a set of its own in the same order."""
        wanted = set(image_ids)
        questions = [question for question in self._questions if question.image_id in wanted]
        return self.exchange(questions)

    def exchange(self, questions: Iterable[Question]) -> "QuestionSet":
        """Take other questions about the same images, such as some of these."""
        return self._copy(questions, self.wordings)

    def with_wordings(self, wordings: Wordings) -> "QuestionSet":
        """Take other words for the same questions."""
        return self._copy(self._questions, wordings)

    def _copy(self, questions: Iterable[Question], wordings: Wordings) -> "QuestionSet":
        load, joined = self._load_image, self._joined
        return QuestionSet(self.name, questions, load, joined, self.skipped, wordings)

    def by_image(self) -> list[list[Question]]:
        """Gather the questions of each distinct image, images in order of first appearance."""
        groups: dict[str, list[Question]] = {}
        for question in self._questions:
            groups.setdefault(question.image_id, []).append(question)
        return list(groups.values())

    def __len__(self) -> int:
        """Count the questions."""
        return len(self._questions)

    @overload
    def __getitem__(self, index: int) -> Question: ...

    @overload
    def __getitem__(self, index: slice) -> "QuestionSet": ...

    def __getitem__(self, index: int | slice) -> "Question | QuestionSet":
        """Take one question, or a slice as a set of its own."""
        if isinstance(index, slice):
            return self.exchange(self._questions[index])
        return self._questions[index]


def image_fingerprint(image: Image.Image) -> str:
    """Hash the pixels of an image, so that the same picture has the same id in any file.

    Returns:
        First 16 hex digits of SHA-256 over width, height and RGB bytes.
    """
    rgb = image.convert("RGB")
    # The size too: images of other shapes may have the same bytes.
    digest = hashlib.sha256(f"{rgb.width}x{rgb.height}:".encode())
    digest.update(rgb.tobytes())
    return digest.hexdigest()[:16]


def is_fingerprint(image_id: str) -> bool:
    """Tell a content hash from the name that a log gives an image."""
    return re.fullmatch("[0-9a-f]{16}", image_id) is not None


def join_fingerprints(image_ids: Sequence[str]) -> str:
    """Make the image id of a question.

    Args:
        image_ids: content hashes of its images in their order, at least one.

    Returns:
        The id of the one image; of several, the first 16 hex digits of SHA-256 over their ids.
    """
    if len(image_ids) == 1:
        return image_ids[0]
    return short_hash("+".join(image_ids))


def format_question(question: Question, suffix: str = "", choice_suffix: str = "") -> str:
    """Write the text the model is asked: the question, lettered options, an instruction.

    Args:
        question: what is asked.
        suffix: instruction that follows an open question, on its own line.
        choice_suffix: instruction that follows a multiple-choice question, on its own line.

    Returns:
        The user's turn, without image marker and chat template.

    >>> what = Question("q", "i", "What is it?", ("a cat",), "choice", ("a dog", "a cat"))
    >>> print(format_question(what, choice_suffix="Answer with the option's letter."))
    What is it?
    A. a dog
    B. a cat
    Answer with the option's letter.
    """
    options = [
        f"{letter}. {choice}"
        for letter, choice in zip(LETTERS, question.choices, strict=False)
        if choice
    ]
    instruction = choice_suffix if question.choices else suffix
    lines = [question.question, *options, instruction]
    return "\n".join(line for line in lines if line)


def question_record(question: Question) -> dict[str, str | list[str] | list[int]]:
    """Write a question as text and lists, the form it is stored and hashed in.

    Returns:
        One value per field; `meta` as JSON with sorted keys. `right` only if it says something, so
        that questions of older runs keep their hash, and no `images`, of which `image_id` is made.
    """
    # One column of text for whatever facts there are; sorted, so that equal facts hash alike.
    meta = json.dumps(dict(question.meta), sort_keys=True, default=_unwrap_number)
    return {
        "sample_id": question.sample_id,
        "image_id": question.image_id,
        "question": question.question,
        "answers": list(question.answers),
        "metric": question.metric,
        "choices": list(question.choices),
        "group": question.group,
        "meta": meta,
        **({"right": list(question.right)} if question.right else {}),
    }


def fingerprint_questions(questions: Iterable[Question]) -> str:
    """Hash the contents of questions in their order: the first 16 hex digits of SHA-256."""
    digest = hashlib.sha256()
    for question in questions:
        digest.update(json.dumps(question_record(question), sort_keys=True).encode())
        # JSON holds no bare line break, so that two records never run together.
        digest.update(b"\n")
    return digest.hexdigest()[:16]


def _unwrap_number(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise ValueError(f"meta holds a {type(value).__name__}; expected numbers and text")


def _check_unique(name: str, questions: Sequence[Question]) -> None:
    known: set[str] = set()
    for question in questions:
        if question.sample_id in known:
            raise ValueError(
                f"{name}: sample_id {question.sample_id!r} occurs twice; sample ids must be unique"
            )
        known.add(question.sample_id)
