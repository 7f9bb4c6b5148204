"""A tiny random LLaVA on disk, and questions about noise that it gets right at some scales."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

WORDS = ["<pad>", "<s>", "</s>", "<image>", "<unk>", "USER", "ASSISTANT", ":", "what", "where", "?"]
HALF = [f"w{number}" for number in range(0, 128, 2)]
"""Accepted answers: half of what a random model says is right."""


def make_tokenizer():
    words = [*WORDS, *(f"w{i}" for i in range(128 - len(WORDS)))]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
    )


def make_model():
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    spread = {"initializer_range": 0.3}  # large, so that what is seen changes what is said
    vision = CLIPVisionConfig(intermediate_size=48, image_size=96, patch_size=4, **sizes, **spread)
    text = LlamaConfig(
        intermediate_size=48,
        vocab_size=128,
        max_position_embeddings=1024,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **sizes,
        **spread,
    )
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_id=3, vision_feature_layer=-1, **spread
    )
    return LlavaForConditionalGeneration(config).eval()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-llava")
    make_model().save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessorPil(size={"height": 96, "width": 96}, do_center_crop=False),
        make_tokenizer(),
        patch_size=4,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def write_source():
    """A function that writes noise images and a JSONL of two questions about each."""

    def write(folder, count, seed):
        folder.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(seed)
        lines = []
        for index in range(count):
            pixels = noise.integers(0, 256, (6, 6, 3), dtype=np.uint8)
            image = Image.fromarray(pixels).resize((48, 48), Image.Resampling.NEAREST)
            image.save(folder / f"{index}.png")
            for word in ("what", "where"):
                line = {
                    "sample_id": f"{index}-{word}",
                    "image": f"{index}.png",
                    "question": f"{word} ?",
                    "answers": HALF,
                    "group": word,
                }
                lines.append(json.dumps(line))
        path = folder / "questions.jsonl"
        path.write_text("\n".join(lines), encoding="utf-8")
        return path

    return write
