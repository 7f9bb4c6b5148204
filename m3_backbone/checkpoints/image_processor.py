"""The image processor that a checkpoint brings, opened and tried."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoImageProcessor

from m3_backbone.foreign import third_party


def open_image_processor(folder: Path) -> Any:
    """Open the image processor of a folder and prepare one image with it.

    So settings of no use are refused before the model is opened.

    Raises:
        ValueError: if it cannot be opened or used, or gives no finite pixel values.
    """
    read: Any = AutoImageProcessor.from_pretrained
    with third_party(f"{folder} lacks an image processor that can be opened"):
        # Pinned: the torchvision one resizes differently, and is not always installed.
        opened = read(folder, backend="pil", local_files_only=True, trust_remote_code=False)
    with third_party(f"{folder} holds an image processor that cannot prepare an image"):
        image = Image.new("RGB", (16, 16), "white")
        pixels = opened(images=[image], return_tensors="pt")["pixel_values"]
        finite = bool(torch.isfinite(torch.as_tensor(pixels)).all())
    if not finite:
        raise ValueError(f"{folder} holds an image processor whose pixel values are not finite")
    return opened
