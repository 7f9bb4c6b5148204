"""The `config.json` of LLaVA's own code (`llava_llama`), read as a stock transformers one.

Settings only; tensors are `weights.py`'s. What stock transformers cannot express is
refused here, before any weight is read.
"""

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaNextConfig

from m3_backbone.checkpoints.settings import check_settings
from m3_backbone.foreign import read_object, third_party
from m3_backbone.hosts.anyres import MERGE_TYPES

VISION_FILE = "vision_config.json"
"""Sizes of a vision tower that is no known one; `m3scale convert --to official` writes it."""

IMAGE_FILE = "preprocessor_config.json"
"""Settings of an image processor that is not official code's."""

KNOWN_TOWERS: dict[str, dict[str, int]] = {
    f"clip-vit-large-patch14{suffix}": {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": side,
        "patch_size": 14,
        "projection_dim": 768,
    }
    for suffix, side in (("", 224), ("-336", 336))
}
"""Sizes behind the names that official configurations give. Source: OpenAI's CLIP models."""

SIZE_FIELDS = (
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
)

TEXT_FIELDS = (
    *SIZE_FIELDS,
    "num_key_value_heads",
    "max_position_embeddings",
    "rms_norm_eps",
    "initializer_range",
    "hidden_act",
    "attention_bias",
    "attention_dropout",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
    "mlp_bias",
    "head_dim",
)
"""Fields that both formats call alike; one that is left out keeps transformers' default."""

KEPT_FIELDS = (
    "image_aspect_ratio",
    "mm_patch_merge_type",
    "mm_vision_tower",
    "matryoshka_vis_token_sample",
    "tokenizer_model_max_length",
)
"""Fields that stock transformers does not know and that are kept under their own names."""

OFFICIAL_MERGE = "flat"
"""How crops are joined where `mm_patch_merge_type` is left out.

Source: LLaVA's official code, `llava_arch.py`, `prepare_inputs_labels_for_multimodal`.
"""

REQUIRED_FIELDS = (*SIZE_FIELDS, "vocab_size", "mm_hidden_size")
SELECT_STRATEGIES = {"patch": "default", "cls_patch": "full"}


def read_config(folder: Path) -> dict[str, Any]:
    """Read the `config.json` of a checkpoint of any format.

    Raises:
        FileNotFoundError: if there is none.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise FileNotFoundError(f"{folder} is no checkpoint: it has no config.json")
    return read_object(path)


def is_official(fields: Mapping[str, Any]) -> bool:
    """Tell whether a configuration is in the format of LLaVA's own code."""
    # Early releases call their type plain `llava`; their architecture tells them apart.
    named = fields.get("architectures")
    is_early = isinstance(named, list) and "LlavaLlamaForCausalLM" in named
    return fields.get("model_type") == "llava_llama" or is_early


def is_exported(folder: Path) -> bool:
    """Tell whether `export.py` wrote a checkpoint, which then brings all of its own.

    Official code writes neither of the two files.
    """
    return all((folder / name).is_file() for name in (VISION_FILE, IMAGE_FILE))


def is_anyres(fields: Mapping[str, Any]) -> bool:
    """Tell whether an official configuration cuts images into several crops."""
    return fields.get("image_aspect_ratio") == "anyres"


def check_official(fields: Mapping[str, Any]) -> None:
    """Refuse what cannot be expressed as a stock LLaVA.

    Raises:
        ValueError: if a field is missing, or asks for what neither stock class offers.
    """
    missing = [name for name in REQUIRED_FIELDS if not isinstance(fields.get(name), int)]
    if missing:
        raise ValueError(f"the official config.json lacks a whole number for {missing[0]}")
    aspect = fields.get("image_aspect_ratio")
    wanted: tuple[tuple[str, Any, tuple[Any, ...]], ...] = (
        ("mm_projector_type", fields.get("mm_projector_type"), ("mlp2x_gelu",)),
        (
            "mm_vision_select_feature",
            fields.get("mm_vision_select_feature", "patch"),
            tuple(SELECT_STRATEGIES),
        ),
        ("image_aspect_ratio", aspect, (None, "pad", "square", "anyres")),
        ("mm_patch_merge_type", fields.get("mm_patch_merge_type", OFFICIAL_MERGE), MERGE_TYPES),
        ("mm_use_im_start_end", bool(fields.get("mm_use_im_start_end")), (False,)),
        ("tie_word_embeddings", bool(fields.get("tie_word_embeddings")), (False,)),
    )
    for name, value, allowed in wanted:
        if value not in allowed:
            choices = ", ".join(map(str, allowed))
            raise ValueError(
                f"the official config.json says {name} {value!r}, which a stock LLaVA cannot "
                f"express: expected {choices}"
            )


def named_tower(fields: Mapping[str, Any]) -> str:
    """Give the name that an official configuration has for its vision tower."""
    return str(fields.get("mm_vision_tower") or fields.get("vision_tower"))


def build_vision_config(
    folder: Path, fields: Mapping[str, Any], tower: Path | None = None
) -> CLIPVisionConfig:
    """Find the sizes of the vision tower.

    Args:
        folder: the checkpoint; its `vision_config.json` counts if it has one.
        fields: the official configuration, which only names the tower.
        tower: folder of a CLIP model that brings the tower, and its sizes.

    Raises:
        ValueError: if the tower is unknown or not as wide as the projector expects.
    """
    path = folder / VISION_FILE
    name = named_tower(fields)
    sizes: Any = KNOWN_TOWERS.get(name.rstrip("/").rpartition("/")[2])
    if tower is not None:
        check_settings(tower)
        whole = read_config(tower)
        sizes = whole.get("vision_config", whole)
    elif path.is_file():
        sizes = read_object(path)
    if not isinstance(sizes, dict):
        raise ValueError(
            f"unknown vision tower {name!r}: expected {' or '.join(KNOWN_TOWERS)}, its sizes in "
            f"{path}, or its folder with --vision-tower"
        )
    sizes = {key: value for key, value in sizes.items() if key != "model_type"}
    with third_party(f"the sizes of vision tower {tower or name} cannot be used"):
        config = CLIPVisionConfig(**sizes)
    if not isinstance(config.image_size, int) or not isinstance(config.patch_size, int):
        raise ValueError(
            f"vision tower {str(tower or name)!r} needs whole numbers for image_size and patch_size"
        )
    if config.hidden_size != fields["mm_hidden_size"]:
        raise ValueError(
            f"vision tower {str(tower or name)!r} is {config.hidden_size} wide, but the projector "
            f"expects mm_hidden_size {fields['mm_hidden_size']}"
        )
    return config


def build_stock_config(
    fields: Mapping[str, Any], vision: CLIPVisionConfig, image_token_id: int
) -> LlavaConfig | LlavaNextConfig:
    """Translate an official configuration.

    Args:
        fields: the official configuration, for which `check_official` passed.
        vision: its vision tower.
        image_token_id: id that stands for one visual token; the vocabulary grows up to it.

    Returns:
        A stock configuration, of LLaVA-NeXT if images are cut into crops. The scales and the fields
        in `KEPT_FIELDS` stay under their official names.

    Raises:
        ValueError: if transformers refuses a field, or the feature layer is no number.
    """
    text = {name: fields[name] for name in TEXT_FIELDS if fields.get(name) is not None}
    rope = read_rope(fields)
    layer = fields.get("mm_vision_select_layer", -2)
    if type(layer) is not int:
        raise ValueError(f"mm_vision_select_layer must be a whole number, got {layer!r:.80}")
    pinpoints = {"image_grid_pinpoints": read_pinpoints(fields)} if is_anyres(fields) else {}
    patch: Any = vision.patch_size
    stock: Any = LlavaNextConfig if is_anyres(fields) else LlavaConfig
    with third_party("the official config.json cannot be expressed as a stock one"):
        text_config = LlamaConfig(
            vocab_size=max(int(fields["vocab_size"]), image_token_id + 1),
            rope_parameters=rope,
            tie_word_embeddings=False,
            **text,
        )
        config: LlavaConfig | LlavaNextConfig = stock(
            vision_config=vision,
            text_config=text_config,
            image_token_index=image_token_id,
            projector_hidden_act="gelu",
            vision_feature_layer=layer,
            vision_feature_select_strategy=SELECT_STRATEGIES[
                str(fields.get("mm_vision_select_feature", "patch"))
            ],
            image_seq_length=(image_side(vision) // int(patch)) ** 2,
            tie_word_embeddings=False,
            **pinpoints,
        )
    kept = {name: fields[name] for name in KEPT_FIELDS if fields.get(name) is not None}
    if is_anyres(fields):
        kept.setdefault("mm_patch_merge_type", OFFICIAL_MERGE)
    if scales := read_scales(fields):
        kept["matryoshka_vis_token_scale"] = scales
    config.update(kept)
    return config


def image_side(vision: CLIPVisionConfig) -> int:
    """Give the side of the square that a tower looks at [pixels]."""
    side: Any = vision.image_size
    return int(side)


def read_rope(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Translate the rotary settings of an official configuration.

    Raises:
        ValueError: if the scaling is neither linear nor dynamic.
    """
    base = {"rope_theta": float(fields.get("rope_theta") or 10000.0), "rope_type": "default"}
    scaling = fields.get("rope_scaling")
    if not scaling:
        return base
    kind = scaling.get("type", scaling.get("rope_type")) if isinstance(scaling, dict) else scaling
    if kind not in ("linear", "dynamic") or not isinstance(scaling.get("factor"), (int, float)):
        raise ValueError(
            f"rope_scaling {scaling!r} is not known: expected type linear or dynamic and a factor"
        )
    return {**base, "rope_type": kind, "factor": float(scaling["factor"])}


def read_pinpoints(fields: Mapping[str, Any]) -> list[list[int]]:
    """Read the grids that an image may be cut into.

    Official files have (width, height) pairs or a text of such; stock ones have (height, width)
    [pixels]. The order of the pairs decides ties.

    Raises:
        ValueError: if they are not pairs of whole numbers.
    """
    given = fields.get("image_grid_pinpoints")
    try:
        pairs: Any = ast.literal_eval(given) if isinstance(given, str) else given
        return [[int(height), int(width)] for width, height in pairs]
    except (TypeError, ValueError, SyntaxError) as error:
        raise ValueError(
            f"image_grid_pinpoints must be a list of (width, height) pairs, got {given!r}"
        ) from error


def read_scales(fields: Mapping[str, Any]) -> list[int]:
    """Read the trained scales: a list, a comma-separated text or one number in official files.

    Raises:
        ValueError: if they are not whole numbers.

    >>> read_scales({"matryoshka_vis_token_scale": "1, 9, 36"})
    [1, 9, 36]
    """
    given = fields.get("matryoshka_vis_token_scale")
    parts = given.split(",") if isinstance(given, str) else given
    if not isinstance(parts, list):
        parts = [parts]
    known = all(part is None or type(part) in (int, str) for part in parts)
    try:
        scales = [int(part) for part in parts if part] if known else None
    except ValueError:
        scales = None
    if scales is None:
        raise ValueError(f"matryoshka_vis_token_scale must list whole numbers, got {given!r:.80}")
    return scales
