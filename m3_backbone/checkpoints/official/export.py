"""Writes a stock LLaVA in the format of LLaVA's own code, the way back of `opening.py`.

Beside the official files it writes `vision_config.json` and `preprocessor_config.json`: official
configurations only name their tower, and a stock model may have any.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import huggingface_hub
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from m3_backbone.checkpoints.official.config import (
    KEPT_FIELDS,
    SELECT_STRATEGIES,
    TEXT_FIELDS,
    VISION_FILE,
)
from m3_backbone.checkpoints.official.weights import (
    NEWLINE_NAME,
    VOCABULARY_NAMES,
    to_official_name,
)
from m3_backbone.hosts.config import StockModel
from m3_backbone.hosts.suppressed import suppressed_ids

SHARD_SIZE = "5GB"
ROPE_FIELDS = ("rope_type", "factor")


def save_official(
    model: StockModel, tokenizer: PreTrainedTokenizerBase, image_processor: Any, folder: Path
) -> None:
    """Write a stock LLaVA in the official format.

    The row that conversion adds for the image token is left out again.
    """
    check_exportable(model)
    folder.mkdir(parents=True, exist_ok=True)
    rows = official_rows(model)
    fields = build_official_config(model, rows)
    if fields["image_aspect_ratio"] is None and getattr(image_processor, "do_pad", False):
        fields["image_aspect_ratio"] = "pad"
    write_sorted(folder / "config.json", fields)
    vision: Any = model.config.vision_config
    write_sorted(folder / VISION_FILE, vision.to_diff_dict())
    tensors = official_tensors(model, rows, fields.get("mm_patch_merge_type") == "spatial_unpad")
    huggingface_hub.save_torch_state_dict(tensors, folder, max_shard_size=SHARD_SIZE)
    if model.generation_config is not None:
        model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    image_processor.save_pretrained(folder)


def check_exportable(model: StockModel) -> None:
    """Refuse a model that the official format cannot express.

    Raises:
        ValueError: if its parts are not those of LLaVA-1.5 and LLaVA-NeXT.
    """
    config: Any = model.config
    if config.model_type not in ("llava", "llava_next"):
        raise ValueError(
            f"the official format holds LLaVA-1.5 and LLaVA-NeXT, not {config.model_type!r}"
        )
    wanted = (
        ("vision tower", config.vision_config.model_type, ("clip_vision_model",)),
        ("language model", config.text_config.model_type, ("llama",)),
        ("projector activation", config.projector_hidden_act, ("gelu",)),
        ("projector bias", config.multimodal_projector_bias, (True,)),
        ("rope type", _rope(config)["rope_type"], ("default", "linear", "dynamic")),
        ("tied embeddings", bool(config.text_config.tie_word_embeddings), (False,)),
        ("feature layer", type(config.vision_feature_layer).__name__, ("int",)),
    )
    for name, value, allowed in wanted:
        if value not in allowed:
            raise ValueError(
                f"the official format cannot express {name} {value!r}: expected "
                f"{' or '.join(map(str, allowed))}"
            )


def official_rows(model: StockModel) -> int:
    """Count the rows of a model's vocabulary, without a last one that only stands for the image."""
    config: Any = model.config
    rows = int(config.text_config.vocab_size)
    is_added = config.image_token_id == rows - 1 and config.image_token_id in suppressed_ids(model)
    return rows - 1 if is_added else rows


def build_official_config(model: StockModel, rows: int) -> dict[str, Any]:
    """Write the fields of an official `config.json`, with a vocabulary of `rows`."""
    config: Any = model.config
    text = config.text_config
    is_next = config.model_type == "llava_next"
    strategies = {stock: official for official, stock in SELECT_STRATEGIES.items()}
    rope = _rope(config)
    scaling = {"type": rope["rope_type"], "factor": rope.get("factor")}
    fields: dict[str, Any] = {
        "architectures": ["LlavaLlamaForCausalLM"],
        "model_type": "llava_llama",
        "vocab_size": rows,
        "rope_theta": rope["rope_theta"],
        "rope_scaling": None if rope["rope_type"] == "default" else scaling,
        "tie_word_embeddings": False,
        "torch_dtype": str(model.dtype).removeprefix("torch."),
        "use_cache": True,
        "image_aspect_ratio": "anyres" if is_next else None,
        "image_grid_pinpoints": None,
        "mm_hidden_size": config.vision_config.hidden_size,
        "mm_patch_merge_type": "spatial_unpad" if is_next else "flat",
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_feature": strategies[config.vision_feature_select_strategy],
        "mm_vision_select_layer": config.vision_feature_layer,
        "mm_vision_tower": VISION_FILE,
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "unfreeze_mm_vision_tower": True,
    }
    if is_next:
        # Stock pairs are (height, width), official ones (width, height).
        fields["image_grid_pinpoints"] = [[w, h] for h, w in config.image_grid_pinpoints]
    same = {name: getattr(text, name, None) for name in TEXT_FIELDS}
    kept = {name: getattr(config, name, None) for name in KEPT_FIELDS}
    kept["matryoshka_vis_token_scale"] = getattr(config, "matryoshka_vis_token_scale", None)
    given = {name: value for name, value in {**same, **kept}.items() if value is not None}
    return {**fields, **given}


def official_tensors(model: StockModel, rows: int, has_newline: bool) -> dict[str, Tensor]:
    """Name a stock model's tensors as official code does.

    What the vocabulary has beyond `rows` is cut off, a newline without use is left out.
    """
    tensors: dict[str, Tensor] = {}
    state: Mapping[str, Tensor] = model.state_dict()
    for stock, tensor in state.items():
        name = to_official_name(stock)
        if name == NEWLINE_NAME and not has_newline:
            continue
        # A clone, because a slice keeps the storage of the whole table.
        kept = tensor[:rows].clone() if name in VOCABULARY_NAMES else tensor
        tensors[name] = kept.contiguous().to(torch.device("cpu"))
    return tensors


def write_sorted(path: Path, fields: Mapping[str, Any]) -> None:
    """Write settings as JSON with sorted keys, so that equal settings give equal bytes."""
    path.write_text(json.dumps(fields, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _rope(config: Any) -> dict[str, Any]:
    return dict(config.text_config.rope_parameters)
