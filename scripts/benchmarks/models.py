"""Models and questions to measure speed with: m3-mini, or the shape of LLaVA-1.5-7B."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from labels.questions import Question, QuestionSet, image_fingerprint
from labels.sources.loading import load_questions
from m3_backbone.backbone import M3Backbone
from m3_backbone.checkpoints.official.tokenizer import wrap_tokenizer
from m3_backbone.checkpoints.placement import DTYPES
from m3_backbone.hosts.templates import TEMPLATES
from scripts.benchmarks.settings import StepSettings
from scripts.stages.model import Opening, open_backbone

VISION = {
    "tiny": (32, 2, 2, 64, 96, 4),
    "300m": (768, 12, 12, 3072, 336, 14),
    "7b": (1024, 24, 16, 4096, 336, 14),
}
"""Width, layers, heads, inner width, image side and patch side of the tower [pixels]."""

LANGUAGE = {
    "tiny": (32, 2, 2, 64, 128),
    "300m": (1024, 12, 16, 2816, 32064),
    "7b": (4096, 32, 32, 11008, 32064),
}
"""Width, layers, heads, inner width and vocabulary. 7b is that of LLaVA-1.5-7B."""

QUESTION_WORDS = 24


def open_model(size: str, device: str, dtype: str, layers: int = 0) -> M3Backbone:
    """Open m3-mini, or make a model of a size with random weights.

    Args:
        size: `mini`, or a key of `VISION`.
        device: torch device.
        dtype: number format of the weights.
        layers: layers of a made language model; 0 for all of them.
    """
    if size == "mini":
        return open_backbone(Opening("m3-mini", device, dtype))
    model = build_model(StepSettings(size, device, dtype, layers=layers)).eval()
    side = VISION[size][4]
    build: Any = CLIPImageProcessorPil
    processor = build(size={"height": side, "width": side}, do_center_crop=False)
    return M3Backbone(model, make_tokenizer(LANGUAGE[size][-1]), processor)


def make_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Make a tokenizer of numbered words, whose last is the place holder of the image."""
    names = ["<pad>", "<s>", "</s>", *(f"w{i}" for i in range(3, vocabulary - 1)), "<image>"]
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, "<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    wrapped = wrap_tokenizer(tokenizer, {"pad_token": "<pad>"})
    wrapped.chat_template = TEMPLATES["llava-1.5"]
    return wrapped


def make_questions(size: str, images: int, each: int) -> QuestionSet:
    """Make questions for a model: the benchmark's for m3-mini, else noise about noise.

    Args:
        size: as for `open_model`.
        images: how many images, at least.
        each: questions about each of them.
    """
    if size == "mini":
        # More than are needed: a scene with too few questions is passed over.
        return load_questions("scenes:test", limit=2 * images + 8)
    rng = np.random.default_rng(0)
    side = VISION[size][4]
    pictures = [
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        for _ in range(images)
    ]
    kept = {image_fingerprint(picture): picture for picture in pictures}
    last = LANGUAGE[size][-1] - 1
    questions = [
        Question(
            f"q{number}-{place}",
            image_id,
            # Between the three special tokens and the place holder of the image.
            " ".join(f"w{word}" for word in rng.integers(3, last, QUESTION_WORDS)),
            ("w3",),
            "exact",
        )
        for number, image_id in enumerate(kept)
        for place in range(each)
    ]
    return QuestionSet("noise", questions, kept.__getitem__)


def build_model(setting: StepSettings) -> Any:
    """Make a stock LLaVA of a size with random weights, ready for training."""
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    tower = VISION[setting.size]
    words = LANGUAGE[setting.size]
    shape: Any = dict(zip((*names, "image_size", "patch_size"), tower, strict=True))
    language: Any = dict(zip((*names, "vocab_size"), words, strict=True))
    language["num_hidden_layers"] = setting.layers or language["num_hidden_layers"]
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**shape),
        text_config=LlamaConfig(**language, max_position_embeddings=4096),
        image_token_index=words[-1] - 1,
    )
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    # Made in the wanted format: made in float32 first, 7b in bfloat16 would need twice its memory.
    torch.set_default_dtype(DTYPES[setting.dtype])
    try:
        with torch.device(setting.device):
            return LlavaForConditionalGeneration(config).train()
    finally:
        torch.set_default_dtype(before)
