"""The files of settings in a checkpoint, checked before transformers reads them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m3_backbone.foreign import list_numbers, read_object

SETTINGS = (
    "config.json",
    "vision_config.json",
    "generation_config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.json",
)
"""Files of settings; `tokenizer.json` is data, which its library checks."""

SIDES = ("size", "crop_size", "height", "width", "shortest_edge", "longest_edge")
"""Fields of an image processor that are a side of an image."""

LONGEST_SIDE = 8192

LARGEST = 2**31 - 1
MOST_LAYERS = 1000

SIZES = {
    "num_hidden_layers": MOST_LAYERS,
    **dict.fromkeys(
        (
            "hidden_size",
            "intermediate_size",
            "num_attention_heads",
            "num_key_value_heads",
            "head_dim",
            "vocab_size",
            "max_position_embeddings",
            "image_size",
            "patch_size",
            "num_channels",
            "projection_dim",
            "image_seq_length",
            "mm_hidden_size",
        ),
        LARGEST,
    ),
}
"""Fields of a configuration that count something -> the most that can be meant."""


def check_settings(folder: Path) -> None:
    """Refuse a checkpoint whose settings are no JSON objects or give sizes that cannot be meant.

    The ValueError names the file and the field.
    """
    for name in SETTINGS:
        path = folder / name
        if path.is_file():
            fields = read_object(path)
            # Tokenizers give 10**30 for no limit at all.
            if "config.json" in name and name != "tokenizer_config.json":
                _check_whole(path, fields)
            _check_pixels(path, fields)
            if name in ("config.json", "vision_config.json"):
                _check_sizes(path, fields)


def _check_whole(path: Path, fields: Mapping[str, Any]) -> None:
    for field, number in list_numbers(fields):
        if isinstance(number, int) and abs(number) >= 2**63:
            raise ValueError(f"{path}: {field} must be a number of 64 bits, got {str(number)[:40]}")


def _check_pixels(path: Path, fields: Mapping[str, Any], place: str = "") -> None:
    """Refuse sides that an image cannot be resized to: memory is taken for all of them.

    Raises:
        ValueError: if one is no whole number of pixels, or is too long.
    """
    for name, value in fields.items():
        if isinstance(value, dict):
            _check_pixels(path, value, f"{place}{name}.")
        elif name in SIDES and type(value) in (int, float, str, bool):
            if type(value) is not int or not 1 <= value <= LONGEST_SIDE:
                raise ValueError(
                    f"{path}: {place}{name} must be a whole number of pixels from 1 to "
                    f"{LONGEST_SIDE}, got {value!r:.80}"
                )


def _check_sizes(path: Path, fields: Mapping[str, Any], place: str = "") -> None:
    for name, value in fields.items():
        if name == "rope_theta" and value is not None:
            if type(value) not in (int, float) or value <= 0:
                raise ValueError(f"{path}: {place}{name} must be above 0, got {value!r:.80}")
        if isinstance(value, dict):
            _check_sizes(path, value, f"{place}{name}.")
        # A size that is left out or null has a default; a list of sizes is its reader's to judge.
        if name not in SIZES or value is None or isinstance(value, list):
            continue
        if type(value) is not int or not 1 <= value <= SIZES[name]:
            raise ValueError(
                f"{path}: {place}{name} must be a whole number from 1 to {SIZES[name]}, got "
                f"{str(value)[:80]!r}"
            )
