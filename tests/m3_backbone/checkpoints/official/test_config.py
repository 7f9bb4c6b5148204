import json

import pytest

from m3_backbone.checkpoints.official.config import (
    build_stock_config,
    build_vision_config,
    check_official,
    is_official,
    read_config,
    read_pinpoints,
    read_scales,
)
from m3_backbone.hosts.config import crop_layout

FIELDS = {
    "model_type": "llava_llama",
    "hidden_size": 48,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "vocab_size": 300,
    "mm_hidden_size": 1024,
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    "image_aspect_ratio": "pad",
    "rms_norm_eps": 1e-5,
}


def translate(tmp_path, **changes):
    fields = {**FIELDS, **changes}
    check_official(fields)
    return build_stock_config(fields, build_vision_config(tmp_path, fields), 300)


def test_a_llava_1_5_is_translated(tmp_path):
    config = translate(
        tmp_path, mm_vision_select_feature="cls_patch", matryoshka_vis_token_scale="1,9"
    )
    assert config.model_type == "llava"
    assert config.text_config.rms_norm_eps == 1e-5
    assert (config.text_config.vocab_size, config.image_token_id) == (301, 300)
    vision = config.vision_config
    assert (vision.hidden_size, vision.intermediate_size, vision.image_size) == (1024, 4096, 336)
    assert (vision.num_hidden_layers, vision.num_attention_heads, vision.patch_size) == (24, 16, 14)
    assert (config.vision_feature_layer, config.image_seq_length) == (-2, 576)
    assert config.vision_feature_select_strategy == "full"
    assert config.matryoshka_vis_token_scale == [1, 9]
    assert config.image_aspect_ratio == "pad"


def test_a_llava_next_is_translated(tmp_path):
    config = translate(
        tmp_path, image_aspect_ratio="anyres", image_grid_pinpoints="[(336, 672), (1008, 336)]"
    )
    assert config.model_type == "llava_next"
    # (width, height) there, (height, width) in stock transformers.
    assert config.image_grid_pinpoints == [[672, 336], [336, 1008]]


@pytest.mark.parametrize(
    ("named", "merge"),
    [({}, "flat"), ({"mm_patch_merge_type": "spatial_unpad"}, "spatial_unpad")],
)
def test_crops_are_joined_as_official_code_joins_them(tmp_path, named, merge):
    grids = "[(672, 672)]"
    config = translate(tmp_path, image_aspect_ratio="anyres", image_grid_pinpoints=grids, **named)
    assert crop_layout(config).merge == merge


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [(None, ("default", None)), ({"type": "linear", "factor": 2}, ("linear", 2.0))],
)
def test_rotary_settings(tmp_path, scaling, expected):
    rope = translate(tmp_path, rope_theta=5e5, rope_scaling=scaling).text_config.rope_parameters
    assert rope["rope_theta"] == 5e5
    assert (rope["rope_type"], rope.get("factor")) == expected


def test_both_names_of_the_format_are_known():
    assert is_official({"model_type": "llava_llama"})
    assert is_official({"model_type": "llava", "architectures": ["LlavaLlamaForCausalLM"]})
    assert not is_official({"model_type": "llava"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": None}, "lacks a whole number for hidden_size"),
        ({"mm_projector_type": "linear"}, "says mm_projector_type 'linear', which a stock LLaVA"),
        ({"image_aspect_ratio": "anyres_max_9"}, "image_aspect_ratio 'anyres_max_9'"),
        ({"mm_patch_merge_type": "unpad"}, "mm_patch_merge_type 'unpad'"),
        ({"mm_use_im_start_end": True}, "mm_use_im_start_end True"),
        ({"mm_vision_tower": "siglip"}, "unknown vision tower 'siglip'"),
        ({"mm_hidden_size": 768}, "is 1024 wide, but the projector expects mm_hidden_size 768"),
        ({"rope_scaling": {"type": "yarn", "factor": 2}}, "rope_scaling .* is not known"),
    ],
)
def test_what_a_stock_llava_cannot_be_is_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        translate(tmp_path, **changes)


def test_lists_that_are_none_are_refused():
    with pytest.raises(ValueError, match=r"list of \(width, height\) pairs, got '\(1x1\)'"):
        read_pinpoints({"image_grid_pinpoints": "(1x1)"})
    with pytest.raises(ValueError, match="must list whole numbers, got 'many'"):
        read_scales({"matryoshka_vis_token_scale": "many"})
    assert read_scales({"matryoshka_vis_token_scale": 9}) == [9]
    assert read_scales({}) == []


def test_files_that_are_no_json_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"it has no config\.json"):
        read_config(tmp_path)
    for name, read in (("config.json", read_config), ("vision_config.json", None)):
        (tmp_path / name).write_text("{")
        with pytest.raises(ValueError, match=f"{name} is not JSON"):
            read(tmp_path) if read else build_vision_config(tmp_path, FIELDS)
    (tmp_path / "config.json").write_text(json.dumps([1]))
    with pytest.raises(ValueError, match=r"config\.json must hold a JSON object, got list"):
        read_config(tmp_path)
