"""A tiny stock LLaVA with random weights, saved as a checkpoint, for all tests of this package."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from m3_backbone.backbone import M3Backbone

SPECIAL = ["<pad>", "<s>", "</s>", "<image>", "<unk>"]
WORDS = (
    "USER ASSISTANT : ? what is the colour of big red cat dog on left how many are there a".split()
)


def make_tokenizer():
    fillers = [f"w{i}" for i in range(128 - len(SPECIAL) - len(WORDS))]
    vocabulary = {word: i for i, word in enumerate(SPECIAL + WORDS + fillers)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )


def make_config(**changes):
    # A large initial spread, so that what is seen changes what is said, and no two logits tie.
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=96,
        patch_size=4,
        initializer_range=0.3,
        initializer_factor=4.0,
    )
    text = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=128,
        max_position_embeddings=700,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.3,
    )
    settings = {
        "vision_config": vision,
        "text_config": text,
        "image_token_id": 3,
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "initializer_range": 0.3,
    }
    return LlavaConfig(**{**settings, **changes})


def make_model(**changes):
    torch.manual_seed(0)
    return LlavaForConditionalGeneration(make_config(**changes)).eval()


def make_image_processor():
    side = {"height": 96, "width": 96}
    return CLIPImageProcessorPil(size=side, do_center_crop=False)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-llava")
    make_model().save_pretrained(folder)
    LlavaProcessor(
        make_image_processor(),
        make_tokenizer(),
        patch_size=4,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def backbone(tiny_folder):
    return M3Backbone.from_pretrained(tiny_folder)


@pytest.fixture
def build_model():
    return make_model


@pytest.fixture
def build_backbone():
    def build(model):
        return M3Backbone(model, make_tokenizer(), make_image_processor())

    return build


@pytest.fixture
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="session")
def images():
    rng = np.random.default_rng(0)
    sides = [(96, 96), (130, 90), (40, 200)]
    return [
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sides
    ]


@pytest.fixture(scope="session")
def find_golden():
    """The folder of a golden variant: beside the repository if it is there, else the copy in it."""
    tests = Path(__file__).resolve().parents[1]
    places = [tests.parents[1] / "shared" / "golden", tests / "golden"]

    def find(variant):
        for place in places:
            if (place / variant / "outputs.npz").is_file():
                return place / variant
        pytest.skip(f"no golden numbers of {variant} here")

    return find
