"""Opening a checkpoint: which folder, and whether it is a whole LLaVA.

A stock transformers folder and one of LLaVA's own code open alike; nothing is repaired, and a
checkpoint that is not whole is refused.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from safetensors import SafetensorError
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from m3_backbone.embedded import EMBEDDED_NAME, embedded_path
from m3_backbone.fingerprint import CONTENT_SUFFIXES
from m3_backbone.official import open_official
from m3_backbone.official_config import is_official, read_config
from m3_backbone.stock import StockModel

DTYPES: dict[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
STOCK_TYPES = ("llava", "llava_next")


@dataclass(frozen=True)
class Checkpoint:
    """The opened parts of a checkpoint.

    Attributes:
        model: the stock LLaVA or LLaVA-NeXT, in evaluation mode, on its device.
        tokenizer: its tokenizer, with the chat template if there is one.
        image_processor: its image processor, always the Pillow one.
        folder: where it was read from.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    image_processor: Any
    folder: Path


def open_checkpoint(name_or_path: str | Path, device: str, dtype: str) -> Checkpoint:
    """Open a LLaVA checkpoint, stock or official.

    Args:
        name_or_path: a folder, `m3-mini` for the embedded model, or a name on the Hub.
        device: torch device, such as `cpu` or `cuda`.
        dtype: one of `DTYPES`.

    Returns:
        The opened parts.

    Raises:
        ValueError: if device or dtype cannot be used, or it is not a whole LLaVA checkpoint.
    """
    if dtype not in DTYPES:
        raise ValueError(f"unknown dtype {dtype!r}: choose one of {', '.join(DTYPES)}")
    place = find_device(device)
    folder = find_folder(name_or_path)
    opened = read_checkpoint(folder, DTYPES[dtype])
    opened.model.to(place)
    return opened


def read_checkpoint(folder: Path, dtype: torch.dtype | None = None) -> Checkpoint:
    """Open the folder of a checkpoint on the CPU.

    Args:
        folder: the checkpoint.
        dtype: number format of the model; None keeps the stored one.

    Returns:
        The opened parts.

    Raises:
        ValueError: if it is not a whole LLaVA checkpoint.
    """
    fields = read_config(folder)
    if is_official(fields):
        parts = open_official(folder, dtype)
        return Checkpoint(parts.model, parts.tokenizer, parts.image_processor, folder)
    if fields.get("model_type") not in STOCK_TYPES:
        raise ValueError(
            f"{folder} holds a model of type {fields.get('model_type')!r}, expected a stock "
            "'llava' or 'llava_next', or an official 'llava_llama'"
        )
    model = _open_model(folder, dtype)
    tokenizer, image_processor = _open_processors(folder)
    return Checkpoint(model, tokenizer, image_processor, folder)


def find_folder(name_or_path: str | Path) -> Path:
    """Find the folder of a checkpoint, fetching it from the Hub if it is only a name.

    Args:
        name_or_path: a folder, `m3-mini` for the embedded model, or a name on the Hub.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: if there is no such folder or name.
    """
    path = Path(name_or_path)
    if path.is_dir():
        return path
    name = str(name_or_path)
    if name == EMBEDDED_NAME:
        return embedded_path()
    # A name on the Hub is owner/model; everything else can only have been meant as a path.
    if isinstance(name_or_path, Path) or name.count("/") != 1 or name[0] in "./~" or path.exists():
        raise FileNotFoundError(f"no checkpoint folder at {name}; the embedded one is m3-mini")
    try:
        patterns = [f"*{suffix}" for suffix in CONTENT_SUFFIXES]
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    # The Hub's client raises OSErrors for a wrong name and for a missing connection alike.
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"no folder {name}, and no model of that name could be fetched from the Hub"
        ) from error


def find_device(device: str) -> torch.device:
    """Find a device that can be used.

    Args:
        device: torch device, such as `cpu` or `cuda`.

    Returns:
        The device.

    Raises:
        ValueError: if there is none of that name here.
    """
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    # torch says AssertionError where it was built without CUDA.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {device!r} cannot be used here: {reason}") from error
    return place


def _open_model(folder: Path, dtype: torch.dtype | None) -> StockModel:
    try:
        opened: Any = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=dtype or "auto",
            local_files_only=True,
            output_loading_info=True,
            # Not accepted: reported below, by name.
            ignore_mismatched_sizes=True,
        )
    except SafetensorError as error:
        raise ValueError(f"the weights in {folder} are damaged or cut short: {error}") from error
    except OSError as error:
        raise FileNotFoundError(f"{folder} holds no weights that can be read") from error
    _check_weights(folder, opened[1])
    model: StockModel = opened[0]
    return model


def _check_weights(folder: Path, info: dict[str, Any]) -> None:
    # transformers only warns of these, leaves missing layers random and does not read others.
    for what in ("missing", "unexpected", "mismatched"):
        entries = info.get(f"{what}_keys") or ()
        # A mismatched weight comes with its two shapes.
        keys = sorted(entry if isinstance(entry, str) else entry[0] for entry in entries)
        if keys:
            raise ValueError(
                f"{folder} is not a whole LLaVA checkpoint: {len(keys)} {what} weights, "
                f"such as {keys[0]}"
            )


def _open_processors(folder: Path) -> tuple[PreTrainedTokenizerBase, Any]:
    open_images: Any = AutoImageProcessor.from_pretrained
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        # Pinned: the torchvision one resizes differently, and is not always installed.
        images = open_images(folder, backend="pil", local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{folder} lacks a tokenizer or image processor: {reason}") from error
    legacy = folder / "chat_template.json"
    # Older LLaVA uploads keep the template where only their processor class looks.
    if not tokenizer.chat_template and legacy.is_file():
        tokenizer.chat_template = json.loads(legacy.read_text(encoding="utf-8"))["chat_template"]
    return tokenizer, images
