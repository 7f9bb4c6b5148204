"""The gallery of a report: a few test questions with their images as PNG files.

`predictor.evaluation.sections.gallery` draws the questions at random within each family. Images
are loaded again from the source of the labels; where that is gone, the gallery is left out.
"""

import io
import logging
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts.stages.label import read_request
from scripts.stages.splits import LabelledSplit

if TYPE_CHECKING:
    from PIL import Image

    from labels.questions import QuestionSet
    from predictor.bundle.bundle import RouterBundle


logger = logging.getLogger(__name__)
GALLERY_SIZE = 12
LONGEST_SIDE = 512  # pixels; a page of full photographs would be too heavy to open
Gallery = tuple[list[dict[str, Any]], dict[str, bytes]]


def make_gallery(
    split: LabelledSplit, folder: Path, bundle: "RouterBundle", budget: float
) -> Gallery:
    """Draw questions, route them, and fetch their images.

    Args:
        split: the test split.
        folder: its label folder, which knows where the images are.
        bundle: the router.
        budget: mean visual tokens it is given.

    Returns:
        The `gallery` section of results.json, and their images by sample id;
        both empty if the images cannot be loaded.
    """
    from predictor.evaluation.sections.gallery import GalleryTexts, draw_rows, gallery_rows

    data = split.data
    probabilities = bundle.predict_proba(data.coarse, data.question, data.extras)
    texts = GalleryTexts(
        questions=[question.question for question in split.questions],
        references=[question.answers for question in split.questions],
        answers=split.answers,
    )
    per_family = -(-GALLERY_SIZE // len(set(map(str, data.groups))))  # rounded up
    drawn = draw_rows(data, per_family)
    rows = gallery_rows(data, texts, probabilities, bundle.price(budget), drawn)
    images = _load_images(folder, [str(data.image_ids[row]) for row in drawn])
    if images is None:
        return [], {}
    return rows, {row["sample_id"]: image for row, image in zip(rows, images, strict=True)}


def _load_images(folder: Path, image_ids: list[str]) -> list[bytes] | None:
    request = read_request(folder)
    try:
        if request is None:
            raise ValueError(f"{folder} does not say where its questions came from")
        questions = request.load_questions()
        return [_encode(questions, image_id) for image_id in image_ids]
    except (ValueError, OSError, KeyError) as error:
        logger.warning("the report has no gallery: the images cannot be loaded again (%s)", error)
        return None


def _encode(questions: "QuestionSet", image_id: str) -> bytes:
    parts = questions.image_parts(image_id)
    # RGB, since parts of several modes are pasted into one picture.
    image = _put_side_by_side([questions.image(part).convert("RGB") for part in parts])
    # Shrinks in place, keeps the proportions and never enlarges.
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _put_side_by_side(images: "list[Image.Image]") -> "Image.Image":
    """Join the images of a question, from left to right."""
    if len(images) == 1:
        return images[0]
    widths = [image.width for image in images]
    # For its size and mode alone, so that PIL need not be imported; it is painted over.
    joined = images[0].resize((sum(widths), max(image.height for image in images)))
    joined.paste((255, 255, 255), (0, 0, *joined.size))
    # Not strict: `accumulate` also gives the right edge of the last image.
    for place, image in zip(accumulate(widths, initial=0), images, strict=False):
        joined.paste(image, (place, 0))
    return joined
