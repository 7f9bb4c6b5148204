"""Draws that were published stay as they are, to the pixel and the letter."""

import hashlib
import json
from collections import Counter

import numpy as np
import pytest

from labels.scenes.benchmark import ask_questions, load_scenes, render_scene
from labels.scenes.draws import (
    DRAWS,
    SCENES_V1,
    SCENES_V2,
    SCENES_V3,
    emphasise,
    find_draw,
    public_name,
)

# Split -> hashes of six images and of what is asked about them. Those of scenes-v1 and scenes-v2
# were taken from the code that first drew them.
PINNED = {
    "scenes-v1": {
        "train": ("503f9322ff728b81", "4391567733cd2f91"),
        "router-train": ("534c8ad78da6f9b7", "55e3a94ceebe4b57"),
        "calibration": ("71ef29226fd2255a", "7bd3aafed81cd9b4"),
        "test": ("fb082bad4ce0dc99", "88486ed2042df973"),
        "ood": ("20544c99db0967bc", "eee07fed0cd09e23"),
    },
    "scenes-v2": {
        "train": ("af0c776b7fc58979", "b75347d1067eebc3"),
        "router-train": ("510aa535f19b49b7", "d74be9b10de72c74"),
        "calibration": ("a8f9ca93ba20ecc8", "c91ffa1c5876ac86"),
        "test": ("bd9e1a2874f23aef", "7721d9c599c64352"),
        "ood": ("71845549f0ab77f7", "800d6e91d10a595e"),
    },
    "scenes-v3": {
        "train": ("1c7ab4eb5a5e0fad", "10061761272af0ac"),
        "validation": ("05c4fae025818702", "3d42d7362a713049"),
        "router-train": ("ae5a2a6b4adcbef6", "b0730570057ab5cf"),
        "calibration": ("d4145bd4c11ee8f6", "3f3170081a57e0f8"),
        "test": ("90c9e6a3cc86ec6e", "8a031e92b0e11d30"),
        "patterns": ("3dba5898763262cc", "3a7954a006d02285"),
        "words": ("e9d20f6428150f03", "7917e5117ac6b1a5"),
        "fonts": ("68ce5322c94652df", "c6e836c9a38ed725"),
        "backgrounds": ("4733ef66e7f6f05a", "f3d751fc8648235c"),
        "jpeg": ("ed77514f0a831d8e", "81435db41a93e07c"),
        "aligned": ("57356ca488ddede9", "f442cb98ecb468e7"),
    },
}


def short_hash(content):
    return hashlib.sha256(content).hexdigest()[:16]


def hashes(draw, split):
    questions = load_scenes(split, 6, draw=draw)
    pixels = b"".join(np.asarray(questions.image(one)).tobytes() for one in questions.image_ids)
    asked = [
        [one.sample_id, one.question, list(one.answers), list(one.choices), one.group]
        for one in questions
    ]
    return short_hash(pixels), short_hash(json.dumps(asked).encode())


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS.keys())
def test_published_draws_are_as_they_were(draw):
    assert {split: hashes(draw, split) for split in draw.splits} == PINNED[draw.name]


def test_a_draw_is_part_of_the_name_and_of_the_fingerprint():
    sets = [load_scenes("test", 2, draw=draw) for draw in DRAWS.values()]
    assert [one.name for one in sets] == [
        "scenes-v1:test:0:2",
        "scenes:test:0:2",
        "scenes-v3:test:0:2",
    ]
    assert len({one.fingerprint for one in sets}) == 3


def test_the_plain_name_keeps_meaning_the_second_draw():
    assert find_draw("scenes") is find_draw("scenes-v2") is SCENES_V2
    assert public_name(SCENES_V2) == "scenes"
    assert find_draw("scenes-v9") is None


def test_a_split_of_another_draw_is_refused():
    with pytest.raises(ValueError, match="unknown split 'ood' .* scenes-v3; .*fonts"):
        ask_questions("ood", 0, 3, draw=SCENES_V3)
    with pytest.raises(ValueError, match="unknown split 'fonts' .* scenes-v1"):
        render_scene("fonts", 0, draw=SCENES_V1)


def test_the_wide_draw_has_splits_instead_of_other_words():
    with pytest.raises(ValueError, match="no 'rephrased': its splits .patterns. and .words."):
        load_scenes("test", 2, rephrased=True, draw=SCENES_V3)


def count_families(draw):
    asked = (ask_questions("train", index, 6, draw=draw) for index in range(300))
    return Counter(one.group for questions in asked for one in questions)


def test_emphasis_asks_a_family_more_often_in_training_and_leaves_the_other_splits():
    draw = emphasise(SCENES_V2, {"chart": 4, "gist": 0})
    usual, asked = count_families(SCENES_V2), count_families(draw)
    assert usual["gist"] > 0 == asked["gist"]
    # Charts are more frequent among the images, and their values among the questions about one.
    assert asked["chart"] > 2.5 * usual["chart"] > 0
    assert sum(draw.training_kind_shares) == pytest.approx(1)
    assert draw.kind_shares == SCENES_V2.kind_shares
    assert emphasise(SCENES_V2, {}).training_kind_shares == pytest.approx(
        SCENES_V2.training_kind_shares
    )


def test_an_emphasis_without_any_family_is_refused():
    families = {family for weights in SCENES_V2.family_weights.values() for family in weights}
    with pytest.raises(ValueError, match="no family is left to be asked"):
        emphasise(SCENES_V2, dict.fromkeys(families, 0.0))
