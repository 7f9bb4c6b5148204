"""Makes the five kinds of scene (grid, scene, menu, chart, page) from a random generator.

How much is on the canvas is drawn log-uniformly within every kind, so that the size of what a
question asks about spans one patch to the whole image whatever the question is.
"""

from collections.abc import Callable

import numpy as np

from labels.scene_items import Item, Scene
from labels.scene_vocabulary import (
    BACKGROUNDS,
    COLOURS,
    FONTS,
    GLYPHS,
    IMAGE_SIDE,
    UNSEEN_FONTS,
    UNSEEN_GLYPHS,
    WORDS,
)

Random = np.random.Generator
Box = tuple[float, float, float, float]

GRID_SIDES = (1, 2, 3, 4, 6, 8, 12, 16)
ROWS = (1, 2, 3, 4, 6, 8, 12)
CHART_ROWS = (3, 4, 6, 9, 12)
LARGEST_GLYPH = 64.0
LARGEST_TEXT = 24.0
LARGEST_PITCH = 32.0
MOST_ITEMS = 30
BAR_LEVELS = 9


def pick(random: Random, values: tuple[str, ...] | list[str]) -> str:
    """Draw one string uniformly."""
    return values[int(random.integers(len(values)))]


def pick_number(random: Random, values: tuple[int, ...]) -> int:
    """Draw one integer uniformly from a tuple."""
    return values[int(random.integers(len(values)))]


def pick_many(random: Random, values: tuple[str, ...], count: int) -> list[str]:
    """Draw `count` different strings."""
    return [values[int(i)] for i in random.permutation(len(values))[:count]]


def draw_classes(random: Random, unseen: bool) -> list[str]:
    """Choose which pictograms an image may show; some always stay absent."""
    classes = pick_many(random, tuple(GLYPHS), int(random.integers(5, 13)))
    return classes + pick_many(random, tuple(UNSEEN_GLYPHS), 2) if unseen else classes


def fill_classes(random: Random, classes: list[str], count: int) -> list[str]:
    """Draw `count` pictograms so that about half of the chosen classes occur exactly once.

    A named object has to be unique to be asked about, also in a field of two hundred.
    """
    unique = classes[: max(1, len(classes) // 2)][:count]
    others = classes[len(unique) :] or unique
    names = unique + [pick(random, others) for _ in range(count - len(unique))]
    return [names[int(i)] for i in random.permutation(count)]


def make_glyph(random: Random, name: str, box: Box) -> Item:
    """Put a pictogram of a random colour into a box."""
    if name in UNSEEN_GLYPHS:
        return Item("unseen", UNSEEN_GLYPHS[name], box, colour=pick(random, tuple(COLOURS)))
    return Item(name, GLYPHS[name], box, colour=pick(random, tuple(COLOURS)))


def shrink_box(random: Random, box: Box, low: float, high: float) -> Box:
    """Take a random square inside a box whose side is `low` to `high` of the shorter side."""
    width, height = box[2] - box[0], box[3] - box[1]
    side = max(min(width, height, LARGEST_GLYPH) * random.uniform(low, high), 8.0)
    left = box[0] + random.uniform(0, max(width - side, 0))
    top = box[1] + random.uniform(0, max(height - side, 0))
    return (left, top, left + side, top + side)


def make_grid(random: Random, unseen: bool) -> Scene:
    """Lay out pictograms in a square grid of 1 to 16 a side."""
    side = pick_number(random, GRID_SIDES)
    cell = min(IMAGE_SIDE / side, LARGEST_GLYPH) * random.uniform(0.92, 1.0)
    start = (random.uniform(0, IMAGE_SIDE - cell * side), random.uniform(0, IMAGE_SIDE - cell * side))
    names = fill_classes(random, draw_classes(random, unseen), side * side)
    items = []
    for index, name in enumerate(names):
        row, column = divmod(index, side)
        corner = (start[0] + column * cell, start[1] + row * cell)
        box = shrink_box(random, (*corner, corner[0] + cell, corner[1] + cell), 0.78, 0.95)
        glyph = make_glyph(random, name, box)
        left = names[index - 1] if column > 0 else ""
        right = names[index + 1] if column < side - 1 else ""
        items.append(
            Item(glyph.content, glyph.text, box, glyph.colour, row, column, left, right)
        )
    return finish(random, "grid", items, side, side, unseen)


def split_canvas(random: Random, count: int) -> list[Box]:
    """Cut the canvas into `count` boxes of very different sizes."""
    boxes: list[Box] = [(0.0, 0.0, float(IMAGE_SIDE), float(IMAGE_SIDE))]
    evenness = random.uniform(0.2, 1.0)
    while len(boxes) < count:
        areas = np.array([(b[2] - b[0]) * (b[3] - b[1]) for b in boxes])
        weights = np.where(areas >= 2 * 13 * 13, areas**evenness, 0)
        chosen = boxes.pop(int(random.choice(len(boxes), p=weights / weights.sum())))
        share = random.uniform(0.35, 0.65)
        left, top, right, bottom = chosen
        if right - left >= bottom - top:
            middle = left + share * (right - left)
            boxes += [(left, top, middle, bottom), (middle, top, right, bottom)]
        else:
            middle = top + share * (bottom - top)
            boxes += [(left, top, right, middle), (left, middle, right, bottom)]
    return boxes


def make_free(random: Random, unseen: bool) -> Scene:
    """Scatter 1 to 30 pictograms of mixed sizes; rows and columns are the ninths of the canvas."""
    count = round(float(np.exp(random.uniform(0, np.log(MOST_ITEMS)))))
    names = fill_classes(random, draw_classes(random, unseen), count)
    items = []
    for name, outer in zip(names, split_canvas(random, count), strict=True):
        box = shrink_box(random, outer, 0.5, 0.95)
        glyph = make_glyph(random, name, box)
        row = min(int((box[1] + box[3]) / 2 / IMAGE_SIDE * 3), 2)
        column = min(int((box[0] + box[2]) / 2 / IMAGE_SIDE * 3), 2)
        items.append(Item(glyph.content, glyph.text, box, glyph.colour, row, column))
    return finish(random, "scene", items, 3, 3, unseen)


def stack_lines(random: Random, rows: int) -> tuple[float, float]:
    """Choose the top of the first line and the distance between lines, in pixels."""
    pitch = min(IMAGE_SIDE / rows, LARGEST_PITCH)
    return random.uniform(0, IMAGE_SIDE - pitch * rows), pitch


def make_menu(random: Random, unseen: bool) -> Scene:
    """Write 1 to 24 lines of an item and its price, in one or two columns."""
    rows = pick_number(random, ROWS)
    columns = 2 if rows >= 3 and random.random() < 0.5 else 1
    words = pick_many(random, WORDS, rows * columns)
    start, pitch = stack_lines(random, rows)
    slot = IMAGE_SIDE / columns
    height = min(pitch * 0.9, LARGEST_TEXT)
    digit = height * 0.66
    items = []
    for index, word in enumerate(words):
        row, column = index % rows, index // rows
        top = start + row * pitch + (pitch - height) / 2
        left, right = column * slot + 3, (column + 1) * slot - 3
        tens, units = str(int(random.integers(1, 10))), str(int(random.integers(0, 10)))
        word_box = (left, top, min(right - 2 * digit - 2, left + 4.2 * height), top + height)
        items.append(
            Item(word, word, word_box, row=row, column=column, right=tens, value=int(units))
        )
        for place, text in enumerate((tens, units)):
            edge = right - (2 - place) * digit
            box = (edge, top, edge + digit, top + height)
            items.append(Item(text, text, box, row=row, column=2 + place, left=word))
    return finish(random, "menu", items, rows, columns, unseen)


def make_chart(random: Random, unseen: bool) -> Scene:
    """Draw 3 to 12 labelled horizontal bars with a value of 1 to 9."""
    rows = pick_number(random, CHART_ROWS)
    words = pick_many(random, WORDS, rows)
    start, pitch = stack_lines(random, rows)
    height = min(pitch * 0.85, 20.0)
    items = []
    for row, word in enumerate(words):
        level = int(random.integers(1, BAR_LEVELS + 1))
        top = start + row * pitch + (pitch - height) / 2
        items.append(Item(word, word, (3, top, 70, top + height), row=row, value=level))
        bar = (72, top + 1, 72 + level * 13, top + height - 1)
        colour = pick(random, tuple(COLOURS))
        items.append(Item("bar", "", bar, colour, row, left=word, value=level))
    return finish(random, "chart", items, rows, 1, unseen)


def make_page(random: Random, unseen: bool) -> Scene:
    """Write 1 to 12 lines of one to four words."""
    rows = pick_number(random, ROWS)
    columns = int(random.integers(1, 5))
    start, pitch = stack_lines(random, rows)
    slot = IMAGE_SIDE / columns
    height = min(pitch * 0.9, LARGEST_TEXT, slot * 0.3)
    items = []
    for row in range(rows):
        top = start + row * pitch + (pitch - height) / 2
        for column in range(columns):
            word, left = pick(random, WORDS), column * slot + 2
            box = (left, top, left + min(slot - 4, 4.2 * height), top + height)
            items.append(Item(word, word, box, row=row, column=column))
    return finish(random, "page", items, rows, columns, unseen)


def finish(
    random: Random, kind: str, items: list[Item], rows: int, columns: int, unseen: bool
) -> Scene:
    """Choose background and font and close the scene."""
    background = pick(random, tuple(BACKGROUNDS))
    font = pick(random, UNSEEN_FONTS if unseen else FONTS)
    return Scene(kind, background, tuple(items), rows, columns, font, textured=unseen)


MAKERS: dict[str, Callable[[Random, bool], Scene]] = {
    "grid": make_grid,
    "scene": make_free,
    "menu": make_menu,
    "chart": make_chart,
    "page": make_page,
}
