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
    AutoConfig,
    AutoModelForImageTextToText,
    AutoTokenizer,
    PreTrainedTokenizerBase,
)

from m3_backbone.arguments import check_address
from m3_backbone.checkpoints.card import CARD
from m3_backbone.checkpoints.fingerprint import CONTENT_SUFFIXES, fingerprint_folder
from m3_backbone.checkpoints.image_processor import open_image_processor
from m3_backbone.checkpoints.official.config import is_official, read_config
from m3_backbone.checkpoints.official.opening import open_official
from m3_backbone.checkpoints.placement import DTYPES, DeviceMap, Placement
from m3_backbone.checkpoints.settings import check_settings
from m3_backbone.checkpoints.source import CheckpointSource
from m3_backbone.checkpoints.templates import find_template
from m3_backbone.checkpoints.tokenizer import try_tokenizer
from m3_backbone.foreign import third_party
from m3_backbone.hosts.config import StockModel
from m3_backbone.hosts.host import check_model_type
from m3_backbone.hosts.templates import read_template
from m3_backbone.serialization import short_hash

EMBEDDED_NAME = "m3-mini"
WEIGHT_SUFFIXES = (".safetensors", ".bin")

LAYERS = "language_model.layers."
"""In the names of the weights of the language model's layers."""


@dataclass(frozen=True)
class Checkpoint:
    """The opened parts of a checkpoint.

    Attributes:
        model: the stock model, in evaluation mode, on its device or devices.
        tokenizer: its tokenizer, with the chat template if there is one.
        image_processor: its image processor, always the Pillow one.
        folder: where it was read from.
        variant: hash of what was added to the folder; empty if nothing was.
    """

    model: Any
    tokenizer: PreTrainedTokenizerBase
    image_processor: Any
    folder: Path
    variant: str = ""


def open_checkpoint(
    name_or_path: str | Path | CheckpointSource,
    device: str,
    dtype: str,
    device_map: DeviceMap | None = None,
    quantize: str | None = None,
) -> Checkpoint:
    """Open a checkpoint, stock or official.

    Args:
        name_or_path: a folder, `m3-mini` for the embedded model, or a name on the Hub; or these
            with what is to be added.
        device: torch device, such as `cpu` or `cuda`; for this and what follows see `Placement`.
        dtype: one of `DTYPES`.
        device_map: where each part of the model goes, instead of a device.
        quantize: `8bit` or `4bit` to store the weights in few bits.
    """
    placement = Placement(device, dtype, device_map, quantize)
    opened = read_checkpoint(name_or_path, DTYPES[dtype], placement.load_options)
    if not placement.load_options:
        opened.model.to(device)
    return opened


def read_checkpoint(
    source: str | Path | CheckpointSource,
    dtype: torch.dtype | None = None,
    options: Mapping[str, Any] | None = None,
) -> Checkpoint:
    """Open a checkpoint, on the CPU unless the options say otherwise.

    Args:
        source: the checkpoint.
        dtype: number format of the model; None keeps the stored one.
        options: device map and quantization for transformers; see `Placement.load_options`.

    Raises:
        ValueError: if it is not a whole checkpoint of a known family, an official one is to be
            spread or quantized, or a stock one is given another tower.
    """
    source = source if isinstance(source, CheckpointSource) else CheckpointSource(source)
    folder = find_folder(source.name)
    template = None if source.template is None else read_template(source.template)
    tower = None if source.vision_tower is None else find_folder(source.vision_tower)
    fields = read_config(folder)
    check_settings(folder)
    if not is_official(fields):
        check_model_type(fields.get("model_type"), str(folder))
        if tower is not None:
            raise ValueError(f"{folder} is a stock checkpoint, which brings its own vision tower")
        # The small parts first.
        tokenizer, image_processor = _open_processors(folder)
        model = _open_model(folder, dtype, options or {}, source.layers)
    elif options:
        raise ValueError(
            f"{folder} is in LLaVA's own format, which takes no device_map and no quantize: "
            "write a stock folder with m3scale convert"
        )
    else:
        model, tokenizer, image_processor = open_official(folder, dtype, tower)
    if template is not None:
        tokenizer.chat_template = template
    added = ["" if tower is None else fingerprint_folder(tower), template or ""]
    variant = short_hash(" ".join(added)) if any(added) else ""
    return Checkpoint(model, tokenizer, image_processor, folder, variant)


def find_folder(name_or_path: str | Path) -> Path:
    """Find the folder of a checkpoint, fetching it from the Hub if it is only a name.

    The name may be that of a folder, `m3-mini` for the embedded model, or one on the Hub.

    Raises:
        FileNotFoundError: if there is no such folder or name.
    """
    check_address("a checkpoint", name_or_path)
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
        patterns = [CARD, *(f"*{suffix}" for suffix in CONTENT_SUFFIXES)]
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=patterns))
    # The Hub's client raises OSErrors for a wrong name and for a missing connection alike.
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"no folder {name}, and no model of that name could be fetched from the Hub"
        ) from error


def _open_model(
    folder: Path, dtype: torch.dtype | None, options: Mapping[str, Any], layers: bool = True
) -> StockModel:
    refusal = f"{folder} holds a model that cannot be opened"
    with third_party(refusal):
        # Without code of its own: transformers would ask at the terminal whether to run it.
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        text: Any = config.get_text_config()
        depth = text.num_hidden_layers
        text.num_hidden_layers = depth if layers else 0
        # Names and shapes without memory.
        with torch.device("meta"):
            build: Any = AutoModelForImageTextToText.from_config
            expected = build(config)
    check_values(folder, sum(one.numel() for one in expected.parameters()))
    try:
        with third_party(refusal):
            opened: Any = AutoModelForImageTextToText.from_pretrained(
                folder,
                config=config,
                dtype=dtype or "auto",
                local_files_only=True,
                output_loading_info=True,
                # Not accepted: reported below, by name.
                ignore_mismatched_sizes=True,
                **options,
            )
    except ValueError as error:
        cause = error.__cause__
        if isinstance(cause, SafetensorError):
            reason = f"the weights in {folder} are damaged or cut short: {cause}"
            raise ValueError(reason) from error
        if isinstance(cause, OSError):
            raise FileNotFoundError(f"{folder} holds no weights that can be read") from error
        raise
    _check_weights(folder, opened[1], () if layers else (LAYERS,))
    model: StockModel = opened[0]
    # As it is in the file, for the counts of what the model costs.
    model.config.get_text_config().num_hidden_layers = depth
    return model


def check_values(folder: Path, values: int) -> None:
    """Refuse a configuration that asks for more than its weights can hold, before memory is taken.

    Args:
        folder: the checkpoint.
        values: numbers that the configured model consists of.

    Raises:
        ValueError: if the files are too small for them, at half a byte each.
    """
    stored = sum(p.stat().st_size for p in folder.iterdir() if p.suffix in WEIGHT_SUFFIXES)
    if stored and values > 2 * stored:
        raise ValueError(
            f"the weights in {folder} are damaged or cut short, or not those of its config.json: "
            f"{stored} bytes cannot hold {values:.3g} values"
        )


def _check_weights(folder: Path, info: dict[str, Any], left_out: tuple[str, ...]) -> None:
    # transformers only warns of these, leaves missing layers random and does not read others.
    for what in ("missing", "unexpected", "mismatched"):
        entries = info.get(f"{what}_keys") or ()
        # A mismatched weight comes with its two shapes.
        named = (entry if isinstance(entry, str) else entry[0] for entry in entries)
        keys = sorted(key for key in named if not any(part in key for part in left_out))
        if keys:
            raise ValueError(
                f"{folder} is not a whole checkpoint: {len(keys)} {what} weights, such as {keys[0]}"
            )


def _open_processors(folder: Path) -> tuple[PreTrainedTokenizerBase, Any]:
    def read() -> PreTrainedTokenizerBase:
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)

    tokenizer = try_tokenizer(folder, read)
    tokenizer.chat_template = find_template(folder, tokenizer)
    return tokenizer, open_image_processor(folder)


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
