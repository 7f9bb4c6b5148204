"""Where what a question is about lies on the canvas: training only, never shown to a router."""

import numpy as np
from numpy.typing import NDArray

from labels.scene_dense import cover_patches
from labels.scene_items import Item, Scene
from labels.scene_layouts import NUMBER_DIGITS
from labels.scene_questions import ask_scene
from labels.scene_splits import QUESTION_STREAM, TRAINING, make_scene, open_stream
from m3_backbone.scales import GRID_SIDE

WHOLE_ANSWER = 1
DIGITS = "0123456789"
DESCRIBE = "Describe the "
COUNT = "Count the "
# Templates whose answer hangs on the things they name.
NAMING = ("place", "colour", "price", "bar", "beside", "bar colour", "count", "number")


def find_named(scene: Scene, template: str, name: str) -> list[Item]:
    """Find the items that a question names; the bar or the digits where they are asked for."""
    if template == "bar colour":
        return [item for item in scene.items if item.content == "bar" and item.left == name]
    if template == "number":
        return [item for item in scene.items if item.value >= 0 and item.left == name]
    return [item for item in scene.items if item.content == name]


def find_told(scene: Scene, request: str) -> list[Item]:
    """Find the items that a description is asked of."""
    for start in (DESCRIBE, COUNT):
        if request.startswith(start):
            return find_named(scene, "", request.removeprefix(start)[:-1])
    return []


def ground_turns(
    turns: list[tuple[str, str]], split: str, index: int, count: int, seed: int
) -> NDArray[np.int8]:
    """Mark the patches of what each turn of a conversation is about.

    Args:
        turns: what `labels.scenes.conversation` gave for the same split, index, count and seed.
        split: name of the split.
        index: number of the scene within it.
        count: most questions wanted.
        seed: seed of the whole benchmark.

    Returns:
        One map a turn [turns, 576], as `m3_backbone.grounding` takes it: 0 where nothing is that
        matters, 1 where it matters for the whole answer, k > 1 for the k-th token from its end. A
        digit is taken to be one token.
    """
    scene = make_scene(split, index, seed)
    random = open_stream(split, index, seed, QUESTION_STREAM)
    drafts = ask_scene(scene, random, count, split == TRAINING)
    told = [find_told(scene, request) for request, _ in turns[: len(turns) - len(drafts)]]
    asked = [
        find_named(scene, draft.template, draft.slots["name"]) if draft.template in NAMING else []
        for draft in drafts
    ]
    maps = np.zeros((len(turns), GRID_SIDE, GRID_SIDE), dtype=np.int8)
    for place, items in zip(maps, told + asked, strict=True):
        for item in items:
            place[cover_patches(item)] = mark_of(item)
    return maps.reshape(len(turns), -1)


def mark_of(item: Item) -> int:
    """Say which tokens of an answer hang on an item: all of them, or a digit's own alone."""
    if not item.left or item.content not in DIGITS:
        return WHOLE_ANSWER
    # Behind a digit come the number's others and the end token.
    return NUMBER_DIGITS - item.column + 1
