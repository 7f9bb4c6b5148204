"""Makes scene number `index` of a split of the built-in benchmark, always the same one."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from PIL import Image

from labels.scenes.drawing import draw_scene
from labels.scenes.draws import ALIGNED, SCENES_V2, TRAINING, Draw
from labels.scenes.items import Scene
from labels.scenes.layouts import lay_out
from labels.scenes.vocabulary import KINDS, OUT_OF_DISTRIBUTION
from labels.scenes.wide.dressing import dress_scene
from labels.scenes.wide.painting import paint_scene

# Separate random streams, so that a new question template does not change any image.
LAYOUT_STREAM = 0

PIXEL_STREAM = 1
QUESTION_STREAM = 2
DESCRIPTION_STREAM = 3

REPEAT_STREAM = 4
"""Of other words for the first question of a scene; each further question has the next."""

CASUAL_STREAM = 1000
MADE_UP_STREAM = 1001
"""Both beyond those of any number of questions of a scene."""


def open_stream(
    split: str, index: int, seed: int, stream: int, draw: Draw = SCENES_V2
) -> np.random.Generator:
    """Open the random stream of one aspect of one scene; a split unknown to the draw is refused."""
    # A stream for each list of numbers: scenes can be made in any order, or in parallel.
    return np.random.default_rng([seed, draw.check_split(split), index, stream])


@lru_cache(maxsize=256)
def make_scene(split: str, index: int, seed: int = 0, draw: Draw = SCENES_V2) -> Scene:
    """Make scene number `index` of a split.

    Args:
        split: one of `draw.splits`; only "ood" shows unseen pictograms, fonts and textures.
        index: number of the scene within the split.
        seed: seed of the whole benchmark.
        draw: configuration of the benchmark.

    Returns:
        The scene, without pixels.
    """
    random = open_stream(split, index, seed, LAYOUT_STREAM, draw)
    shares = draw.training_kind_shares if split == TRAINING else draw.kind_shares
    kind = KINDS[int(random.choice(len(KINDS), p=shares))]
    if not draw.wide:
        return lay_out(random, draw, kind, split == OUT_OF_DISTRIBUTION)
    # A share of the training keeps to the raster, so that neither is new to a model.
    on_raster = split == ALIGNED or (split == TRAINING and random.random() < 0.2)
    laid = lay_out(random, replace(draw, free=False) if on_raster else draw, kind, False)
    return dress_scene(laid, random, split)


def draw_image(
    scene: Scene, split: str, index: int, seed: int = 0, draw: Draw = SCENES_V2
) -> Image.Image:
    """Draw the scene that `make_scene` gave for the same split, index, seed and draw."""
    random = open_stream(split, index, seed, PIXEL_STREAM, draw)
    return paint_scene(scene, random, split) if draw.wide else draw_scene(scene, random)
