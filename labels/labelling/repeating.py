"""Asks questions several times, under what may change an answer without changing the question.

How much of an outcome is luck shows only when the question is asked again: in other words, about
the image moved by a few pixels, in a batch of another shape, and with an answer that is drawn, if a
temperature is given. The first time, number 0, it is asked as it stands and answered with the most
probable tokens. A repeat depends on the question and its number alone, so that a run that was
stopped goes on with the same ones.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random

import numpy as np
from PIL import Image

from labels.labelling.asking import Ask, Asking, EncodedImage, Group, Take, ask_images, ask_rows
from labels.metrics.registry import settle_reference
from labels.outcomes.formats import Features, Value
from labels.questions import REFERENCE, Question, Wordings

SMALLEST = 16
"""Images with fewer pixels a side, for each that they would be moved, stay where they are."""


def ask_repeatedly(wordings: Wordings) -> Ask:
    """Make what stands for `ask_images` in a run with repeats.

    Args:
        wordings: other words for the questions.
    """

    def ask(
        asking: Asking, groups: Sequence[Group], known: dict[str, EncodedImage], take: Take
    ) -> tuple[list[dict[str, Value]], Features]:
        rows, features = ask_images(asking, groups, known, take)
        # What is right must not change with the answer at the largest scale.
        settled = _settle(asking, groups, rows)
        for repeat in range(1, asking.settings.repeats):
            rows += _ask_again(asking, settled, wordings, repeat)
        return rows, features

    return ask


def _settle(
    asking: Asking, groups: Sequence[Group], rows: Sequence[dict[str, Value]]
) -> list[list[Question]]:
    """Take for right what the largest scale said the first time, where nobody else says it."""
    largest = max(asking.scales)
    said = {row["sample_id"]: str(row["answer"]) for row in rows if row["scale"] == largest}

    def settle(question: Question) -> Question:
        settled = settle_reference(question, said[question.sample_id])
        # Scored alike, and no longer to be settled by what is said next.
        return replace(settled, metric="exact") if settled.metric == REFERENCE else settled

    return [[settle(question) for question in group] for group in groups]


def _ask_again(
    asking: Asking, groups: Sequence[Group], wordings: Wordings, repeat: int
) -> list[dict[str, Value]]:
    again = replace(
        asking,
        load_image=partial(_load_moved, asking, repeat),
        write_text=partial(_write_reworded, asking, wordings, repeat),
        settings=replace(asking.settings, losses=False),
        repeat=repeat,
    )
    # In fewer images at a time than the repeat before, so that batches have other shapes.
    size = max(1, len(groups) // (repeat + 1))
    batches = [groups[start : start + size] for start in range(0, len(groups), size)]
    return [row for batch in batches for row in ask_rows(again, batch)]


def _load_moved(asking: Asking, repeat: int, image_id: str) -> Image.Image:
    return move_image(asking.load_image(image_id), asking.settings.jitter, f"{image_id}:{repeat}")


def _write_reworded(asking: Asking, wordings: Wordings, repeat: int, question: Question) -> str:
    return asking.write_text(replace(question, question=wordings.reword(question, repeat)))


def move_image(image: Image.Image, pixels: int, seed: str) -> Image.Image:
    """Move what is on an image by a few pixels; its size, and so its cost, stays.

    Args:
        image: the image, in RGB.
        pixels: how many it is moved at most, across and down.
        seed: decides where to; the same text always gives the same move.

    Returns:
        The image without the edge that is moved out, and with the opposite one repeated; as it is
        where it has few pixels.
    """
    if min(image.size) < SMALLEST * pixels:
        return image
    random = Random(seed)
    across, down = random.randint(0, 2 * pixels), random.randint(0, 2 * pixels)
    margins = ((pixels, pixels), (pixels, pixels), (0, 0))
    padded = np.pad(np.asarray(image), margins, mode="edge")  # [H + 2p, W + 2p, 3]
    return Image.fromarray(padded[down : down + image.height, across : across + image.width])
