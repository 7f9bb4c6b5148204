"""Opening a checkpoint: which folder, and whether it is a whole model of a family that has a host.

A stock transformers folder and one of LLaVA's own code open alike; nothing is repaired, and a
checkpoint that is not whole is refused.
"""

from collections.abc import Mapping
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

from m3_backbone.checkpoints.fingerprint import CONTENT_SUFFIXES
from m3_backbone.checkpoints.official.config import is_official, read_config
from m3_backbone.checkpoints.official.opening import open_official
from m3_backbone.checkpoints.placement import DTYPES, DeviceMap, Placement
from m3_backbone.hosts.config import StockModel
from m3_backbone.hosts.host import check_model_type
from m3_backbone.serialization import parse_json

EMBEDDED_NAME = "m3-mini"


@dataclass(frozen=True)
class Checkpoint:
    """The opened parts of a checkpoint.

    Attributes:
        model: the stock model, in evaluation mode, on its device or devices.
        tokenizer: its tokenizer, with the chat template if there is one.
        image_processor: its image processor, always the Pillow one.
        folder: where it was read from.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    image_processor: Any
    folder: Path


def open_checkpoint(
    name_or_path: str | Path,
    device: str,
    dtype: str,
    device_map: DeviceMap | None = None,
    quantize: str | None = None,
) -> Checkpoint:
    """Open a checkpoint, stock or official.

    Args:
        name_or_path: a folder, `m3-mini` for the embedded model, or a name on the Hub.
        device: torch device, such as `cpu` or `cuda`; for this and what follows see `Placement`.
        dtype: one of `DTYPES`.
        device_map: where each part of the model goes, instead of a device.
        quantize: `8bit` or `4bit` to store the weights in few bits.
    """
    placement = Placement(device, dtype, device_map, quantize)
    folder = find_folder(name_or_path)
    opened = read_checkpoint(folder, DTYPES[dtype], placement.load_options)
    if not placement.load_options:
        opened.model.to(device)
    return opened


def read_checkpoint(
    folder: Path, dtype: torch.dtype | None = None, options: Mapping[str, Any] | None = None
) -> Checkpoint:
    """Open the folder of a checkpoint, on the CPU unless the options say otherwise.

    Args:
        folder: the checkpoint.
        dtype: number format of the model; None keeps the stored one.
        options: device map and quantization for transformers; see `Placement.load_options`.

    Raises:
        ValueError: if it is not a whole checkpoint of a known family, or an official one is to be
            spread or quantized.
    """
    fields = read_config(folder)
    if is_official(fields):
        if options:
            raise ValueError(
                f"{folder} is in LLaVA's own format, which takes no device_map and no quantize: "
                "write a stock folder with m3scale convert"
            )
        return Checkpoint(*open_official(folder, dtype), folder)
    check_model_type(fields.get("model_type"), str(folder))
    model = _open_model(folder, dtype, options or {})
    tokenizer, image_processor = _open_processors(folder)
    return Checkpoint(model, tokenizer, image_processor, folder)


def find_folder(name_or_path: str | Path) -> Path:
    """Find the folder of a checkpoint, fetching it from the Hub if it is only a name.

    The name may be that of a folder, `m3-mini` for the embedded model, or one on the Hub.

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


def _open_model(folder: Path, dtype: torch.dtype | None, options: Mapping[str, Any]) -> StockModel:
    try:
        opened: Any = AutoModelForImageTextToText.from_pretrained(
            folder,
            dtype=dtype or "auto",
            local_files_only=True,
            output_loading_info=True,
            # Not accepted: reported below, by name.
            ignore_mismatched_sizes=True,
            **options,
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
                f"{folder} is not a whole checkpoint: {len(keys)} {what} weights, such as {keys[0]}"
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
        tokenizer.chat_template = parse_json(legacy.read_text(encoding="utf-8"))["chat_template"]
    return tokenizer, images


def embedded_path() -> Path:
    """Find the folder of the embedded model m3-mini.

    Raises:
        FileNotFoundError: if the repository was checked out or installed without it.
    """
    folder = Path(__file__).resolve().parents[2] / "models" / EMBEDDED_NAME
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(
            f"the embedded model {EMBEDDED_NAME} is not at {folder}: work in a full clone of the "
            "repository (pip install -e .), or name the folder of another checkpoint"
        )
    return folder
