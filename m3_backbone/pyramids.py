"""From the tokens of a model's vision side to one pyramid an image, as that model needs it."""

from collections.abc import Sequence

from torch import Tensor

from m3_backbone.anyres import Size
from m3_backbone.hosts import find_host
from m3_backbone.pooling import Pyramid
from m3_backbone.stock import StockModel


def check_grids(tokens: Sequence[Tensor], side: int, hidden: int) -> None:
    """Refuse tokens that do not form the grid that the configuration promises.

    Args:
        tokens: tokens of each image [N, D] or [crops, N, D].
        side: tokens along one side of the grid.
        hidden: width D.

    Raises:
        ValueError: if N or D is another.
    """
    expected = [side**2, hidden]
    for found in tokens:
        if list(found.shape[-2:]) != expected:
            raise ValueError(
                f"the model gave visual tokens {list(found.shape)}, expected {expected}: "
                "its image processor and its configuration disagree"
            )


def build_pyramids(
    model: StockModel,
    tokens: Sequence[Tensor],
    sizes: Sequence[Size],
    scales: Sequence[int],
    method: str,
) -> list[Pyramid]:
    """Pool, and merge if the model cuts images, the tokens of images at every scale.

    Args:
        model: the model that gave the tokens.
        tokens: what `encode_images` gave.
        sizes: width and height of each image [pixels].
        scales: tokens per crop.
        method: how a crop is pooled, one of `POOLING_METHODS`.

    Returns:
        One pyramid an image; images that share their tokens share it.
    """
    pool = find_host(model.config).pool
    built: dict[int, Pyramid] = {}
    for found, size in zip(tokens, sizes, strict=True):
        if id(found) not in built:
            built[id(found)] = pool(model, found, size, scales, method)
    return [built[id(found)] for found in tokens]
