"""How LLaVA-OneVision merges crops: as LLaVA-NeXT, but large maps are shrunk.

The merging itself is the stock model's, which is told that its patches are as large as the cells of
the pooled grid. Each crop is pooled before, as M3 does for LLaVA-NeXT.
"""

from collections.abc import Sequence
from math import isqrt
from types import SimpleNamespace
from typing import Any

from torch import Tensor
from transformers import LlavaOnevisionModel

from m3_backbone.hosts.anyres import Size
from m3_backbone.pooling import Pyramid, pool_to_scales


def pool_onevision(
    model: Any, tokens: Tensor, size: Size, scales: Sequence[int], method: str
) -> Pyramid:
    """Pool and merge the tokens of one image's crops at every scale.

    Tokens of each crop, the base crop first [crops, N, D], become scale -> [n_visual, D], the
    newline behind each row among them.
    """
    side = isqrt(tokens.shape[1])
    return {
        scale: _merge(model, crops, size, side // isqrt(scale))
        for scale, crops in pool_to_scales(tokens, scales, method).items()
    }


def _merge(model: Any, crops: Tensor, size: Size, stride: int) -> Tensor:
    """Merge pooled crops [crops, scale, D], each token of which spans `stride` patches per side."""
    config = model.config
    width, height = size
    # All that the stock method looks at. It refuses crops of any but the full grid, which it takes
    # to have image size // patch size tokens per side.
    vision = SimpleNamespace(
        image_size=config.vision_config.image_size,
        patch_size=config.vision_config.patch_size * stride,
    )
    pooled = SimpleNamespace(vision_config=vision, image_grid_pinpoints=config.image_grid_pinpoints)
    pack: Any = LlavaOnevisionModel.pack_image_features
    merged, _ = pack(
        # In the place of `self`, of which the method reads nothing but the configuration.
        SimpleNamespace(config=pooled),
        [crops],
        [(height, width)],
        image_newline=model.model.image_newline.detach(),
        vision_aspect_ratio=config.vision_aspect_ratio,
    )
    tokens: Tensor = merged[0]  # [n_visual, D]
    return tokens
