import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from m3_backbone.backbone import M3Backbone
from m3_backbone.checkpoints.official.config import read_config
from m3_backbone.checkpoints.official.opening import build_generation, open_image_processor
from m3_backbone.inference.sampling import Sampling

QUESTIONS = ["what", "a cat."]


@pytest.fixture(scope="module")
def official(official_folder):
    return M3Backbone.from_pretrained(official_folder)


@pytest.fixture
def folder(official_folder, tmp_path):
    """A copy that a test may break."""
    return shutil.copytree(official_folder, tmp_path / "copy")


def test_an_official_folder_answers(official):
    assert official.scales == (1, 9, 36, 144, 576)
    assert official.model.config.image_token_id == 300
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8))
    [pyramid] = official.encode([image])
    for scale in (1, 36):
        apart = official.generate([pyramid] * 2, QUESTIONS, scale, max_new_tokens=4)
        [together] = official.answer_images([pyramid], [QUESTIONS], scale, sampling=Sampling(4))
        assert [answer.token_ids for answer in apart] == [answer.token_ids for answer in together]
        assert all(300 not in answer.token_ids for answer in apart)


def test_the_image_token_is_never_answered(official):
    head = official.model.lm_head.weight
    assert not head[300].any()
    image = Image.new("RGB", (64, 64), (200, 30, 30))
    [pyramid] = official.encode([image])
    before = official.generate([pyramid], ["what"], 9, max_new_tokens=4)
    with torch.no_grad():
        # Whatever else is said, this row would now be said first or second.
        head[300] = 50 * head[:300].abs().amax(0)
        after = [official.generate([pyramid], ["what"], 9, max_new_tokens=4)]
        head[300] *= -1
        after.append(official.generate([pyramid], ["what"], 9, max_new_tokens=4))
        head[300] = 0
    for actual in after:
        assert actual[0].token_ids == before[0].token_ids
        assert actual[0].mean_logprob == before[0].mean_logprob


def test_only_trained_image_tokens_may_be_answered(folder, tmp_path):
    fields = read_config(folder)
    # Only a folder that was exported from a stock model has this file.
    (folder / "preprocessor_config.json").write_text("{}")
    assert build_generation(folder, fields, 300).suppress_tokens == [300]
    assert build_generation(folder, fields, 3).suppress_tokens is None
    assert build_generation(tmp_path, fields, 3).suppress_tokens == [3]
    (tmp_path / "generation_config.json").write_text(
        json.dumps({"eos_token_id": [2, 7], "temperature": 0.9, "suppress_tokens": [5]})
    )
    settings = build_generation(tmp_path, fields, 300)
    assert (settings.eos_token_id, settings.suppress_tokens) == ([2, 7], [5, 300])
    assert settings.bos_token_id == 1
    (tmp_path / "generation_config.json").write_text("{")
    with pytest.raises(ValueError, match=r"generation_config\.json is not JSON"):
        build_generation(tmp_path, fields, 300)


def test_images_are_padded_cut_or_cropped_as_the_settings_say(official_folder):
    fields = read_config(official_folder)
    image = Image.new("RGB", (120, 60), (255, 255, 255))

    def first_row(aspect):
        changed = {**fields, "image_aspect_ratio": aspect, "image_grid_pinpoints": [[672, 336]]}
        processor = open_image_processor(official_folder, changed)
        pixels = processor(images=[image], return_tensors="pt")["pixel_values"]
        return pixels.shape[:-3], pixels.reshape(-1, 3, 336, 336)[0, :, 0].mean(-1).tolist()

    shape, padded = first_row("pad")
    # int(mean * 255) is just below the mean, so the padding is just below zero.
    assert shape == (1,) and all(-0.02 < value < 0 for value in padded)
    shape, cropped = first_row(None)
    assert shape == (1,) and all(value > 1.9 for value in cropped)
    assert first_row("anyres")[0] == (1, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.vision_tower.vision_tower.vision_model.post_layernorm.bias", "1 missing tensors"),
        ("model.mm_projector.2.bias", "1 missing tensors, such as model.mm_projector.2.bias"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_refused(folder, name, message):
    weights = load_file(folder / "model.safetensors")
    del weights[name]
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ValueError, match=message):
        M3Backbone.from_pretrained(folder)


def test_an_exported_image_processor_must_be_readable(folder):
    (folder / "preprocessor_config.json").write_text("{}")
    with pytest.raises(ValueError, match="lacks an image processor"):
        open_image_processor(folder, read_config(folder))
