"""The built-in benchmark "nested scenes" as questions to label, and as conversations to train on.

The generator is deterministic: (draw, split, seed, index) always give the same image, questions and
answers. Splits share no image. What `labels.scenes.draws` names are frozen configurations of it; in
the first two, "ood" has pictograms, fonts, textures and phrasings that are not in the training
split, and in the wide draw one split each has patterns, words, fonts, backgrounds or JPEG qualities
that are not.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from labels.questions import (
    Question,
    QuestionSet,
    Wordings,
    format_question,
    image_fingerprint,
)
from labels.scenes.casual.asking import CasualTurn, ask_casually
from labels.scenes.descriptions import describe_scene
from labels.scenes.draws import SCENES_V2, TRAINING, Draw, public_name
from labels.scenes.items import Scene
from labels.scenes.questions import Draft, ask_scene, word_question
from labels.scenes.splits import (
    CASUAL_STREAM,
    DESCRIPTION_STREAM,
    QUESTION_STREAM,
    REPEAT_STREAM,
    draw_image,
    make_scene,
    open_stream,
)
from labels.scenes.templates import TEMPLATES
from labels.scenes.vocabulary import KINDS, OUT_OF_DISTRIBUTION, REPHRASED
from labels.scenes.wide.wording import word_draft

Random = np.random.Generator

WORDING_TRIES = 8
"""Draws for each other wording of a question, of which some are alike."""


class ExtraTurns(NamedTuple):
    """What a conversation has beyond the questions of the benchmark, for training only.

    Attributes:
        described: number of descriptions, see `labels.scenes.descriptions`.
        casual: number of questions in everyday words, see `labels.scenes.casual`.
    """

    described: int = 0
    casual: int = 0


NO_EXTRA = ExtraTurns()


def describe_draft(draft: Draft, scene: Scene) -> dict[str, float | int]:
    """List the metadata of a question, which no router may see."""
    return {
        "item_pixels": round(float(draft.item_pixels), 3),
        "items": len(scene.items),
        "rows": scene.rows,
        "columns": scene.columns,
        "kind": KINDS.index(scene.kind),
        "template": list(TEMPLATES).index(draft.template),
    }


def choose_wording(split: str, rephrased: bool, draw: Draw) -> Callable[[Draft, Random], str]:
    """Choose how the drafts of a split are phrased."""
    if draw.wide:
        return partial(word_draft, split=split)
    return partial(word_question, held_out=rephrased or split == OUT_OF_DISTRIBUTION)


def ask_questions(
    split: str,
    index: int,
    count: int,
    seed: int = 0,
    rephrased: bool = False,
    draw: Draw = SCENES_V2,
) -> list[Question]:
    """Ask about one scene of a split.

    Args:
        split: name of the split.
        index: number of the scene within it.
        count: most questions wanted.
        seed: seed of the whole benchmark.
        rephrased: whether to ask the same in words that are held out of training.
        draw: configuration of the benchmark.

    Returns:
        Up to `count` questions; their image id is left open.
    """
    scene = make_scene(split, index, seed, draw)
    random = open_stream(split, index, seed, QUESTION_STREAM, draw)
    word = choose_wording(split, rephrased, draw)
    drafts = ask_scene(scene, random, draw, count, split == TRAINING)
    return [
        Question(
            sample_id=f"{split}-{seed}-{index:06d}-{place}",
            image_id="",
            # Other words change nothing else: scene, drafts and answers stay.
            question=word(drafted, random),
            answers=(drafted.answer,),
            metric="choice" if drafted.choices else "exact",
            choices=drafted.choices,
            group=drafted.family,
            meta=describe_draft(drafted, scene),
        )
        for place, drafted in enumerate(drafts)
    ]


@lru_cache(maxsize=16)
def list_drafts(split: str, index: int, seed: int, draw: Draw) -> tuple[Draft, ...]:
    """List what is asked about a scene, without words."""
    scene = make_scene(split, index, seed, draw)
    random = open_stream(split, index, seed, QUESTION_STREAM, draw)
    return tuple(ask_scene(scene, random, draw, draw.questions_per_image, split == TRAINING))


def find_draft(question: Question, draw: Draw) -> tuple[Scene, Draft] | None:
    """Find what a question of the benchmark is about.

    Args:
        question: the question.
        draw: the draw that its set names.

    Returns:
        The scene and the draft; None if the question is not of this draw, or of an older generator.
    """
    split, *numbers = question.sample_id.rsplit("-", 3)
    if split not in draw.splits or len(numbers) != 3 or not all(map(str.isdigit, numbers)):
        return None
    seed, index, place = map(int, numbers)
    scene, drafts = make_scene(split, index, seed, draw), list_drafts(split, index, seed, draw)
    if place >= len(drafts) or describe_draft(drafts[place], scene) != dict(question.meta):
        return None
    return scene, drafts[place]


def reword(question: Question, repeat: int, rephrased: bool, draw: Draw) -> str:
    """Phrase a question of the benchmark in other words of its split.

    Args:
        question: the question.
        repeat: which of its other wordings, from 1 on; no two are the same while there are more.
        rephrased: whether the split's words are those that are held out of training.
        draw: the draw that it is of.

    Returns:
        The text; the question's own where there is no other.
    """
    found = find_draft(question, draw)
    if found is None:
        return question.question
    split, *numbers = question.sample_id.rsplit("-", 3)
    seed, index, place = map(int, numbers)
    random = open_stream(split, index, seed, REPEAT_STREAM + place, draw)
    word = choose_wording(split, rephrased, draw)
    texts = [word(found[1], random) for _ in range(WORDING_TRIES * repeat)]
    others = [text for text in dict.fromkeys(texts) if text != question.question]
    return others[(repeat - 1) % len(others)] if others else question.question


def render_scene(split: str, index: int, seed: int = 0, draw: Draw = SCENES_V2) -> Image.Image:
    """Draw scene number `index` of a split as an RGB image of 192 x 192 pixels."""
    return draw_image(make_scene(split, index, seed, draw), split, index, seed, draw)


def load_scenes(
    split: str, n_images: int, seed: int = 0, rephrased: bool = False, draw: Draw = SCENES_V2
) -> QuestionSet:
    """Open a split of the built-in benchmark.

    Args:
        split: one of `draw.splits`, such as "test".
        n_images: how many images to take, from the first.
        seed: seed of the whole benchmark.
        rephrased: whether to ask the same in words that are held out of training.
        draw: configuration of the benchmark.

    Returns:
        About six questions per image; images are drawn when they are needed.

    Raises:
        ValueError: if the split is unknown, `n_images` is not positive, or the draw has no other
            words.
    """
    if rephrased and draw.wide:
        raise ValueError(
            f'{draw.name} has no {REPHRASED!r}: its splits "patterns" and "words" ask otherwise'
        )
    if n_images < 1:
        raise ValueError(f"expected at least one image of the built-in benchmark, got {n_images}")
    places: dict[str, int] = {}
    questions: list[Question] = []
    for index in range(n_images):
        # Drawn once to know its hash, and again whenever it is needed: no image is kept.
        image_id = image_fingerprint(render_scene(split, index, seed, draw))
        places[image_id] = index
        for question in ask_questions(
            split, index, draw.questions_per_image, seed, rephrased, draw
        ):
            questions.append(replace(question, image_id=image_id))

    def load_image(image_id: str) -> Image.Image:
        return render_scene(split, places[image_id], seed, draw)

    words = f":{REPHRASED}" if rephrased else ""
    return QuestionSet(
        f"{public_name(draw)}:{split}:{seed}:{n_images}{words}",
        questions,
        load_image,
        wordings=Wordings(partial(reword, rephrased=rephrased, draw=draw), "templates"),
    )


# Kept for a moment: a conversation takes the words, and then the training the items.
@lru_cache(maxsize=16)
def casual_turns(
    split: str, index: int, count: int, seed: int = 0, draw: Draw = SCENES_V2
) -> tuple[CasualTurn, ...]:
    """Ask `count` questions in everyday words about a scene; see `labels.scenes.casual`."""
    scene = make_scene(split, index, seed, draw)
    random = open_stream(split, index, seed, CASUAL_STREAM, draw)
    return tuple(ask_casually(scene, random, count))


def conversation(
    split: str,
    index: int,
    count: int,
    seed: int = 0,
    extra: ExtraTurns = NO_EXTRA,
    draw: Draw = SCENES_V2,
) -> list[tuple[str, str]]:
    """Give the (question, answer) turns about one scene, as a model is trained on them.

    Args:
        split: name of the split.
        index: number of the scene within it.
        count: most questions wanted.
        seed: seed of the whole benchmark.
        extra: what to put in front of the questions.
        draw: configuration of the benchmark.

    Returns:
        Pairs of what is asked, options included, and what should be answered. A multiple-choice
        question is answered with the option's text, which its metric accepts like the letter: a
        model of a few million parameters does not learn letters in the time available.
    """
    asked = ask_questions(split, index, count, seed, draw=draw)
    random = open_stream(split, index, seed, DESCRIPTION_STREAM, draw)
    scene = make_scene(split, index, seed, draw)
    front = describe_scene(scene, random, extra.described)
    front += [turn[:2] for turn in casual_turns(split, index, extra.casual, seed, draw)]
    return front + [(format_question(question), question.answers[0]) for question in asked]
