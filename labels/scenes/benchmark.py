"""The built-in benchmark "nested scenes" as questions to label, and as conversations to train on.

The generator is deterministic: (split, seed, index) always give the same image, questions and
answers. Splits share no image; "ood" has pictograms, fonts, textures and phrasings that are not in
the training split.
"""

from dataclasses import replace

from PIL import Image

from labels.questions import LETTERS, Question, QuestionSet, format_question, image_fingerprint
from labels.scenes.descriptions import describe_scene
from labels.scenes.items import Scene
from labels.scenes.questions import Draft, ask_scene, word_question
from labels.scenes.splits import (
    DESCRIPTION_STREAM,
    QUESTION_STREAM,
    TRAINING,
    draw_image,
    make_scene,
    open_stream,
)
from labels.scenes.templates import TEMPLATES
from labels.scenes.vocabulary import KINDS, OUT_OF_DISTRIBUTION, REPHRASED

QUESTIONS_PER_IMAGE = 6


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


def ask_questions(
    split: str, index: int, count: int, seed: int = 0, rephrased: bool = False
) -> list[Question]:
    """Ask about one scene of a split.

    Args:
        split: name of the split.
        index: number of the scene within it.
        count: most questions wanted.
        seed: seed of the whole benchmark.
        rephrased: whether to ask the same in words that are held out of training.

    Returns:
        Up to `count` questions; their image id is left open.
    """
    scene = make_scene(split, index, seed)
    random = open_stream(split, index, seed, QUESTION_STREAM)
    # Other words change nothing else: scene, drafts and answers stay.
    held_out = rephrased or split == OUT_OF_DISTRIBUTION
    drafts = ask_scene(scene, random, count, split == TRAINING)
    return [
        Question(
            sample_id=f"{split}-{seed}-{index:06d}-{place}",
            image_id="",
            question=word_question(draft, random, held_out),
            answers=(draft.answer,),
            metric="choice" if draft.choices else "exact",
            choices=draft.choices,
            group=draft.family,
            meta=describe_draft(draft, scene),
        )
        for place, draft in enumerate(drafts)
    ]


def render_scene(split: str, index: int, seed: int = 0) -> Image.Image:
    """Draw scene number `index` of a split as an RGB image of 192 x 192 pixels."""
    return draw_image(make_scene(split, index, seed), split, index, seed)


def load_scenes(split: str, n_images: int, seed: int = 0, rephrased: bool = False) -> QuestionSet:
    """Open a split of the built-in benchmark.

    Args:
        split: "train", "router-train", "calibration", "test" or "ood".
        n_images: how many images to take, from the first.
        seed: seed of the whole benchmark.
        rephrased: whether to ask the same in words that are held out of training.

    Returns:
        About six questions per image; images are drawn when they are needed.

    Raises:
        ValueError: if the split is unknown or `n_images` is not positive.
    """
    if n_images < 1:
        raise ValueError(f"expected at least one image of the built-in benchmark, got {n_images}")
    places: dict[str, int] = {}
    questions: list[Question] = []
    for index in range(n_images):
        # Drawn once to know its hash, and again whenever it is needed: no image is kept.
        image_id = image_fingerprint(render_scene(split, index, seed))
        places[image_id] = index
        for question in ask_questions(split, index, QUESTIONS_PER_IMAGE, seed, rephrased):
            questions.append(replace(question, image_id=image_id))

    def load_image(image_id: str) -> Image.Image:
        return render_scene(split, places[image_id], seed)

    words = f":{REPHRASED}" if rephrased else ""
    return QuestionSet(f"scenes:{split}:{seed}:{n_images}{words}", questions, load_image)


def expected_text(question: Question) -> str:
    """Give the text a model should answer: the option's letter, or the first accepted answer."""
    if not question.choices:
        return question.answers[0]
    return LETTERS[question.choices.index(question.answers[0])]


def conversation(
    split: str, index: int, count: int, seed: int = 0, described: int = 0
) -> list[tuple[str, str]]:
    """Give the (question, answer) turns about one scene, as a model is trained on them.

    Args:
        split: name of the split.
        index: number of the scene within it.
        count: most questions wanted.
        seed: seed of the whole benchmark.
        described: descriptions to put in front, see `labels.scenes.descriptions`.

    Returns:
        Pairs of what is asked, options included, and what should be answered. A multiple-choice
        question is answered with the option's text, which its metric accepts like the letter: a
        model of a few million parameters does not learn letters in the time available.
    """
    asked = ask_questions(split, index, count, seed)
    random = open_stream(split, index, seed, DESCRIPTION_STREAM)
    descriptions = describe_scene(make_scene(split, index, seed), random, described)
    return descriptions + [(format_question(question), question.answers[0]) for question in asked]
