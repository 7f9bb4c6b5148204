"""Descriptions of scenes, for training only: long answers that say what is where.

From a short answer a newly initialised language model learns one word; from a whole row, or all
facts about an item, it learns many, each of which has to be looked up in the image. Descriptions do
for the built-in model what captions do for a LLaVA before its instruction tuning. The benchmark
asks no such questions.
"""

import numpy as np

from labels.scenes.items import Item, Scene
from labels.scenes.layouts import pick
from labels.scenes.questions import ask_counting, draw_item, unique_items
from labels.scenes.vocabulary import GLYPHS, PLACES, WORDS

Random = np.random.Generator
Turn = tuple[str, str]
LONGEST_READING = 6
SEEN_AT_ONCE = 3

# How requests about named things begin; the name and a full stop follow.
DESCRIBE = "Describe the "

COUNT = "Count the "
POINT = "Point at each "


def item_text(item: Item, scene: Scene) -> str:
    """Name an item with its colour, value or number."""
    if scene.kind in ("menu", "chart"):
        return f"{item.content} {item.value}"
    if scene.kind == "list":
        return f"{item.content} {item.number}"
    return f"{item.colour} {item.content}" if item.colour else item.content


def read_row(scene: Scene, random: Random) -> Turn | None:
    """Read a row of a grid, or a line of words, from a random item on."""
    if scene.kind == "scene":
        return None
    start = draw_item(random, [i for i in scene.items if i.content in (*GLYPHS, *WORDS)])
    if start is None:
        return None
    row = [item for item in scene.items if item.row == start.row]
    behind = [item for item in row if item.column >= start.column]
    behind = [item for item in behind if item.content in (*GLYPHS, *WORDS)]
    behind.sort(key=lambda item: item.column)
    answer = " ".join(item_text(item, scene) for item in behind[:LONGEST_READING])
    if start.column <= 0:
        return pick(random, ("Read line {0}.", "Read row {0}.")).format(start.row + 1), answer
    return f"Read row {start.row + 1} from column {start.column + 1}.", answer


def describe_item(scene: Scene, random: Random) -> Turn | None:
    """Give all facts about an item that occurs once."""
    item = draw_item(random, unique_items(scene))
    if item is None:
        return None
    return f"{DESCRIBE}{item.content}.", item_facts(item, scene.kind)


def count_items(scene: Scene, random: Random) -> Turn | None:
    """Count a pictogram, one by one in a draw that counts further than can be seen at once."""
    draft = ask_counting(scene, random)
    if draft is None:
        return None
    name = draft.slots["name"]
    if scene.most_counted <= SEEN_AT_ONCE:
        return f"{COUNT}{name}.", draft.answer
    # "1234": each digit has one thing to look at, see `labels.scenes.dense_targets`.
    return f"{POINT}{name}.", "".join(str(k + 1) for k in range(int(draft.answer)))


def item_facts(item: Item, kind: str) -> str:
    """Give the facts about an item.

    Its place comes last: from the place, everything else would be easier to look up.
    """
    row = item.row + 1
    column = item.column + 1
    if kind == "scene":
        return f"{item.colour} {PLACES[item.row * 3 + item.column]}"
    if kind == "grid":
        beside = f"left {item.left or 'none'} right {item.right or 'none'}"
        return f"{item.colour} {beside} row {row} column {column}"
    if kind == "list":
        return f"{item.colour} number {item.number} row {row} column {column}"
    if kind == "page":
        return f"line {row} column {column}"
    return f"value {item.value} line {row}"


def describe_scene(scene: Scene, random: Random, count: int) -> list[Turn]:
    """Draw up to `count` different descriptions.

    Args:
        scene: the scene.
        random: source of all choices.
        count: how many are wanted.

    Returns:
        Pairs of a request and the text that answers it.
    """
    turns: dict[str, str] = {}
    tellers = (describe_item, read_row, count_items)
    # By turns, and no request twice; not every scene has `count` of them.
    for attempt in range(2 * count):
        turn = tellers[attempt % 3](scene, random)
        if turn is not None:
            turns.setdefault(*turn)
        if len(turns) == count:
            break
    return list(turns.items())
