"""LLaVA and LLaVA-NeXT as vLLM runs them, with visual tokens pooled as each request asks.

The language model is vLLM's own. Only what lies before it is ours: the tower sees each distinct
image once whatever the scales that it is asked at, and its tokens are pooled as in `M3Backbone`.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from vllm.model_executor.models.llava import LlavaDummyInputsBuilder, LlavaForConditionalGeneration
from vllm.model_executor.models.llava_next import LlavaNextForConditionalGeneration
from vllm.multimodal import MULTIMODAL_REGISTRY

from m3_backbone.hosts.anyres import Size
from m3_backbone.hosts.config import crop_layout
from m3_backbone.hosts.llava_next import merge_crops
from m3_backbone.pooling import pool_tokens
from m3_backbone.vllm_plugin.processing import MatryoshkaInfo, build_info, build_processor

KEPT_BYTES = 256 << 20
"""Tokens of images that are kept for their other scales; some 50 images of a 7B LLaVA."""


class MatryoshkaVision:
    """What is ours of both models, to stand in front of vLLM's classes."""

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)  # type: ignore[call-arg]
        model_config = vllm_config.model_config
        self._layout = crop_layout(model_config.hf_config)
        self._dtype = model_config.dtype
        # What vLLM itself does not read of the settings of a converted official checkpoint.
        self._suppressed = model_config.try_get_generation_config().get("suppress_tokens") or []
        # Hash of an image -> its tokens on the full grid [crops, N, D]; the oldest first.
        self._known: OrderedDict[bytes, Tensor] = OrderedDict()

    def embed_multimodal(
        self,
        pixel_values: Any = None,
        image_embeds: Any = None,
        visual_tokens: Any = None,
        image_sizes: Any = None,
        image_keys: Any = None,
    ) -> Any:
        """Give the tokens [n_visual, D] of each image of a batch; their numbers differ.

        Args:
            pixel_values: of each image [3, H, W] or [crops, 3, H, W].
            image_embeds: instead of all else, ready tokens of each image [n_visual, D].
            visual_tokens: scale of each image.
            image_sizes: width and height of each image [pixels].
            image_keys: hash of each image [32 bytes].
        """
        if image_embeds is not None:
            # A list: vLLM's own class takes one tensor, and mixed sizes end its engine.
            return [tokens.to(self._dtype) for tokens in image_embeds]
        if visual_tokens is None:
            return super().embed_multimodal(pixel_values=pixel_values)  # type: ignore[misc]
        keys = [bytes(key.tolist()) for key in image_keys]
        grids = self._project(keys, pixel_values)
        facts = zip(grids, visual_tokens.tolist(), image_sizes.tolist(), strict=True)
        return [self._pool(grid, scale, (size[0], size[1])) for grid, scale, size in facts]

    def compute_logits(self, hidden_states: Tensor) -> Tensor | None:
        """Compute logits, with those of suppressed tokens at minus infinity."""
        logits: Tensor | None = super().compute_logits(hidden_states)  # type: ignore[misc]
        if logits is not None and self._suppressed:
            logits[..., self._suppressed] = float("-inf")
        return logits

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> Any:
        """Load weights under the names that older and newer transformers give to the tower."""
        if hasattr(self.vision_tower, "vision_model"):  # type: ignore[attr-defined]
            weights = _name_as_vllm(weights)
        return super().load_weights(weights)  # type: ignore[misc]

    def _project(self, keys: Sequence[bytes], pixels: Sequence[Tensor]) -> list[Tensor]:
        """Run tower and projector on the images that are not known: [crops, N, D] of each image."""
        new = {
            key: one if one.ndim == 4 else one[None]
            for key, one in zip(keys, pixels, strict=True)
            if key not in self._known
        }
        if new:
            model: Any = self
            crops = torch.cat(list(new.values()))
            features = model._image_pixels_to_features(model.vision_tower, crops)
            tokens = model.multi_modal_projector(features).split([len(one) for one in new.values()])
            # Copies: a part of the batch's tensor would keep all of it.
            self._known.update(zip(new, (grid.clone() for grid in tokens), strict=True))
        for key in keys:
            self._known.move_to_end(key)
        grids = [self._known[key] for key in keys]
        kept = sum(grid.nbytes for grid in self._known.values())
        while kept > KEPT_BYTES:
            kept -= self._known.popitem(last=False)[1].nbytes
        return grids

    def _pool(self, grid: Tensor, scale: int, size: Size) -> Tensor:
        pooled = pool_tokens(grid, scale)  # [crops, scale, D]
        if self._layout is None:
            return pooled[0]
        newline: Tensor = self.image_newline  # type: ignore[attr-defined]
        return merge_crops(pooled, size, self._layout, newline)


def _name_as_vllm(weights: Iterable[tuple[str, Tensor]]) -> Iterator[tuple[str, Tensor]]:
    for name, weight in weights:
        before, tower, rest = name.partition("vision_tower.")
        if tower and not rest.startswith("vision_model."):
            name = f"{before}{tower}vision_model.{rest}"
        yield name, weight


_register = MULTIMODAL_REGISTRY.register_processor(
    build_processor, info=build_info, dummy_inputs=LlavaDummyInputsBuilder[MatryoshkaInfo]
)


@_register
class MatryoshkaLlava(MatryoshkaVision, LlavaForConditionalGeneration):
    """LLaVA-1.5 with a number of visual tokens for each request."""


@_register
class MatryoshkaLlavaNext(MatryoshkaVision, LlavaNextForConditionalGeneration):
    """LLaVA-NeXT with a number of visual tokens per crop for each request."""
