import numpy as np
import pytest
from PIL import Image

from m3_backbone.inference.sampling import Sampling
from scripts.harnesses.asking import read_sampling, read_turn

IMAGE = Image.new("RGB", (16, 16))


def test_texts_of_a_turn_are_joined_behind_its_images():
    turn = read_turn("user", ["Compare.", " ", "What changed?"], [IMAGE, np.zeros((9, 9, 3), "u1")])
    assert (turn.role, turn.text) == ("user", "Compare.\nWhat changed?")
    assert [picture.size for picture in turn.pictures] == [(16, 16), (9, 9)]


def test_other_turns_are_refused_by_name():
    with pytest.raises(ValueError, match="a role must be system, user or assistant, got 'tool'"):
        read_turn("tool", ["42"], [])
    with pytest.raises(ValueError, match="is empty: expected some"):
        read_turn("user", [], [IMAGE])


@pytest.mark.parametrize(
    ("settings", "sampling"),
    [
        ({}, Sampling(16)),
        ({"max_new_tokens": None, "until": None, "temperature": None, "seed": None}, Sampling(16)),
        (
            {"max_new_tokens": 3, "until": ["\n\n", ""], "temperature": 0.0, "top_p": 0},
            Sampling(3, stop=("\n\n",)),
        ),
        ({"until": "###", "temperature": 0.7, "do_sample": False}, Sampling(16, stop=("###",))),
        ({"temperature": 0, "do_sample": True, "num_beams": 1, "top_p": None}, Sampling(16)),
        ({"temperature": 0.7, "top_p": 0.9, "seed": 3}, Sampling(16, 0.7, 0.9, 3)),
        ({"do_sample": True, "image_aspect_ratio": "pad"}, Sampling(16, 1.0)),
    ],
)
def test_settings_in_the_names_of_transformers(settings, sampling):
    assert read_sampling(settings, 16) == sampling


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_beams": 5}, "num_beams must be 1, got 5"),
        ({"max_new_tokens": 0}, "max_new_tokens must be a whole number of at least 1, got 0"),
        ({"max_new_tokens": "many"}, "max_new_tokens must be"),
        ({"temperature": "hot"}, "temperature must be a number from 0 to 2, got 'hot'"),
        ({"until": 5}, "each stop must be a text"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        read_sampling(settings, 16)
