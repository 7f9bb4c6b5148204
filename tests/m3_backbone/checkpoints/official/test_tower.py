"""Official checkpoints whose vision tower lies elsewhere."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from m3_backbone.backbone import M3Backbone
from m3_backbone.checkpoints.official.opening import open_official_model
from m3_backbone.checkpoints.official.weights import TOWER_PREFIX


@pytest.fixture
def parts(find_golden, tmp_path):
    """The folder of a checkpoint without tower, and one of the tower in each of its layouts."""
    golden = find_golden("llava15")
    folder = tmp_path / "llava"
    folder.mkdir()
    shutil.copy(golden / "config.json", folder)
    tensors = load_file(golden / "model.safetensors")
    tower = {name: one for name, one in tensors.items() if name.startswith(TOWER_PREFIX)}
    save_file(
        {n: one for n, one in tensors.items() if n not in tower}, folder / "model.safetensors"
    )

    def make(layout):
        place = tmp_path / f"clip-{layout}"
        place.mkdir()
        sizes = (golden / "vision_config.json").read_text()
        whole = f'{{"model_type": "clip", "vision_config": {sizes}}}'
        (place / "config.json").write_text(whole if layout == "whole" else sizes)
        prefix = f"{TOWER_PREFIX}vision_model."
        begin = "" if layout == "bare" else "vision_model."
        named = {begin + name.removeprefix(prefix): one for name, one in tower.items()}
        if layout == "whole":
            named |= {"text_model.encoder.x": torch.ones(1), "logit_scale": torch.ones(1)}
        save_file(named, place / "model.safetensors")
        return place

    return golden, folder, make


@pytest.mark.parametrize("layout", ["whole", "tower", "bare"])
def test_a_tower_from_elsewhere_is_that_of_the_whole_checkpoint(parts, layout):
    golden, folder, make = parts
    opened = open_official_model(folder, tower=make(layout)).state_dict()
    expected = open_official_model(golden).state_dict()
    assert opened.keys() == expected.keys()
    assert all(opened[name].equal(expected[name]) for name in expected)


def test_without_it_the_way_out_is_told(parts):
    golden, folder, make = parts
    shutil.copy(golden / "vision_config.json", folder)
    with pytest.raises(ValueError, match="no vision tower .* only names .* --vision-tower"):
        open_official_model(folder)
    with pytest.raises(ValueError, match="brings its own vision tower: leave out"):
        open_official_model(golden, tower=make("whole"))
    with pytest.raises(ValueError, match="holds no vision tower of CLIP"):
        place = make("tower")
        save_file({"text_model.x": torch.ones(1)}, place / "model.safetensors")
        open_official_model(folder, tower=place)


def test_a_stock_checkpoint_takes_no_other_tower(tiny_folder):
    with pytest.raises(ValueError, match="stock checkpoint, which brings its own vision tower"):
        M3Backbone.from_pretrained(tiny_folder, vision_tower=tiny_folder)
