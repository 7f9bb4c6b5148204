"""The built-in benchmark "nested scenes" as questions to label, and as conversations to train on.

The generator is deterministic: (draw, split, seed, index) always give the same image, questions and
answers. Splits share no image. What `labels.scenes.draws` names are frozen configurations of it; in
the first two, "ood" has pictograms, fonts, textures and phrasings that are not in the training
split, and in the wide draw one split each has patterns, words, fonts, backgrounds or JPEG qualities
that are not.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from PIL import Image

from labels.questions import LETTERS, Question, QuestionSet, format_question, image_fingerprint
from labels.scenes.descriptions import describe_scene
from labels.scenes.draws import SCENES_V2, TRAINING, Draw, public_name
from labels.scenes.items import Scene
from labels.scenes.questions import Draft, ask_scene, word_question
from labels.scenes.splits import (
    DESCRIPTION_STREAM,
    QUESTION_STREAM,
    draw_image,
    make_scene,
    open_stream,
)
from labels.scenes.templates import TEMPLATES
from labels.scenes.vocabulary import KINDS, OUT_OF_DISTRIBUTION, REPHRASED
from labels.scenes.wide.wording import word_draft

Random = np.random.Generator


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
        f"{public_name(draw)}:{split}:{seed}:{n_images}{words}", questions, load_image
    )


def expected_text(question: Question) -> str:
    """Give the text a model should answer: the option's letter, or the first accepted answer."""
    if not question.choices:
        return question.answers[0]
    return LETTERS[question.choices.index(question.answers[0])]


def conversation(
    split: str,
    index: int,
    count: int,
    seed: int = 0,
    described: int = 0,
    draw: Draw = SCENES_V2,
) -> list[tuple[str, str]]:
    """Give the (question, answer) turns about one scene, as a model is trained on them.

    Args:
        split: name of the split.
        index: number of the scene within it.
        count: most questions wanted.
        seed: seed of the whole benchmark.
        described: descriptions to put in front, see `labels.scenes.descriptions`.
        draw: configuration of the benchmark.

    Returns:
        Pairs of what is asked, options included, and what should be answered. A multiple-choice
        question is answered with the option's text, which its metric accepts like the letter: a
        model of a few million parameters does not learn letters in the time available.
    """
    asked = ask_questions(split, index, count, seed, draw=draw)
    random = open_stream(split, index, seed, DESCRIPTION_STREAM, draw)
    descriptions = describe_scene(make_scene(split, index, seed, draw), random, described)
    return descriptions + [(format_question(question), question.answers[0]) for question in asked]
