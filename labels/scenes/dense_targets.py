"""Dense targets, which train a vision tower from scratch: what is drawn on each patch.

Each target is a map [24, 24] of class numbers with -1 where it does not apply.
"""

import numpy as np
from numpy.typing import NDArray

from labels.scenes.benchmark import NO_EXTRA, ExtraTurns, casual_turns
from labels.scenes.descriptions import COUNT, DESCRIBE, POINT
from labels.scenes.draws import DRAWS, SCENES_V2, TRAINING, Draw
from labels.scenes.items import CONTENT_INDEX, CONTENTS, NOTHING, Item, Scene
from labels.scenes.measures import NUMBER_DIGITS
from labels.scenes.questions import ask_scene
from labels.scenes.splits import QUESTION_STREAM, make_scene, open_stream
from labels.scenes.vocabulary import BACKGROUNDS, COLOURS, GLYPHS, IMAGE_SIDE, KINDS
from m3_backbone.scales import GRID_SIDE

WHOLE_ANSWER = 1
DIGITS = "0123456789"

# Templates whose answer depends on the items they name.
NAMING = ("place", "colour", "price", "bar", "beside", "bar colour", "count", "number")

# Kinds of everyday questions that are answered with all digits of a number.
SPELT = ("number", "line number")

COLOUR_NAMES = tuple(COLOURS)
BACKGROUND_NAMES = tuple(BACKGROUNDS)
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"

MIDDLE_PARTS = 8
"""Parts in which the middle of an item is shared out among its patches."""

# Target name -> number of classes.
DENSE_TARGETS = {
    "content": len(CONTENTS),
    "colour": len(COLOURS),
    "letter": len(LETTERS),
    "row": 24,
    "column": 24,
    "left": len(CONTENTS),
    "right": len(CONTENTS),
    "value": 10,
    "copies": max(draw.most_counted for draw in DRAWS.values()) + 1,
    "kind": len(KINDS),
    "background": len(BACKGROUNDS),
    "rows": 25,
    "middle": MIDDLE_PARTS + 1,
}


def item_targets(item: Item) -> dict[str, int]:
    """Give the class numbers of one item."""
    return {
        "content": CONTENT_INDEX[item.content],
        "colour": COLOUR_NAMES.index(item.colour) if item.colour else NOTHING,
        "row": item.row,
        "column": item.column,
        "left": CONTENT_INDEX.get(item.left, NOTHING),
        "right": CONTENT_INDEX.get(item.right, NOTHING),
        "value": item.value,
    }


def cover_patches(item: Item) -> tuple[slice, slice]:
    """Find the patches whose centre an item covers, at least one."""
    pixels = IMAGE_SIDE / GRID_SIDE
    edges = []
    # A word ends between two pixels; its box is of whole ones.
    right = item.edges[-1] if item.edges else item.box[2]
    for low, high in ((item.box[1], item.box[3]), (item.box[0], right)):
        # The centre of patch k is at (k + 0.5) * pixels; one on an edge is of what begins there.
        first = int(np.ceil(low / pixels - 0.5))
        last = int(np.ceil(high / pixels - 0.5)) - 1
        if last < first:  # no centre is covered: take the patch in the middle
            first = last = int((low + high) / 2 / pixels)
        # Cut at the canvas; the end of a slice is one past the last patch.
        edges.append(slice(max(first, 0), min(last, GRID_SIDE - 1) + 1))
    return edges[0], edges[1]


def dense_targets(scene: Scene) -> dict[str, NDArray[np.int64]]:
    """Give the class number of every target on every patch.

    Returns:
        One map [24, 24] per name in `DENSE_TARGETS`; -1 where a target does not apply.
    """
    maps = {name: np.full((GRID_SIDE, GRID_SIDE), NOTHING) for name in DENSE_TARGETS}
    maps["content"][:] = 0  # "none"
    maps["kind"][:] = KINDS.index(scene.kind)
    if scene.nameable:
        maps["background"][:] = BACKGROUND_NAMES.index(scene.background)
    maps["rows"][:] = scene.rows
    for item in scene.items:
        area = cover_patches(item)
        for name, number in item_targets(item).items():
            # Later items overwrite earlier ones, as they do when drawn.
            maps[name][area] = number
        if item.content in GLYPHS and scene.counts[item.content] <= scene.most_counted:
            maps["copies"][area] = scene.counts[item.content]
            maps["middle"][area] = share_middle(item, area)
        # "" is ASCII too, and has no letter.
        if item.text.isascii() and item.text:
            maps["letter"][area] = spell_patches(item, area[1])
    return maps


def share_middle(item: Item, area: tuple[slice, slice]) -> NDArray[np.int64]:
    """Share the middle of an item out among its patches, most to those whose centre is nearest.

    The parts of a large item add up to as much as those of a small one, so that adding them up
    counts items, where the patches of all would count how much they cover.

    Returns:
        Parts of each patch [rows, columns], together about `MIDDLE_PARTS`.
    """
    shares = []
    for axis, patches in enumerate(area):  # down, across
        middle = (item.box[1 - axis] + item.box[3 - axis]) / 2 * GRID_SIDE / IMAGE_SIDE  # [patches]
        centres = np.arange(patches.start, patches.stop) + 0.5
        near = np.clip(1 - np.abs(centres - middle), 0, None)
        shares.append(near / near.sum())
    down, across = shares
    parts: NDArray[np.int64] = np.rint(MIDDLE_PARTS * np.outer(down, across)).astype(np.int64)
    return parts


def spell_patches(item: Item, columns: slice) -> NDArray[np.int64]:
    """Give the letter of a word that is at the centre of each of its columns of patches."""
    centres = (np.arange(columns.start, columns.stop) + 0.5) * IMAGE_SIDE / GRID_SIDE  # [pixels]
    cell = (item.box[2] - item.box[0]) / len(item.text)  # width of a letter [pixels]
    if item.edges:
        places = np.searchsorted(item.edges, centres, side="right")
    else:
        places = ((centres - item.box[0]) // cell).astype(int)
    # Number of the letter under each centre, kept within the word [columns].
    places = np.clip(places, 0, len(item.text) - 1)
    return np.array([LETTERS.index(item.text[place]) for place in places])


def find_named(scene: Scene, template: str, name: str) -> list[Item]:
    """Find the items that a question names; the bar or the digits where they are asked for."""
    if template == "bar colour":
        return [item for item in scene.items if item.content == "bar" and item.left == name]
    if template == "number":
        return [item for item in scene.items if item.value >= 0 and item.left == name]
    return [item for item in scene.items if item.content == name]


Marks = list[tuple[Item, int]]


def find_described(scene: Scene, request: str) -> Marks:
    """Find the items that a request for a description names, and which tokens depend on each."""
    for start in (DESCRIBE, COUNT):
        if request.startswith(start) and request.endswith("."):
            found = find_named(scene, "", request.removeprefix(start)[:-1])
            return [(item, mark_of(item)) for item in found]
    if not request.startswith(POINT):
        return []
    found = find_named(scene, "", request.removeprefix(POINT)[:-1])
    # As one reads; rows of a free scene are bands, so each band from left to right.
    found.sort(key=lambda item: (item.row, item.box[0]))
    # After the digit of the first come those of the others and the end token.
    return [(item, len(found) - place + 1) for place, item in enumerate(found)]


def ground_turns(
    turns: list[tuple[str, str]],
    index: int,
    count: int,
    seed: int,
    draw: Draw = SCENES_V2,
    extra: ExtraTurns = NO_EXTRA,
) -> NDArray[np.int8]:
    """Mark the patches of what each turn of a conversation is about.

    Args:
        turns: what `labels.scenes.benchmark.conversation` gave for the training split and the same
            index, count, seed, draw and extra.
        index: number of the scene within the training split.
        count: most questions wanted.
        seed: seed of the whole benchmark.
        draw: configuration of the benchmark.
        extra: what stands in front of the questions.

    Returns:
        One map per turn [turns, 576], as `m3_backbone.training.auxiliary_losses` takes it: 0 where
        the patch does not matter, 1 where it matters for the whole answer, k > 1 for the k-th token
        from its end. A digit is taken to be one token.
    """
    scene = make_scene(TRAINING, index, seed, draw)
    random = open_stream(TRAINING, index, seed, QUESTION_STREAM, draw)
    drafts = ask_scene(scene, random, draw, count, True)
    casual = [
        [(item, mark_of(item) if turn.kind in SPELT else WHOLE_ANSWER) for item in turn.items]
        for turn in casual_turns(TRAINING, index, extra.casual, seed, draw)
    ]
    # Descriptions come first, then questions in everyday words, then those of the draw.
    requests = [request for request, _ in turns[: len(turns) - len(casual) - len(drafts)]]
    described = [find_described(scene, request) for request in requests]
    asked = [
        [(item, mark_of(item)) for item in find_named(scene, draft.template, draft.slots["name"])]
        if draft.template in NAMING
        else []
        for draft in drafts
    ]
    # One byte a patch: there are many maps in a batch.
    maps = np.zeros((len(turns), GRID_SIDE, GRID_SIDE), dtype=np.int8)
    for turn_map, items in zip(maps, described + casual + asked, strict=True):
        for item, mark in items:
            turn_map[cover_patches(item)] = mark
    return maps.reshape(len(turns), -1)


def mark_of(item: Item) -> int:
    """Tell which tokens of an answer depend on an item: all, or only that of a digit."""
    if not item.left or item.content not in DIGITS:
        return WHOLE_ANSWER
    # After a digit come the remaining digits of the number and the end token.
    return NUMBER_DIGITS - item.column + 1
