"""Which checkpoint a command opens, and how."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from scripts.terminal.options import settings_options

if TYPE_CHECKING:
    from m3_backbone.backbone import M3Backbone


@dataclass(frozen=True)
class Opening:
    """Which checkpoint, and how it is opened; what a field means is its help."""

    model: str = field(
        default="m3-mini",
        metadata={
            "help": "Folder or name of a checkpoint: LLaVA or another host, see docs/hosts.md."
        },
    )
    device: str = field(default="cpu", metadata={"help": "Torch device, such as cuda."})
    dtype: str = field(
        default="float32",
        metadata={
            "help": "Number format of the model.",
            "choices": ("float32", "bfloat16", "float16"),
        },
    )
    pooling: str = field(
        default="average",
        metadata={
            "help": "How visual tokens become fewer; M3 models are trained with average.",
            # m3_backbone.pooling has the list, but torch with it.
            "choices": ("average", "sequential", "spatial"),
        },
    )
    device_map: str | None = field(
        default=None,
        metadata={"help": "Spread the model over devices, such as auto; instead of --device."},
    )
    quantize: str | None = field(
        default=None,
        metadata={
            "help": "Store the weights in few bits; needs a GPU.",
            "choices": ("8bit", "4bit"),
        },
    )
    vision_tower: str | None = field(
        default=None,
        metadata={
            "help": "Folder or name of the CLIP model whose tower an official checkpoint only "
            "names, as llava-v1.5-7b does.",
        },
    )
    template: str | None = field(
        default=None,
        metadata={
            "help": "Chat template of a checkpoint that brings none: llava-1.5, vicuna_v1, or a "
            "file in jinja.",
        },
    )


model_options = settings_options(Opening, "opening")

engine_option = click.option(
    "--engine",
    # m3_backbone.backbone has the list, but torch with it.
    type=click.Choice(["built-in", "vllm"]),
    default="built-in",
    show_default=True,
    help="What answers; vllm wants an environment of its own, see docs/vllm.md.",
)


def open_backbone(
    opening: Opening, progress: bool = False, engine: str = "built-in"
) -> "M3Backbone":
    """Open a checkpoint.

    Args:
        opening: which, and how.
        progress: whether transformers shows a bar while it loads.
        engine: what answers, one of `m3_backbone.backbone.ENGINES`.
    """
    from transformers.utils import logging

    from m3_backbone.backbone import M3Backbone

    if not progress:
        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    return M3Backbone.from_pretrained(
        opening.model,
        device=opening.device,
        dtype=opening.dtype,
        device_map=opening.device_map,
        quantize=opening.quantize,
        pooling=opening.pooling,
        vision_tower=opening.vision_tower,
        template=opening.template,
        engine=engine,
    )
