"""Routers whose features are only measured when asked for."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from m3_backbone.backbone import M3Backbone
from m3_backbone.scales import TOKEN_SCALES
from m3_backbone.training.mini import build_mini, build_processor, train_tokenizer
from predictor.adaptive import AdaptiveM3

QUESTIONS = ["what colour is it?", "how many are there?"]


@pytest.fixture(scope="module")
def backbone():
    tokenizer = train_tokenizer([(question, "red") for question in QUESTIONS])
    return M3Backbone(build_mini(tokenizer), tokenizer, build_processor(tokenizer).image_processor)


@pytest.fixture(scope="module")
def images():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 3), dtype=np.uint8)
    return [Image.fromarray(one) for one in pixels]


def test_extras_are_those_that_labelling_would_have_stored(backbone, images):
    seen = {}

    def predict(coarse, question, extras):
        seen.update(extras)
        return np.full((len(question), 5), 0.5)

    router = SimpleNamespace(
        gate=None,
        meta={"checkpoint": backbone.fingerprint},
        scales=TOKEN_SCALES,
        extras=("pixels", "state"),
        predict_proba=predict,
    )
    shown = [images[0], images[1:]]
    AdaptiveM3(backbone, router).generate(shown, QUESTIONS, lam=0.1, max_new_tokens=1)
    # Of several images the router sees the mean, and their prompt holds the tokens of all.
    each = np.stack([backbone.image_statistics(image) for image in images])
    wanted = np.stack([each[0], each[1:].mean(axis=0)]).astype(np.float16)
    np.testing.assert_array_equal(seen["pixels"], wanted.astype(np.float32))
    first, *rest = backbone.encode(images)
    states = backbone.prompt_states([first, rest], QUESTIONS).astype(np.float16)
    np.testing.assert_array_equal(seen["state"], states.astype(np.float32))
