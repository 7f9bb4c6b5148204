"""Turns conversations into training batches; a batch depends on its number alone."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image

from labels.conversations import Conversation
from m3_backbone.anyres import CropLayout, Size, count_visual_tokens
from m3_backbone.conversations import pack_conversations
from m3_backbone.crops import check_processor, cut_image
from m3_backbone.finetune import Batch
from m3_backbone.geometry import crop_layout
from m3_backbone.images import load_image
from m3_backbone.prompts import PromptBuilder
from scripts.batches import shuffled_place
from scripts.start import Start


def conversation_batches(
    start: Start, conversations: Sequence[Conversation], size: int, max_length: int, seed: int
) -> Callable[[int], Batch]:
    """Batch conversations for `m3_backbone.finetune`, in a new order each epoch.

    Args:
        start: the model and what prepares its images and text.
        conversations: what to train on.
        size: conversations a batch.
        max_length: most tokens of one, its visual tokens at the largest scale included.
        seed: seed of the order.

    Returns:
        Number -> batch.
    """
    prompts = PromptBuilder(start.tokenizer, start.model.config.image_token_id)
    layout, finest = crop_layout(start.model.config), max(start.scales)
    if layout:
        check_processor(start.image_processor, layout)

    def count_visual(image_size: Size) -> int:
        return count_visual_tokens(image_size, finest, layout)

    def draw(number: int) -> Batch:
        places = range(number * size, (number + 1) * size)
        chosen = [conversations[shuffled_place(len(conversations), seed, i)] for i in places]
        images = [[load_image(path) for path in one.images] for one in chosen]
        sized = [
            (one.turns, [image.size for image in shown])
            for one, shown in zip(chosen, images, strict=True)
        ]
        text = pack_conversations(prompts, sized, count_visual, max_length)
        kept = [
            image
            for shown, (ids, _) in zip(images, text.rows, strict=True)
            for image in shown[: ids.count(prompts.image_token_id)]
        ]
        return Batch(read_pixels(start.image_processor, kept, layout), text)

    return draw


def read_pixels(
    processor: Any, images: Sequence[Image.Image], layout: CropLayout | None
) -> torch.Tensor:
    """Preprocess images: pixel values of all crops [B, 3, H, W].

    Where there is no image a black one stands in, so that every batch passes the vision tower; see
    `Batch`.
    """
    shown = list(images) or [Image.new("RGB", (64, 64))]
    if layout:
        return torch.cat([cut_image(processor, image, layout) for image in shown])
    pixels: torch.Tensor = processor(images=shown, return_tensors="pt")["pixel_values"]
    return pixels
