"""Models and questions to measure speed with: m3-mini, or the shape of LLaVA-1.5-7B."""

from typing import Any

import numpy as np
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import CLIPImageProcessor, PreTrainedTokenizerFast

from labels.questions import Question, QuestionSet, image_fingerprint
from labels.sources import load_questions
from m3_backbone.backbone import M3Backbone
from scripts.step_timing import LANGUAGE, VISION, Setting, build_model

QUESTION_WORDS = 24


def open_model(size: str, device: str, dtype: str) -> M3Backbone:
    """Open m3-mini, or make a model of a size with random weights.

    Args:
        size: `mini`, or a size of `step_timing`.
        device: torch device.
        dtype: number format of the weights.

    Returns:
        The model.
    """
    if size == "mini":
        return M3Backbone.from_pretrained("m3-mini", device=device, dtype=dtype)
    model = build_model(Setting(size, device, dtype)).eval()
    side = VISION[size][4]
    build: Any = CLIPImageProcessor
    processor = build(size={"height": side, "width": side}, do_center_crop=False)
    return M3Backbone(model, make_tokenizer(LANGUAGE[size][-1]), processor)


def make_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Make a tokenizer of numbered words, whose last is the place holder of the image.

    Args:
        vocabulary: how many tokens.

    Returns:
        The tokenizer.
    """
    names = ["<pad>", "<s>", "</s>", *(f"w{i}" for i in range(3, vocabulary - 1)), "<image>"]
    tokenizer = Tokenizer(models.WordLevel({name: i for i, name in enumerate(names)}, "<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    wrap: Any = PreTrainedTokenizerFast
    fast: PreTrainedTokenizerFast = wrap(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )
    return fast


def make_questions(size: str, images: int, each: int) -> QuestionSet:
    """Make questions for a model: the benchmark's for m3-mini, else noise about noise.

    Args:
        size: as for `open_model`.
        images: how many images, at least.
        each: questions about each of them.

    Returns:
        The questions.
    """
    if size == "mini":
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
            " ".join(f"w{word}" for word in rng.integers(3, last, QUESTION_WORDS)),
            ("w3",),
            "exact",
        )
        for number, image_id in enumerate(kept)
        for place in range(each)
    ]
    return QuestionSet("noise", questions, kept.__getitem__)
