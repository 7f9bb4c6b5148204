"""Which crops a LLaVA-NeXT model sees of an image, and how many visual tokens they become.

Arithmetic on sizes only: no pixel and no token is touched. The crops are the whole image squashed
to one square, called base, and then the tiles of a grid, row by row. All sizes of images are
(width, height).

Source: M3 (arXiv 2405.17430) and its official code, whose numbers these are. transformers rounds to
    seven digits where the official code cuts off, and so keeps other tokens of a few images.
"""

from dataclasses import dataclass
from math import isqrt

Size = tuple[int, int]
"""Width and height [pixels]."""

MERGE_TYPES = ("flat", "spatial", "spatial_unpad")
"""How the tokens of several crops become one sequence.

flat: crop after crop. spatial: the base crop, then all tiles as one map, row by row across the
tiles. spatial_unpad: as spatial, without the rows or columns that only show padding, and with one
newline token behind each row.
"""


@dataclass(frozen=True)
class CropLayout:
    """How a model cuts images into crops.

    Attributes:
        crop_side: width and height of a crop [pixels].
        resolutions: sizes of tile grids that an image may be fitted into, in the order of
            preference among equally good ones.
        merge: one of `MERGE_TYPES`.
    """

    crop_side: int
    resolutions: tuple[Size, ...]
    merge: str

    def __post_init__(self) -> None:
        if self.merge not in MERGE_TYPES:
            raise ValueError(
                f"unknown merge type {self.merge!r}: choose one of {', '.join(MERGE_TYPES)}"
            )
        for size in self.resolutions:
            if min(size) < 1 or size[0] % self.crop_side or size[1] % self.crop_side:
                raise ValueError(
                    f"a grid of {size[0]}x{size[1]} pixels does not consist of whole crops of "
                    f"{self.crop_side} pixels"
                )
        if not self.resolutions:
            raise ValueError("expected at least one grid resolution, got none")


@dataclass(frozen=True)
class Window:
    """The part of a stitched map that shows the image, not padding: half-open ranges of cells."""

    top: int
    bottom: int
    left: int
    right: int


def best_resolution(size: Size, resolutions: tuple[Size, ...]) -> Size:
    """Find the grid that keeps most pixels of an image; among equals, the one that wastes least.

    Sizes are in pixels; the first of equally good grids wins.
    """
    width, height = size

    def rank(grid: Size) -> tuple[int, int]:
        scale = min(grid[0] / width, grid[1] / height)
        # More pixels than the image has are no gain.
        # Both sides cut off, as the official code does: ties hang on it.
        kept = min(int(width * scale) * int(height * scale), width * height)
        return kept, kept - grid[0] * grid[1]

    # max keeps the first of equals.
    return max(resolutions, key=rank)


def tile_grid(size: Size, layout: CropLayout) -> tuple[int, int]:
    """Count the tiles, columns and rows, that an image of a size [pixels] is cut into."""
    width, height = best_resolution(size, layout.resolutions)
    return width // layout.crop_side, height // layout.crop_side


def count_crops(size: Size, layout: CropLayout | None) -> int:
    """Count the crops of an image of a size [pixels], the base crop included.

    A model without a layout sees one.
    """
    if layout is None:
        return 1
    columns, rows = tile_grid(size, layout)
    return 1 + columns * rows


def unpadded_window(size: Size, columns: int, rows: int) -> Window:
    """Find the cells of a stitched map that show the image and not the padding around it.

    The map is `columns` wide and `rows` high. The window may be empty where an image is flat and
    the map coarse.
    """
    width, height = size
    # int() and no rounding, and this order of factors: the official counts hang on both.
    if width / height > columns / rows:
        cut = (rows - int(height * (columns / width))) // 2
        # An image flatter than the map is padded above and below, a taller one at the sides.
        return Window(cut, rows - cut, 0, columns)
    cut = (columns - int(width * (rows / height))) // 2
    return Window(0, rows, cut, columns - cut)


def count_visual_tokens(size: Size, scale: int, layout: CropLayout | None) -> int:
    """Count the visual tokens, newlines included, of an image whose crops are pooled to `scale`.

    >>> layout = CropLayout(336, ((336, 672), (672, 336), (672, 672)), "spatial_unpad")
    >>> tile_grid((640, 480), layout)
    (2, 2)
    >>> count_visual_tokens((640, 480), 36, layout)  # base crop, 10 rows of 12 and a newline each
    166
    """
    if layout is None:
        return scale
    columns, rows = tile_grid(size, layout)
    if layout.merge != "spatial_unpad":
        return scale * (1 + columns * rows)
    # Tokens along one side of a crop.
    side = isqrt(scale)
    window = unpadded_window(size, columns * side, rows * side)
    # The base crop, then each row of cells with its newline.
    return scale + (window.bottom - window.top) * (window.right - window.left + 1)
