"""What a request becomes before vLLM's engine sees it: checked, with pixels and prompt as ours.

Whatever cannot be answered is refused here as the client's mistake (HTTP 400). Behind this file
nothing is checked any more, and what fails there ends the engine for everybody.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from transformers import BatchFeature
from vllm.exceptions import VLLMValidationError
from vllm.model_executor.models.llava import (
    BaseLlavaProcessingInfo,
    _build_llava_or_pixtral_hf_info,
    _build_llava_or_pixtral_hf_processor,
)
from vllm.multimodal.inputs import MultiModalFieldConfig
from vllm.multimodal.parse import ImageEmbeddingItems, ImageSize
from vllm.multimodal.processing import BaseMultiModalProcessor, PromptReplacement

from m3_backbone.checkpoints.image_processor import open_image_processor
from m3_backbone.checkpoints.loading import find_folder
from m3_backbone.hosts.anyres import CropLayout, count_visual_tokens
from m3_backbone.hosts.config import crop_layout, trained_scales
from m3_backbone.hosts.host import find_host
from m3_backbone.images import check_image
from m3_backbone.inference.encoding import hash_pixels
from m3_backbone.scales import check_scale

VISUAL_TOKENS = "visual_tokens"
"""The one key of `mm_processor_kwargs`: visual tokens per image crop."""

FIELDS = ("pixel_values", "image_embeds", "visual_tokens", "image_sizes", "image_keys")
ON_CPU = ("visual_tokens", "image_sizes", "image_keys")
"""Of the fields that the model gets for each image, those that are read as Python numbers."""


class MatryoshkaInfo(BaseLlavaProcessingInfo):
    """What a checkpoint offers."""

    def get_hf_config(self) -> Any:
        """Give the configuration of any of the families."""
        return self.ctx.get_hf_config()

    def get_hf_processor(self, **kwargs: object) -> Any:
        """Give the stock processor, of which only the image token is used."""
        return self.ctx.get_hf_processor(**kwargs)

    @cached_property
    def scales(self) -> tuple[int, ...]:
        """Scales of the checkpoint, ascending."""
        return trained_scales(self.get_hf_config())

    @cached_property
    def layout(self) -> CropLayout | None:
        """How images are cut into crops; None where they are not."""
        return crop_layout(self.get_hf_config())

    @cached_property
    def image_processor(self) -> Any:
        """The Pillow image processor: vLLM would take torchvision's, which resizes differently."""
        return open_image_processor(find_folder(self.model_id))

    @cached_property
    def start(self) -> list[int]:
        """What the tokenizer puts in front of a text, which vLLM leaves out of chat requests."""
        tokenizer = self.get_tokenizer()
        begins = tokenizer("?")["input_ids"][:1] == [tokenizer.bos_token_id]
        return [tokenizer.bos_token_id] if begins else []

    def pick_scale(self, asked: Mapping[str, object]) -> int:
        """Read the scale of a request; the largest if it names none.

        Raises:
            VLLMValidationError: if the request names anything else, or the scale is not legal.
        """
        unknown = sorted(set(asked) - {VISUAL_TOKENS})
        if unknown:
            raise VLLMValidationError(
                f"mm_processor_kwargs takes only {VISUAL_TOKENS!r}, got {', '.join(unknown)}",
                parameter="mm_processor_kwargs",
            )
        merged = {VISUAL_TOKENS: self.scales[-1], **self.ctx.get_merged_mm_kwargs(asked)}
        scale: Any = merged[VISUAL_TOKENS]
        try:
            return check_scale(scale, self.scales)
        except ValueError as error:
            raise VLLMValidationError(str(error), parameter=VISUAL_TOKENS) from error

    def get_num_image_tokens(self, *, image_width: int, image_height: int) -> int:
        """Count the most visual tokens of an image of a size."""
        return count_visual_tokens((image_width, image_height), self.scales[-1], self.layout)

    def get_image_size_with_most_features(self) -> ImageSize:
        """Find the size of image that takes most, for which vLLM keeps memory."""
        if self.layout is None:
            side = self.get_hf_config().vision_config.image_size
            return ImageSize(width=side, height=side)
        width, height = max(
            self.layout.resolutions,
            key=lambda size: self.get_num_image_tokens(image_width=size[0], image_height=size[1]),
        )
        return ImageSize(width=width, height=height)


class MatryoshkaProcessor(BaseMultiModalProcessor[MatryoshkaInfo]):
    """Turns images into pixel values and place holders."""

    def apply(self, inputs: Any, timing_ctx: Any) -> Any:
        """Check a request, then process it as vLLM does.

        Raises:
            VLLMValidationError: if it asks for what is not there, or its images do not fit.
        """
        asked = inputs.hf_processor_mm_kwargs
        scale = self.info.pick_scale(asked)
        images = inputs.mm_data_items.get("image", ())
        if isinstance(images, ImageEmbeddingItems):
            _check_embeddings(images, asked)
        markers = inputs.prompt.count(self.info.get_hf_config().image_token_index)
        if markers != len(images):
            # Markers too many would stay in the prompt as a token that nothing was learnt for.
            raise VLLMValidationError(
                f"the prompt has {markers} image markers for {len(images)} images: a question must "
                "not hold one",
                parameter="image",
            )
        # Also where the request named none, so that it shares what is cached for the same scale.
        inputs = replace(inputs, hf_processor_mm_kwargs={VISUAL_TOKENS: scale})
        return super().apply(inputs, timing_ctx)

    def _call_hf_processor(
        self, hf_data: Mapping[str, Any], hf_kwargs: Mapping[str, Any]
    ) -> BatchFeature:
        config = self.info.get_hf_config()
        host = find_host(config)
        images = [check_image(image) for image in hf_data["images"]]
        pixels = [host.prepare(config, self.info.image_processor, image) for image in images]
        return BatchFeature(
            {
                "pixel_values": [one.to(self.info.ctx.model_config.dtype) for one in pixels],
                "visual_tokens": torch.full((len(images),), hf_kwargs[VISUAL_TOKENS]),
                "image_sizes": torch.tensor([image.size for image in images]),
                "image_keys": torch.stack([_find_key(image) for image in images]),
            }
        )

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        batched = MultiModalFieldConfig.batched
        return {name: batched("image", keep_on_cpu=name in ON_CPU) for name in FIELDS}

    def _get_prompt_updates(
        self, mm_items: Any, hf_processor_mm_kwargs: Mapping[str, object], out_mm_kwargs: Any
    ) -> Sequence[PromptReplacement]:
        image_id = self.info.get_hf_config().image_token_index

        def replace_marker(item: int) -> list[int]:
            images = mm_items["image"]
            if isinstance(images, ImageEmbeddingItems):
                return [image_id] * images.get_feature_size(item)
            fields = out_mm_kwargs["image"][item]
            width, height = fields["image_sizes"].data.tolist()
            scale = int(fields["visual_tokens"].data)
            return [image_id] * count_visual_tokens((width, height), scale, self.info.layout)

        return [PromptReplacement("image", [image_id], replace_marker)]

    def _postprocess_prompt(self, prompt: list[int]) -> list[int]:
        start = self.info.start
        return prompt if prompt[: len(start)] == start else [*start, *prompt]


def build_info(ctx: Any) -> Any:
    """Give what a checkpoint offers; Pixtral, which has the name of LLaVA too, stays vLLM's own."""
    if ctx.get_hf_config().vision_config.model_type == "pixtral":
        return _build_llava_or_pixtral_hf_info(ctx)
    return MatryoshkaInfo(ctx)


def build_processor(info: Any, dummy_inputs: Any) -> Any:
    """Give the processor that goes with what `build_info` gave."""
    if isinstance(info, MatryoshkaInfo):
        return MatryoshkaProcessor(info, dummy_inputs)
    return _build_llava_or_pixtral_hf_processor(info, dummy_inputs)


def _check_embeddings(images: ImageEmbeddingItems, asked: Mapping[str, object]) -> None:
    """Refuse embeddings that would give no answer or a wrong one; vLLM has checked their width.

    Raises:
        VLLMValidationError: if there are none, or one is no finite number, or a scale is named.
    """
    if asked:
        raise VLLMValidationError(
            f"{VISUAL_TOKENS} goes with pixels: image embeddings are as many as they are",
            parameter="mm_processor_kwargs",
        )
    for number in range(len(images)):
        tokens = images.get(number)
        if not tokens.is_floating_point() or not len(tokens) or not torch.isfinite(tokens).all():
            raise VLLMValidationError(
                f"image embeddings must be finite floating-point numbers [n, D], got "
                f"{list(tokens.shape)} of {tokens.dtype}",
                parameter="image_embeds",
            )


def _find_key(image: Any) -> torch.Tensor:
    """Hash an image [32 bytes]."""
    return torch.frombuffer(bytearray.fromhex(hash_pixels(image)), dtype=torch.uint8)
