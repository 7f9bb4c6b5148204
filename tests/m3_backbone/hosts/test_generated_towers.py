"""Families, towers, patches and layers drawn at random: the grid is the tower's real output's."""

from math import isqrt

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    CLIPVisionConfig,
    Dinov2Config,
    GemmaConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaNextConfig,
    LlavaOnevisionConfig,
    PaliGemmaConfig,
    Qwen2Config,
    SiglipVisionConfig,
)
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from m3_backbone.backbone import M3Backbone

TOWERS = {"clip": CLIPVisionConfig, "siglip": SiglipVisionConfig, "dinov2": Dinov2Config}
SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
TEXT = {
    **SIZES,
    "intermediate_size": 32,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "vocab_size": 128,
    "max_position_embeddings": 4096,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}


@st.composite
def configurations(draw):
    """Draw the configuration of a stock model; not all of them can be told a grid."""
    family = draw(st.sampled_from(["llava", "next", "onevision", "paligemma"]))
    tower = "siglip" if family == "paligemma" else draw(st.sampled_from(sorted(TOWERS)))
    patch = draw(st.integers(3, 9))
    size = draw(st.integers(max(patch, 8), 10 * patch))
    width = {} if tower == "dinov2" else {"intermediate_size": 24}
    head = {"vision_use_head": False} if tower == "siglip" else {}
    vision = TOWERS[tower](image_size=size, patch_size=patch, **SIZES, **width, **head)
    if family == "paligemma":
        vision.projection_dim = 16
        text = GemmaConfig(**TEXT)
        return PaliGemmaConfig(
            vision_config=vision, text_config=text, image_token_index=3, projection_dim=16
        )
    strategy = draw(st.sampled_from(["default", "full"]))
    layer = draw(st.sampled_from([-1, -2, 1, 3, [-2, -1], [1, 2, 3]]))
    text = draw(st.sampled_from([LlamaConfig, Qwen2Config]))(**TEXT)
    common = {
        "vision_config": vision,
        "text_config": text,
        "image_token_index": 3,
        "vision_feature_layer": layer,
        "vision_feature_select_strategy": strategy,
    }
    if family == "llava":
        return LlavaConfig(**common)
    grids = [[size, 2 * size], [2 * size, size]]
    kind = LlavaNextConfig if family == "next" else LlavaOnevisionConfig
    return kind(**common, image_grid_pinpoints=grids)


def count_tokens(model, side):
    """Count the visual tokens that transformers itself makes of one image crop."""
    config = model.config
    pixels = torch.zeros(1, 3, side, side)
    tower = model.model.vision_tower
    with torch.no_grad():
        states = tower(pixels, output_hidden_states=True).hidden_states[-1]  # [1, N, D]
    dropped = getattr(config, "vision_feature_select_strategy", "full") == "default"
    return states.shape[1] - dropped


@settings(derandomize=True, deadline=None, max_examples=40)
@given(configurations(), st.integers(0, 99))
def test_the_grid_is_that_of_the_towers_output(tiny_llava, build_next_processor, config, seed):
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(config).eval()
    side = config.vision_config.image_size
    if hasattr(config, "image_grid_pinpoints"):
        processor = build_next_processor(side, config.image_grid_pinpoints)
    else:
        processor = SiglipImageProcessorPil(size={"height": side, "width": side})
    tokens = count_tokens(model, side)
    try:
        backbone = M3Backbone(model, tiny_llava.tokenizer(), processor)
    except ValueError as error:
        assert tokens < 1 or isqrt(tokens) ** 2 != tokens, error
        assert "square grid" in str(error)
        return
    assert backbone.grid_side**2 == tokens
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    [pyramid] = backbone.encode([Image.fromarray(noise)])
    assert sorted(pyramid) == list(backbone.scales)
    if backbone.layout is not None:
        return
    assert {scale: len(tokens) for scale, tokens in pyramid.items()} == {
        scale: scale for scale in backbone.scales
    }
    # What is not pooled is what transformers gives its own language model.
    pixels = processor(Image.fromarray(noise), return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        stock = model.get_image_features(pixel_values=pixels).pooler_output
    expected = torch.cat(list(stock)).reshape(-1, 16)
    assert torch.equal(pyramid[tokens].reshape(-1, 16), expected)
    if backbone.scales[-1] == tokens:
        assert len(backbone.generate([pyramid], ["what ?"], tokens, max_new_tokens=1)) == 1
