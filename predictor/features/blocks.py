"""The blocks that a feature row is made of: names, versions, and which of them are used.

What a block computes is in `features.py`. A block's version goes up when its numbers change their
meaning; a saved router is refused where they differ.
"""

from dataclasses import dataclass

from m3_backbone.scales import EXTRAS


@dataclass(frozen=True)
class Block:
    """One block.

    Attributes:
        version: version of its numbers.
        what: what it tells, in a few words.
    """

    version: int
    what: str


BLOCKS = {
    "one": Block(1, "the picture's 1-token level"),
    "grid": Block(1, "the next level, where things are"),
    "statistics": Block(1, "how much that level varies, its lengths and steps between neighbours"),
    "question": Block(1, "the embedding of the question"),
    "interactions": Block(1, "likeness and products of picture and question"),
    "pixels": Block(1, "size, brightness, edges, entropy and colours of the pixels"),
    "state": Block(1, "the model's state at the end of the prompt at the second smallest scale"),
}

USUAL = tuple(name for name in BLOCKS if name not in EXTRAS)
"""The blocks of all labels; `EXTRAS` must be asked for and cost more at run time."""

PICTURE = ("one", "grid", "statistics")
"""The blocks that tell of the picture alone."""


@dataclass(frozen=True)
class FeatureSettings:
    """Settings of the feature map.

    Attributes:
        blocks: what a row may look at, some of `BLOCKS`; interactions need both picture and
            question and are nothing without, but alone they look at both and keep to themselves.
        one_width: principal directions kept of the 1-token level.
        grid_width: principal directions kept of the next level, flattened.
        spread_width: principal directions kept of that level's spread over the picture.
        question_width: principal directions kept of the question embedding.
        pixels_width, state_width: principal directions kept of the extras.
        product_grid, product_spread, product_question: leading directions of the grid, the spread
            and the question whose products are formed.
        folds: image folds of the out-of-fold ridge predictions.
        seed: seed of the folds and of the randomised PCA.
    """

    blocks: tuple[str, ...] = USUAL
    one_width: int = 16
    grid_width: int = 24
    spread_width: int = 12
    question_width: int = 48
    pixels_width: int = 16
    state_width: int = 48
    product_grid: int = 16
    product_spread: int = 8
    product_question: int = 32
    folds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.blocks or not set(self.blocks) <= set(BLOCKS):
            raise ValueError(f"blocks must be some of {tuple(BLOCKS)}, got {self.blocks}")
        if self.folds < 2:
            raise ValueError(f"folds must be at least 2, got {self.folds}")

    def widths(self) -> dict[str, int]:
        """Give the parts that are reduced by PCA, and to how many directions."""
        parts = {
            "one": ("one", self.one_width),
            "grid": ("grid", self.grid_width),
            "statistics": ("spread", self.spread_width),
            "question": ("question", self.question_width),
            "pixels": ("pixels", self.pixels_width),
            "state": ("state", self.state_width),
        }
        read = (*PICTURE, "question") if self.blocks == ("interactions",) else self.blocks
        return dict(part for block, part in parts.items() if block in read)
