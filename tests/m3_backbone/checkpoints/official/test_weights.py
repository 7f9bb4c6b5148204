import json

import pytest
import torch
from safetensors.torch import save_file

from m3_backbone.checkpoints.official.weights import (
    read_tensors,
    to_official_name,
    to_stock_tensors,
)

EXPECTED = {
    "model.vision_tower.pre_layrnorm.weight": torch.zeros(2),
    "model.multi_modal_projector.linear_2.bias": torch.zeros(3),
    "model.language_model.embed_tokens.weight": torch.zeros(5, 3),
    "model.language_model.layers.0.mlp.up_proj.weight": torch.zeros(4, 3),
    "model.image_newline": torch.zeros(3),
    "lm_head.weight": torch.zeros(5, 3),
}


def make_official():
    shapes = {"model.embed_tokens.weight": (4, 3), "lm_head.weight": (4, 3)}
    return {
        to_official_name(name): torch.ones(shapes.get(to_official_name(name), tensor.shape))
        for name, tensor in EXPECTED.items()
    }


def test_names_are_those_of_official_code():
    assert set(make_official()) == {
        "model.vision_tower.vision_tower.vision_model.pre_layrnorm.weight",
        "model.mm_projector.2.bias",
        "model.embed_tokens.weight",
        "model.layers.0.mlp.up_proj.weight",
        "model.image_newline",
        "lm_head.weight",
    }
    longer = "model.vision_tower.vision_model.pre_layrnorm.weight"
    assert to_official_name(longer) in make_official()


def test_the_vocabulary_grows_by_zeros():
    tensors = {**make_official(), "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(1)}
    stock = to_stock_tensors(tensors, EXPECTED, 4, True)
    assert set(stock) == set(EXPECTED)
    for name in ("lm_head.weight", "model.language_model.embed_tokens.weight"):
        assert stock[name].sum(1).tolist() == [3, 3, 3, 3, 0]


def test_an_unused_newline_may_be_there_or_not():
    without = make_official()
    del without["model.image_newline"]
    assert not to_stock_tensors(dict(without), EXPECTED, 4, False)["model.image_newline"].any()
    plain = {name: value for name, value in EXPECTED.items() if "newline" not in name}
    assert "model.image_newline" not in to_stock_tensors(make_official(), plain, 4, False)
    with pytest.raises(ValueError, match=r"1 missing tensors, such as model\.image_newline"):
        to_stock_tensors(without, EXPECTED, 4, True)


def test_what_is_not_whole_is_refused():
    with pytest.raises(ValueError, match="1 unexpected tensors, such as extra"):
        to_stock_tensors({**make_official(), "extra": torch.ones(1)}, EXPECTED, 4, True)
    with pytest.raises(ValueError, match=r"lm_head.weight has the shape \[3, 3\], but .* \[5, 3\]"):
        to_stock_tensors({**make_official(), "lm_head.weight": torch.ones(3, 3)}, EXPECTED, 4, True)


def test_every_kind_of_file_is_read(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "pytorch_model.bin")
    assert read_tensors(tmp_path)["a"].tolist() == [1]
    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    assert read_tensors(tmp_path)["a"].tolist() == [0]
    save_file({"b": torch.ones(1)}, tmp_path / "second.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    shards = {"a": "model.safetensors", "b": "second.safetensors"}
    index.write_text(json.dumps({"weight_map": shards}))
    assert sorted(read_tensors(tmp_path)) == ["a", "b"]
    (tmp_path / "second.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"names the shard second\.safetensors, which is"):
        read_tensors(tmp_path)
    index.write_text("{}")
    with pytest.raises(ValueError, match="is no index of shards"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_damaged_files_are_refused(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="holds no weights that can be read"):
        read_tensors(tmp_path)
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(ValueError, match=f"the weights in .*{name} are damaged or cut short"):
        read_tensors(tmp_path)
