"""Makes scene number `index` of a split of the built-in benchmark, always the same one."""

from functools import lru_cache

import numpy as np
from PIL import Image

from labels.scenes.drawing import draw_scene
from labels.scenes.items import Scene
from labels.scenes.layouts import MAKERS
from labels.scenes.vocabulary import KINDS, OUT_OF_DISTRIBUTION, SPLITS

# Shares of `KINDS`.
KIND_WEIGHTS = (0.325, 0.175, 0.14, 0.095, 0.12, 0.145)

# Menus, charts and lists are more frequent in training: looking a number up is learnt last.
TRAINING_KIND_WEIGHTS = (0.28, 0.09, 0.15, 0.1, 0.1, 0.28)

TRAINING = "train"

# Separate random streams, so that a new question template does not change any image.
LAYOUT_STREAM = 0

PIXEL_STREAM = 1
QUESTION_STREAM = 2
DESCRIPTION_STREAM = 3


def open_stream(split: str, index: int, seed: int, stream: int) -> np.random.Generator:
    """Open the random stream of one aspect of one scene.

    Raises:
        ValueError: if `split` is not one of `SPLITS`.
    """
    if split not in SPLITS:
        raise ValueError(
            f"unknown split {split!r} of the built-in benchmark; expected one of {SPLITS}"
        )
    # A stream for each list of numbers: scenes can be made in any order, or in parallel.
    return np.random.default_rng([seed, SPLITS.index(split), index, stream])


@lru_cache(maxsize=256)
def make_scene(split: str, index: int, seed: int = 0) -> Scene:
    """Make scene number `index` of a split.

    Args:
        split: one of `SPLITS`; only "ood" shows unseen pictograms, fonts and textures.
        index: number of the scene within the split.
        seed: seed of the whole benchmark.

    Returns:
        The scene, without pixels.
    """
    random = open_stream(split, index, seed, LAYOUT_STREAM)
    weights = TRAINING_KIND_WEIGHTS if split == TRAINING else KIND_WEIGHTS
    kind = KINDS[int(random.choice(len(KINDS), p=weights))]
    return MAKERS[kind](random, split == OUT_OF_DISTRIBUTION)


def draw_image(scene: Scene, split: str, index: int, seed: int = 0) -> Image.Image:
    """Draw the scene that `make_scene` gave for the same split, index and seed."""
    return draw_scene(scene, open_stream(split, index, seed, PIXEL_STREAM))
