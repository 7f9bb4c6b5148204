"""What a family of models must provide so that `M3Backbone` can pool its visual tokens.

A host says where the tokens of an image come from and how they go back into the language model.
Batching, decoding and counting are the same for all. `HOSTS` lists the hosts there are, and
docs/hosts.md tells how to add one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from PIL import Image
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutputWithPooling

from m3_backbone.hosts.anyres import Size
from m3_backbone.hosts.config import grid_side
from m3_backbone.hosts.llava import pool_image, prepare_image, project_images
from m3_backbone.hosts.llava_next import pool_crops, prepare_crops, project_crops
from m3_backbone.hosts.llava_onevision import pool_onevision
from m3_backbone.hosts.paligemma import PREFIX_TEMPLATE, splice_prefix
from m3_backbone.pooling import Pyramid

Prepare: TypeAlias = Callable[[Any, Any, Image.Image], Tensor]
"""(model's configuration, image processor, RGB image) -> pixel values.

[3, H, W], or [crops, 3, H, W] with the base crop first from a model that cuts images. Runs beside
the model, in another thread.
"""

Project: TypeAlias = Callable[[Any, Tensor], Tensor]
"""(model, pixel values of images or crops [B, 3, H, W]) -> tokens [B, N, D].

On the full grid, row-major and as wide as the language model.
"""

Pool: TypeAlias = Callable[[Any, Tensor, Size, Sequence[int], str], Pyramid]
"""(model, tokens of an image, its width and height in pixels, scales, pooling method) -> pyramid.

At every scale the first `scale` tokens are those of the base crop.
"""

Splice: TypeAlias = Callable[[Tensor, Sequence[Tensor]], dict[str, Any]]
"""(ids [R, L], visual tokens [n_visual, D] of each row) -> further arguments of the forward.

The ids hold one place holder for each visual token. Only the forward that reads prompts gets them.
"""


def list_outputs(ids: Tensor, features: Sequence[Tensor]) -> dict[str, Any]:
    """Hand over visual tokens as the LLaVA models of transformers take them, see `Splice`."""
    outputs = BaseModelOutputWithPooling(pooler_output=list(features))  # type: ignore[arg-type]
    return {"mm_encoder_outputs": {"image": outputs}}


@dataclass(frozen=True)
class Host:
    """One family of models of transformers; the defaults are LLaVA's.

    Attributes:
        prepare: image to pixel values.
        project: pixel values to tokens.
        pool: tokens of one image to its pyramid.
        splice: visual tokens to what the model's forward takes.
        grid_side: configuration -> visual tokens along one side of the grid of an image crop.
        template: chat template, with <image> for an image, where the family has just one and its
            checkpoints bring none.
        first_position: position id of a prompt's first token.
        reads_both_ways: whether a prompt's beginning sees its end, so that questions cannot share
            the reading of their image.
    """

    prepare: Prepare
    project: Project
    pool: Pool
    splice: Splice = list_outputs
    grid_side: Callable[[Any], int] = grid_side
    template: str | None = None
    first_position: int = 0
    reads_both_ways: bool = False


HOSTS: dict[str, Host] = {
    "llava": Host(prepare_image, project_images, pool_image),
    "llava_next": Host(prepare_crops, project_crops, pool_crops),
    "llava_onevision": Host(prepare_crops, project_crops, pool_onevision),
    "paligemma": Host(
        prepare=prepare_image,
        project=project_images,
        pool=pool_image,
        splice=splice_prefix,
        template=PREFIX_TEMPLATE,
        first_position=1,
        reads_both_ways=True,
    ),
}


def find_host(config: Any) -> Host:
    """Find the host of a model by its configuration."""
    check_model_type(config.model_type, "this configuration")
    return HOSTS[config.model_type]


def check_model_type(model_type: object, place: str) -> None:
    """Refuse a family of models that has no host; `place` says in an error where it was met.

    Raises:
        ValueError: if there is no such host.
    """
    if not isinstance(model_type, str) or model_type not in HOSTS:
        known = ", ".join(map(repr, HOSTS))
        raise ValueError(
            f"{place} holds a model of type {model_type!r}, expected one of {known}, or an "
            "official 'llava_llama': docs/hosts.md tells how to add a family"
        )
