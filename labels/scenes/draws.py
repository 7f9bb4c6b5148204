"""The draws of the built-in benchmark: named, frozen configurations of one generator.

A draw that was published never changes: the same name gives the same images and questions for ever.
What is to be asked otherwise becomes a new draw.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from labels.scenes.vocabulary import KINDS, OUT_OF_DISTRIBUTION

Shares = Mapping[int, float]
FamilyWeights = Mapping[str, Mapping[str, float]]

TRAINING = "train"
ALIGNED = "aligned"


# Compared by identity, so that a draw can be the key of a cache.
@dataclass(frozen=True, eq=False)
class Draw:
    """One configuration of the generator.

    Attributes:
        name: what `--source` calls it.
        splits: names of the splits; a place in this list is part of the seed.
        kind_shares: shares of `KINDS`.
        training_kind_shares: the same for the training split.
        grid_sides: side of a grid -> its share.
        list_sides: side of a digit of a list [pixels] -> its share.
        family_weights: kind of scene -> how often each family is asked.
        questions_per_image: most questions of an image.
        line_raster: whether lines of text start at multiples of their height.
        most_counted: how often a thing occurs at most that is asked to be counted.
        repeated: share of the things that are drawn a few times, to be counted.
        free: whether things have any size and lie anywhere, not on the raster of patches.
        wide: whether scenes have the fonts, backgrounds, faults and words of `labels.scenes.wide`.
    """

    name: str
    splits: tuple[str, ...]
    kind_shares: tuple[float, ...]
    training_kind_shares: tuple[float, ...]
    grid_sides: Shares
    list_sides: Shares
    family_weights: FamilyWeights
    questions_per_image: int = 6
    line_raster: bool = True
    most_counted: int = 3
    repeated: float = 0.25
    free: bool = False
    wide: bool = False

    @property
    def unseen(self) -> str:
        """The split of content that training never shows; of several the one with other fonts."""
        return OUT_OF_DISTRIBUTION if OUT_OF_DISTRIBUTION in self.splits else "fonts"

    def check_split(self, split: str) -> int:
        """Find the place of a split.

        Raises:
            ValueError: if the draw has no such split.
        """
        if split not in self.splits:
            raise ValueError(
                f"unknown split {split!r} of the built-in benchmark {self.name}; "
                f"expected one of {self.splits}"
            )
        return self.splits.index(split)


FIRST_SPLITS = (TRAINING, "router-train", "calibration", "test", OUT_OF_DISTRIBUTION)

# Menus, charts and lists are more frequent in training: looking a number up is learnt last.
TRAINING_KIND_SHARES = (0.28, 0.09, 0.15, 0.1, 0.1, 0.28)

SCENES_V2 = Draw(
    name="scenes-v2",
    splits=FIRST_SPLITS,
    kind_shares=(0.325, 0.175, 0.14, 0.095, 0.12, 0.145),
    training_kind_shares=TRAINING_KIND_SHARES,
    grid_sides={
        1: 0.05,
        2: 0.09,
        3: 0.13,
        4: 0.16,
        6: 0.19,
        8: 0.20,
        12: 0.11,
        16: 0.05,
        24: 0.02,
    },
    list_sides={8: 0.58, 16: 0.28, 32: 0.14},
    family_weights={
        "grid": {
            "gist": 0.6,
            "layout": 0.4,
            "identity": 1.2,
            "attribute": 0.8,
            "existence": 0.6,
            "counting": 0.2,
            "relation": 0.4,
            "choice": 0.2,
        },
        "scene": {
            "gist": 0.6,
            "layout": 1.2,
            "attribute": 1.2,
            "existence": 0.6,
            "counting": 0.3,
            "choice": 0.2,
        },
        "menu": {
            "gist": 0.6,
            "layout": 0.4,
            "table": 2.2,
            "reading": 1.2,
            "existence": 0.4,
            "choice": 0.3,
        },
        "chart": {
            "gist": 0.6,
            "layout": 0.4,
            "chart": 2.5,
            "attribute": 1.0,
            "reading": 1.0,
            "choice": 0.3,
        },
        "page": {"gist": 0.6, "layout": 0.4, "reading": 3.0, "existence": 0.4},
        "list": {"gist": 0.6, "layout": 0.3, "number": 6.0, "existence": 0.4, "attribute": 0.4},
    },
)
"""Lines of text lie on the cells of pooling; `--source scenes` means this draw."""

SCENES_V1 = replace(
    SCENES_V2,
    name="scenes-v1",
    kind_shares=(0.33, 0.16, 0.13, 0.08, 0.1, 0.2),
    grid_sides={
        1: 0.04,
        2: 0.07,
        3: 0.09,
        4: 0.12,
        6: 0.13,
        8: 0.15,
        12: 0.13,
        16: 0.12,
        24: 0.15,
    },
    list_sides={8: 0.6, 16: 0.25, 32: 0.15},
    family_weights={
        "grid": {
            "gist": 0.6,
            "layout": 0.4,
            "identity": 2.0,
            "attribute": 2.0,
            "existence": 0.4,
            "counting": 0.5,
            "relation": 0.8,
            "choice": 0.5,
        },
        "scene": {
            "gist": 0.6,
            "layout": 1.5,
            "attribute": 2.5,
            "existence": 0.5,
            "counting": 0.6,
            "choice": 0.5,
        },
        "menu": {
            "gist": 0.6,
            "layout": 0.4,
            "table": 4.0,
            "reading": 1.5,
            "existence": 0.4,
            "choice": 0.5,
        },
        "chart": {
            "gist": 0.6,
            "layout": 0.4,
            "chart": 4.0,
            "attribute": 1.5,
            "reading": 1.0,
            "choice": 0.4,
        },
        "page": {"gist": 0.6, "layout": 0.4, "reading": 6.0, "existence": 0.4},
        "list": {"gist": 0.6, "layout": 0.3, "number": 6.0, "existence": 0.3, "attribute": 0.8},
    },
    questions_per_image=8,
    line_raster=False,
)
"""The first draw: text at any row of patches, more of the finest grids, eight questions."""

SCENES_V3 = replace(
    SCENES_V2,
    name="scenes-v3",
    splits=(
        TRAINING,
        "validation",
        "router-train",
        "calibration",
        "test",
        "patterns",
        "words",
        "fonts",
        "backgrounds",
        "jpeg",
        ALIGNED,
    ),
    grid_sides={1: 0.05, 2: 0.1, 3: 0.14, 4: 0.18, 6: 0.21, 8: 0.21, 12: 0.08, 16: 0.03},
    family_weights={
        **SCENES_V2.family_weights,
        "grid": {**SCENES_V2.family_weights["grid"], "counting": 0.5},
        "scene": {**SCENES_V2.family_weights["scene"], "counting": 0.9},
    },
    most_counted=9,
    repeated=0.4,
    free=True,
    wide=True,
)
"""The wide draw: any place, size, font, background and wording."""


def emphasise(draw: Draw, factors: Mapping[str, float]) -> Draw:
    """Ask some families more often, or less; for training, as what is drawn changes with it.

    Args:
        draw: what to draw.
        factors: family -> how many times as often as the draw asks it; 1 for those not named.

    Returns:
        The draw with other weights. In training, a kind of scene is as much more frequent as the
        weights of its families have grown together.

    Raises:
        ValueError: if a family is unknown, a factor negative or not finite, or none above 0.
    """
    known = {family for weights in draw.family_weights.values() for family in weights}
    for family, factor in factors.items():
        if family not in known:
            raise ValueError(f"unknown family {family!r}; expected one of {sorted(known)}")
        if not 0 <= factor < float("inf"):
            raise ValueError(f"expected a factor of {family} of at least 0, got {factor}")
    weights = {
        kind: {family: weight * factors.get(family, 1.0) for family, weight in of_kind.items()}
        for kind, of_kind in draw.family_weights.items()
    }
    # In the order of KINDS, as the shares are.
    grown = [
        share * sum(weights[kind].values()) / sum(draw.family_weights[kind].values())
        for kind, share in zip(KINDS, draw.training_kind_shares, strict=True)
    ]
    if not any(grown):
        raise ValueError("no family is left to be asked: raise a factor above 0")
    shares = tuple(share / sum(grown) for share in grown)
    return replace(draw, family_weights=weights, training_kind_shares=shares)


DRAWS = {draw.name: draw for draw in (SCENES_V1, SCENES_V2, SCENES_V3)}

SCENES = "scenes"
"""What the draw of the first releases is called in sources and in what they saved."""


def find_draw(name: str) -> Draw | None:
    """Find the draw of a source name such as "scenes" or "scenes-v3"; none for other sources."""
    return SCENES_V2 if name == SCENES else DRAWS.get(name)


def public_name(draw: Draw) -> str:
    """Name a draw as it stands in fingerprints; the second keeps the name that it was saved by."""
    return SCENES if draw is SCENES_V2 else draw.name
