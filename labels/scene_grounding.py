"""Where what a question is about lies on the canvas: training only, never shown to a router."""

import numpy as np
from numpy.typing import NDArray

from labels.scene_dense import cover_patches
from labels.scene_items import Item, Scene
from labels.scene_questions import ask_scene, unique_items
from labels.scene_splits import QUESTION_STREAM, make_scene, open_stream
from m3_backbone.scales import GRID_SIDE

DESCRIBE = "Describe the "
# Templates whose answer hangs on the one thing they name.
NAMING = ("place", "colour", "price", "bar", "beside", "bar colour")


def find_named(scene: Scene, template: str, name: str) -> Item | None:
    """Find the item that a question names; the bar itself where its colour is asked for."""
    if template == "bar colour":
        return next((i for i in scene.items if i.content == "bar" and i.left == name), None)
    return next((item for item in unique_items(scene) if item.content == name), None)


def ground_turns(
    turns: list[tuple[str, str]], split: str, index: int, count: int, seed: int
) -> NDArray[np.bool_]:
    """Mark the patches of what each turn of a conversation is about.

    Args:
        turns: what `labels.scenes.conversation` gave for the same split, index, count and seed.
        split: name of the split.
        index: number of the scene within it.
        count: most questions wanted.
        seed: seed of the whole benchmark.

    Returns:
        One map a turn [turns, 576]; all False for a turn that is about nothing in particular.
    """
    scene = make_scene(split, index, seed)
    drafts = ask_scene(scene, open_stream(split, index, seed, QUESTION_STREAM), count)
    named = [(d.template, d.slots["name"]) if d.template in NAMING else None for d in drafts]
    told = [
        ("", question.removeprefix(DESCRIBE)[:-1]) if question.startswith(DESCRIBE) else None
        for question, _ in turns[: len(turns) - len(drafts)]
    ]
    maps = np.zeros((len(turns), GRID_SIDE, GRID_SIDE), dtype=bool)
    for place, key in zip(maps, told + named, strict=True):
        item = find_named(scene, *key) if key else None
        if item is not None:
            place[cover_patches(item)] = True
    return maps.reshape(len(turns), -1)
