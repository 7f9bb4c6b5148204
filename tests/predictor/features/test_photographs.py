"""The gate of unlikeness with m3-mini, judged on photographs that installed packages bring."""

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps
from sklearn.datasets import load_sample_images

from labels.sources.loading import load_questions
from m3_backbone.backbone import M3Backbone
from m3_backbone.half import to_half
from predictor.data import TrainData
from predictor.features.outliers import OUTLIER, DensityGate, DensitySettings

pytestmark = pytest.mark.slow


def take_photographs(crops=15):
    """Each whole photograph, and squares cut out of it, some mirrored or in other colours."""
    hopper = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    wholes = [Image.fromarray(pixels) for pixels in load_sample_images().images]
    rng = np.random.default_rng(0)
    for whole in (*wholes, Image.open(hopper).convert("RGB")):
        yield whole
        for _ in range(crops):
            side = int(min(whole.size) * rng.uniform(0.35, 0.95))
            left, top = (int(rng.integers(0, length - side + 1)) for length in whole.size)
            crop = whole.crop((left, top, left + side, top + side))
            yield crop
            yield ImageOps.mirror(crop)
            yield ImageEnhance.Color(crop).enhance(rng.uniform(0, 2))


def make_noise(count=60):
    rng = np.random.default_rng(1)
    for number in range(count):
        side = 256 if number % 2 else 16
        pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        yield Image.fromarray(pixels).resize((256, 256))


@pytest.fixture(scope="module")
def model():
    return M3Backbone.from_pretrained("m3-mini")


@pytest.fixture(scope="module")
def encode(model):
    def encode(images):
        images = list(images)
        cuts = [images[at : at + 32] for at in range(0, len(images), 32)]
        return np.concatenate(
            [to_half(model.coarse_tokens(model.encode(cut)), "coarse tokens") for cut in cuts]
        ).astype(np.float32)

    return encode


@pytest.fixture(scope="module")
def splits(model, encode):
    """Features of the built-in scenes, as the demo labels them."""

    def read(name, images):
        questions = load_questions(f"scenes:{name}", limit=images)
        ids = questions.image_ids
        tokens = encode(questions.image(one) for one in ids)
        place = {one: row for row, one in enumerate(ids)}
        asked = [question.question for question in questions]
        n = len(asked)
        return TrainData(
            sample_ids=np.array([question.sample_id for question in questions]),
            image_ids=np.array([question.image_id for question in questions]),
            groups=np.full(n, "g"),
            coarse=tokens[[place[question.image_id] for question in questions]],
            question=to_half(model.question_embedding(asked), "questions").astype(np.float32),
            scores=np.ones((n, 1)),
            tokens=np.ones((n, 1)),
            scales=(1,),
        )

    return {
        name: read(name, images)
        for name, images in (("router-train", 800), ("calibration", 400), ("test", 400))
    }


@pytest.fixture(scope="module")
def gate(splits):
    return DensityGate.fit(splits["router-train"], splits["calibration"], DensitySettings())


def find_share(gate, splits, coarse):
    """Share found of pictures, each with ten questions of the trained kind."""
    rows = np.random.default_rng(2).integers(0, len(splits["test"]), 10 * len(coarse))
    known = splits["test"].question[rows]
    return gate.find_outside(np.repeat(coarse, 10, axis=0), known, OUTLIER).mean()


def test_photographs_and_noise_are_unfamiliar_and_known_scenes_are_not(gate, splits, encode):
    test = splits["test"]
    assert gate.find_outside(test.coarse, test.question, OUTLIER).mean() <= OUTLIER
    assert find_share(gate, splits, encode(take_photographs())) >= 0.95
    assert find_share(gate, splits, encode(make_noise())) >= 0.99


def test_a_question_of_another_kind_is_unfamiliar_with_a_known_picture(gate, splits, model):
    free = ["Describe the image in detail.", "Is there a dog on the left of the car?"]
    question = to_half(model.question_embedding(free), "questions").astype(np.float32)
    assert gate.find_outside(splits["test"].coarse[:2], question, OUTLIER).all()
