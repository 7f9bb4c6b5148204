"""The tiny stock LLaVA of all tests as a checkpoint and in memory, and a LLaVA-NeXT made of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from m3_backbone.backbone import M3Backbone

GRIDS = [[64, 32], [32, 64], [64, 64]]  # height first


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory, tiny_llava):
    return tiny_llava.save(tmp_path_factory.mktemp("tiny-llava"))


@pytest.fixture(scope="session")
def backbone(tiny_folder):
    return M3Backbone.from_pretrained(tiny_folder)


@pytest.fixture
def build_model(tiny_llava):
    return tiny_llava.model


@pytest.fixture
def build_backbone(tiny_llava):
    def build(model):
        return M3Backbone(model, tiny_llava.tokenizer(), tiny_llava.image_processor())

    return build


@pytest.fixture
def tokenizer(tiny_llava):
    return tiny_llava.tokenizer()


@pytest.fixture(scope="session")
def images():
    rng = np.random.default_rng(0)
    sides = [(96, 96), (130, 90), (40, 200)]
    return [
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sides
    ]


@pytest.fixture(scope="session")
def pyramids(backbone, images):
    return backbone.encode(images)


@pytest.fixture(scope="session")
def noise():
    """Images of 3, 3, 5 and 3 crops; at scale 1 the last one's tiles are all padding."""
    rng = np.random.default_rng(0)
    sizes = [(60, 30), (30, 50), (64, 64), (64, 8)]
    return [
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


@pytest.fixture(scope="session")
def build_next_processor():
    def build(side, grids):
        size = {"height": side, "width": side}
        return LlavaNextImageProcessorPil(
            size={"shortest_edge": side}, crop_size=size, image_grid_pinpoints=grids
        )

    return build


@pytest.fixture
def build_next(tiny_llava, build_next_processor):
    """A tiny LLaVA-NeXT of 8x8 tokens a crop, of crops of 32x32 pixels."""

    def build(merge="spatial_unpad", limit=4096, processor=None, pooling="average"):
        config = tiny_llava.model().config
        config.vision_config.image_size = 32
        config.text_config.max_position_embeddings = limit
        torch.manual_seed(0)
        model = LlavaNextForConditionalGeneration(
            LlavaNextConfig(
                vision_config=config.vision_config,
                text_config=config.text_config,
                image_token_id=config.image_token_id,
                image_grid_pinpoints=GRIDS,
                mm_patch_merge_type=merge,
                initializer_range=0.3,
            )
        )
        processor = processor or build_next_processor(32, GRIDS)
        return M3Backbone(model.eval(), tiny_llava.tokenizer(), processor, pooling=pooling)

    return build


@pytest.fixture(scope="session")
def find_golden():
    """The folder of a golden variant: beside the repository if it is there, else the copy in it.

    The copy has not all files of all variants.
    """
    tests = Path(__file__).resolve().parents[1]
    places = [tests.parents[1] / "shared" / "golden", tests / "golden"]

    def find(variant, needed="model.safetensors"):
        for place in places:
            if (place / variant / needed).is_file():
                return place / variant
        pytest.skip(f"no {needed} of {variant} here")

    return find
