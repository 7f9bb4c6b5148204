"""What a model's configuration says about sizes: its grid, its scales, its costs.

Reads numbers only; no weight is touched.
"""

from math import isqrt
from typing import Any, TypeAlias

from transformers import (
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    PaliGemmaConfig,
    PaliGemmaForConditionalGeneration,
)

from m3_backbone.flops import LanguageShape, VisionShape
from m3_backbone.hosts.anyres import CropLayout
from m3_backbone.scales import check_scale, default_ladder, legal_scales

StockConfig: TypeAlias = LlavaConfig | LlavaNextConfig | LlavaOnevisionConfig | PaliGemmaConfig

StockModel: TypeAlias = (
    LlavaForConditionalGeneration
    | LlavaNextForConditionalGeneration
    | LlavaOnevisionForConditionalGeneration
    | PaliGemmaForConditionalGeneration
)

CLASS_TOKENS = {"clip_vision_model": 1, "siglip_vision_model": 0, "dinov2": 1}
"""Vision towers -> tokens that they put in front of the patches. All others are refused: Pixtral's
grid, for one, changes with the image."""

STOCK_MERGE = "spatial_unpad"
"""What transformers' own LLaVA-NeXT does with crops; its configuration has no field for it."""


def grid_side(config: StockConfig) -> int:
    """Count the visual tokens along one side of the grid of one image crop.

    Raises:
        ValueError: if the tokens do not form a square.
    """
    vision = _vision_config(config)
    size = vision.image_size
    patch = vision.patch_size
    # The 384 pixels of a SigLIP are 27 patches of 14; nobody sees the last 6.
    if not isinstance(size, int) or not isinstance(patch, int) or size < patch:
        raise ValueError(
            f"the visual tokens must form a square grid: image size {size} with patch size {patch} "
            "gives none"
        )
    _check_layers(config)
    strategy = getattr(config, "vision_feature_select_strategy", "full")
    # "default" drops the first token, whether or not that is a class token.
    dropped = 1 if strategy == "default" else 0
    tokens = (size // patch) ** 2 + _class_tokens(config) - dropped
    if tokens < 1 or tokens != isqrt(tokens) ** 2:
        raise ValueError(
            f"the visual tokens must form a square grid, but select strategy {strategy!r} gives "
            f"{tokens}"
        )
    return isqrt(tokens)


def trained_scales(config: StockConfig, side: int | None = None) -> tuple[int, ...]:
    """Find the scales that a model offers, ascending; M3 checkpoints name theirs.

    Args:
        config: the model's configuration.
        side: tokens along one side of the grid; None reads it off the configuration.

    Raises:
        ValueError: if the scales are not on the ladder of the grid.
    """
    side = grid_side(config) if side is None else side
    named = getattr(config, "matryoshka_vis_token_scale", None)
    if not named:
        return default_ladder(side)
    if not isinstance(named, list | tuple):
        raise ValueError(f"matryoshka_vis_token_scale must be a list of scales, got {named!r}")
    legal = legal_scales(side)
    return tuple(sorted({check_scale(scale, legal) for scale in named}))


def crop_layout(config: StockConfig) -> CropLayout | None:
    """Find how a model cuts images into crops; None for one that sees an image as one crop."""
    is_cutting = isinstance(config, LlavaNextConfig | LlavaOnevisionConfig)
    return read_layout(config) if is_cutting else None


def read_layout(config: Any) -> CropLayout:
    """Read how a model cuts images into crops.

    Args:
        config: configuration of a model that does. `image_grid_pinpoints` is (height, width) as in
            all of transformers, where M3's own files have (width, height): the order decides which
            of two equally good grids is taken. M3 checkpoints name their `mm_patch_merge_type`.

    Raises:
        ValueError: if the grids are not pairs of numbers.
    """
    grids = config.image_grid_pinpoints or []
    for grid in grids:
        if not isinstance(grid, list | tuple) or [type(side) for side in grid] != [int, int]:
            raise ValueError(
                f"image_grid_pinpoints must be pairs of height and width in pixels, got {grid!r}"
            )
    return CropLayout(
        crop_side=_vision_config(config).image_size,
        resolutions=tuple((width, height) for height, width in grids),
        merge=getattr(config, "mm_patch_merge_type", None) or STOCK_MERGE,
    )


def language_shape(config: StockConfig) -> LanguageShape:
    """Read the sizes of the language model."""
    text = config.get_text_config()
    heads = text.num_attention_heads
    # Some models choose the size of a head apart from their width.
    head = getattr(text, "head_dim", None) or text.hidden_size // heads
    return LanguageShape(
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        intermediate=text.intermediate_size,
        vocab=text.vocab_size,
        query_width=heads * head,
        key_value_width=(getattr(text, "num_key_value_heads", None) or heads) * head,
    )


def vision_shape(config: StockConfig) -> VisionShape:
    """Read the sizes of the vision tower and the projector."""
    vision = _vision_config(config)
    return VisionShape(
        layers=vision.num_hidden_layers,
        hidden=vision.hidden_size,
        # DINOv2 gives a ratio instead.
        intermediate=getattr(vision, "intermediate_size", None)
        or int(vision.hidden_size * vision.mlp_ratio),
        patches=(vision.image_size // vision.patch_size) ** 2,
        patch_values=getattr(vision, "num_channels", 3) * vision.patch_size**2,
        extra_tokens=_class_tokens(config),
        projected=config.get_text_config().hidden_size,
        projector_layers=1 if isinstance(config, PaliGemmaConfig) else 2,
    )


def _vision_config(config: StockConfig) -> Any:
    # Typed as maybe a dict or None; a configuration that was built holds both parts.
    return config.vision_config


def _check_layers(config: StockConfig) -> None:
    """Refuse feature layers that the vision tower has not; layer 0 is what goes into it.

    Raises:
        ValueError: if a layer is none of the tower's.
    """
    count = _vision_config(config).num_hidden_layers
    named = getattr(config, "vision_feature_layer", -1)
    for layer in named if isinstance(named, list | tuple) else [named]:
        if not isinstance(layer, int) or not -count <= layer <= count or layer == 0:
            raise ValueError(
                f"vision_feature_layer must be one of the {count} layers of the vision tower, got "
                f"{named!r}"
            )


def _class_tokens(config: StockConfig) -> int:
    """Count the tokens in front of the patches.

    Raises:
        ValueError: if the vision tower is of a family that is not known.
    """
    kind = _vision_config(config).model_type
    if kind not in CLASS_TOKENS:
        raise ValueError(
            f"the vision tower is of type {kind!r}, expected one of {', '.join(CLASS_TOKENS)}"
        )
    return CLASS_TOKENS[kind]
