"""Writes an opened checkpoint as a stock transformers folder.

Not atomic by itself: the caller writes into a folder of another name and renames that.
"""

from pathlib import Path
from typing import Any

from transformers import LlavaNextProcessor, LlavaProcessor, PreTrainedTokenizerBase

from m3_backbone.stock import StockModel


def save_stock(
    model: StockModel, tokenizer: PreTrainedTokenizerBase, image_processor: Any, folder: Path
) -> None:
    """Write model and processor so that transformers alone can open and use them.

    Args:
        model: a stock LLaVA or LLaVA-NeXT.
        tokenizer: its tokenizer, with a token for images and a chat template.
        image_processor: its image processor.
        folder: where to; equal parts give equal bytes.
    """
    config: Any = model.config
    join: Any = LlavaNextProcessor if config.model_type == "llava_next" else LlavaProcessor
    processor = join(
        image_processor,
        tokenizer,
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        chat_template=tokenizer.chat_template,
        # CLIP's class token, which the processor counts before it is dropped.
        num_additional_image_tokens=1,
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
