"""Which checkpoint a command opens, and how."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from m3_backbone.backbone import M3Backbone


@dataclass(frozen=True)
class Opening:
    """What `model_options` takes.

    Attributes:
        model: folder, name, or `m3-mini`.
        device: torch device.
        dtype: number format.
        pooling: how visual tokens become fewer.
        device_map: where each part of the model goes, instead of a device.
        quantize: bits to store the weights in.
    """

    model: str
    device: str
    dtype: str
    pooling: str = "average"
    device_map: str | None = None
    quantize: str | None = None


def open_backbone(opening: Opening, progress: bool = False) -> "M3Backbone":
    """Open a checkpoint.

    Args:
        opening: which, and how.
        progress: whether transformers shows a bar while it loads.

    Returns:
        The model, ready to answer.
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
    )
