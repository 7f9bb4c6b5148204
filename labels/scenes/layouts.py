"""Makes the six kinds of scene (grid, scene, menu, chart, page, list) from a random generator.

Within each kind the number of items is drawn about log-uniformly, so that what a question asks
about may be as small as a patch or as large as the image.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from labels.scenes.items import Item, Scene
from labels.scenes.vocabulary import (
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

# Everything lies on the raster of patches and has one of few sizes: a small model, trained for an
# hour on two cores, is to learn from how much is on the canvas and not from how it is shifted.
RASTER = 8  # pixels

GLYPH_SIDES = (8, 12, 16, 24, 32, 48)

# Side of a grid -> its share.
GRID_SIDES = {
    1: 0.05,
    2: 0.09,
    3: 0.13,
    4: 0.16,
    6: 0.19,
    8: 0.20,
    12: 0.11,
    16: 0.05,
    24: 0.02,
}

LARGEST_CELL = 64
ROWS = (1, 2, 3, 4, 6, 8, 12)
CHART_ROWS = (3, 4, 6, 9, 12)
LETTER_WIDTHS = (8, 16)
LONGEST_WORD = 5
MOST_ITEMS = 30
SMALLEST_CUT = 32 * 16
HIGHEST_VALUE = 9
BAR_START = IMAGE_SIDE // 2
MOST_COUNTED = 3

# Side of a digit [pixels] -> how many lines of a list there may be.
LIST_ROWS = {8: (6, 12, 24), 16: (3, 6, 12), 32: (1, 2, 3, 6)}

LIST_SIDES = {8: 0.58, 16: 0.28, 32: 0.14}
NUMBER_DIGITS = 4


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
    """Draw `count` pictograms: half of the classes once, a quarter two or three times.

    The other classes fill the rest. Only a pictogram that occurs once can be asked about by name,
    even among two hundred, and one that is to be counted must not be too frequent.
    """
    unique = classes[: max(1, len(classes) // 2)]
    few = classes[len(unique) : len(unique) + len(classes) // 4]
    others = classes[len(unique) + len(few) :] or unique
    # Some twice or three times, then the others until there are enough, and all shuffled.
    names = unique + [name for name in few for _ in range(random.integers(2, MOST_COUNTED + 1))]
    # Cut to `count`: in a small grid the unique ones come first.
    names = (names + [pick(random, others) for _ in range(count)])[:count]
    return [names[int(i)] for i in random.permutation(count)]


def make_glyph(random: Random, name: str, box: Box) -> Item:
    """Put a pictogram of a random colour into a box."""
    if name in UNSEEN_GLYPHS:
        return Item("unseen", UNSEEN_GLYPHS[name], box, colour=pick(random, tuple(COLOURS)))
    return Item(name, GLYPHS[name], box, colour=pick(random, tuple(COLOURS)))


def snap(value: float, step: int) -> int:
    """Round down to a multiple of `step` pixels."""
    return int(value // step) * step


def draw_side(random: Random, space: float) -> int:
    """Draw one of the two largest sides of a pictogram that fit into `space` pixels."""
    # Ascending, so that the last ones are the largest.
    fitting = [side for side in GLYPH_SIDES if side <= space]
    return pick_number(random, tuple(fitting[-2:] if space >= 2 * RASTER else fitting[-1:]))


def place_square(random: Random, box: Box, side: int) -> Box:
    """Put a square of `side` pixels on the raster inside a box."""
    left = box[0] + snap(random.uniform(0, box[2] - box[0] - side), RASTER)
    top = box[1] + snap(random.uniform(0, box[3] - box[1] - side), RASTER)
    return (left, top, left + side, top + side)


def make_grid(random: Random, unseen: bool) -> Scene:
    """Lay out pictograms in a square grid of 1 to 24 a side."""
    side = int(random.choice(list(GRID_SIDES), p=list(GRID_SIDES.values())))
    cell = min(IMAGE_SIDE // side, LARGEST_CELL)
    room = IMAGE_SIDE - cell * side  # pixels that the grid leaves free
    start = (snap(random.uniform(0, room), RASTER), snap(random.uniform(0, room), RASTER))
    names = fill_classes(random, draw_classes(random, unseen), side * side)
    size = draw_side(random, cell)
    items = []
    for index, name in enumerate(names):
        row, column = divmod(index, side)
        corner = (start[0] + column * cell, start[1] + row * cell)
        box = place_square(random, (*corner, corner[0] + cell, corner[1] + cell), size)
        glyph = make_glyph(random, name, box)
        # Row-major: the neighbours of a cell are the entries beside it.
        left = names[index - 1] if column > 0 else ""
        right = names[index + 1] if column < side - 1 else ""
        items.append(Item(glyph.content, glyph.text, box, glyph.colour, row, column, left, right))
    return finish(random, "grid", items, side, side, unseen)


def split_canvas(random: Random, count: int) -> list[Box]:
    """Cut the canvas into `count` boxes of very different sizes."""
    boxes: list[Box] = [(0.0, 0.0, float(IMAGE_SIDE), float(IMAGE_SIDE))]
    evenness = random.uniform(0.2, 1.0)  # at 1, large boxes are cut far more often than small ones
    while len(boxes) < count:
        areas = np.array([(b[2] - b[0]) * (b[3] - b[1]) for b in boxes])
        # Boxes that are too small to halve are never chosen.
        weights = np.where(areas >= SMALLEST_CUT, areas**evenness, 0)
        chosen = boxes.pop(int(random.choice(len(boxes), p=weights / weights.sum())))
        share = random.uniform(0.35, 0.65)
        left, top, right, bottom = chosen
        if right - left >= bottom - top:  # cut across the longer side
            middle = left + snap(share * (right - left), RASTER)
            boxes += [(left, top, middle, bottom), (middle, top, right, bottom)]
        else:
            middle = top + snap(share * (bottom - top), RASTER)
            boxes += [(left, top, right, middle), (left, middle, right, bottom)]
    return boxes


def make_free(random: Random, unseen: bool) -> Scene:
    """Scatter 1 to 30 pictograms of mixed sizes; rows and columns are the ninths of the canvas."""
    count = round(float(np.exp(random.uniform(0, np.log(MOST_ITEMS)))))  # log-uniform
    names = fill_classes(random, draw_classes(random, unseen), count)
    items = []
    for name, outer in zip(names, split_canvas(random, count), strict=True):
        space = min(outer[2] - outer[0], outer[3] - outer[1])
        box = place_square(random, outer, draw_side(random, space))
        glyph = make_glyph(random, name, box)
        # The ninth of the canvas in which the centre lies.
        row = min(int((box[1] + box[3]) / 2 / IMAGE_SIDE * 3), 2)
        column = min(int((box[0] + box[2]) / 2 / IMAGE_SIDE * 3), 2)
        items.append(Item(glyph.content, glyph.text, box, glyph.colour, row, column))
    return finish(random, "scene", items, 3, 3, unseen)


def size_lines(random: Random, rows: int, letters: int) -> tuple[int, int]:
    """Choose the top of the first line and the width of a letter; a line is two letters high.

    Lines start at multiples of their height, so that what a pooled token covers depends on their
    size and not on chance.

    Args:
        random: source of all choices.
        rows: lines on the page.
        letters: letters that must fit side by side.

    Returns:
        Top of the first line and width of a letter, in pixels.
    """
    fitting = [w for w in LETTER_WIDTHS if 2 * w * rows <= IMAGE_SIDE and w * letters <= IMAGE_SIDE]
    letter = pick_number(random, tuple(fitting))
    height = 2 * letter
    # The 1 lets the last start be drawn, since uniform leaves its upper end out.
    return snap(random.uniform(0, IMAGE_SIDE - height * rows + 1), height), letter


def make_menu(random: Random, unseen: bool) -> Scene:
    """Write 1 to 12 lines of an item and its price of 1 to 9, in one or two columns."""
    rows = pick_number(random, ROWS)
    columns = 2 if rows >= 3 and random.random() < 0.5 else 1
    words = pick_many(random, WORDS, rows * columns)
    start, letter = size_lines(random, rows, columns * (LONGEST_WORD + 2))
    slot = IMAGE_SIDE // columns
    price_left = (LONGEST_WORD + 1) * letter
    items = []
    for index, word in enumerate(words):
        column, row = divmod(index, rows)  # a column is filled before the next
        left = column * slot
        top = start + 2 * letter * row
        price = int(random.integers(1, HIGHEST_VALUE + 1))
        box = (left, top, left + letter * len(word), top + 2 * letter)
        items.append(Item(word, word, box, row=row, column=column, value=price))
        # The price is an item of its own, at the same place behind every word.
        edge = left + price_left
        box = (edge, top, edge + letter, top + 2 * letter)
        items.append(Item(str(price), str(price), box, row=row, column=2, left=word, value=price))
    return finish(random, "menu", items, rows, columns, unseen)


def make_chart(random: Random, unseen: bool) -> Scene:
    """Draw 3 to 12 labelled horizontal bars with a value of 1 to 9."""
    rows = pick_number(random, CHART_ROWS)
    words = pick_many(random, WORDS, rows)
    start, letter = size_lines(random, rows, 2 * LONGEST_WORD)
    items = []
    for row, word in enumerate(words):
        level = int(random.integers(1, HIGHEST_VALUE + 1))
        top = start + 2 * letter * row
        box = (0, top, letter * len(word), top + 2 * letter)
        items.append(Item(word, word, box, row=row, value=level))
        bar = (
            BAR_START,
            top + letter // 2,
            BAR_START + level * RASTER,
            top + 2 * letter - letter // 2,
        )
        colour = pick(random, tuple(COLOURS))
        items.append(Item("bar", "", bar, colour, row, left=word, value=level))
    return finish(random, "chart", items, rows, 1, unseen)


def make_page(random: Random, unseen: bool) -> Scene:
    """Write 1 to 12 lines of one to four words."""
    rows = pick_number(random, ROWS)
    columns = int(random.integers(1, 5))
    start, letter = size_lines(random, rows, columns * (LONGEST_WORD + 1) - 1)
    slot = IMAGE_SIDE // columns
    items = []
    for row in range(rows):
        top = start + 2 * letter * row
        for column in range(columns):
            word = pick(random, WORDS)
            left = column * slot
            box = (left, top, left + letter * len(word), top + 2 * letter)
            items.append(Item(word, word, box, row=row, column=column))
    return finish(random, "page", items, rows, columns, unseen)


def make_list(random: Random, unseen: bool) -> Scene:
    """Write lines of pictograms, each with a number of four digits, in one, two or four columns.

    The digits touch each other and the lines do too, so pooling mixes them: reading a number needs
    every patch, unlike the one word or colour of other kinds.
    """
    side = int(random.choice(list(LIST_SIDES), p=list(LIST_SIDES.values())))
    rows = pick_number(random, LIST_ROWS[side])
    entry = (NUMBER_DIGITS + 2) * side  # width of pictogram, number and a gap
    columns = IMAGE_SIDE // entry
    start = snap(random.uniform(0, IMAGE_SIDE - rows * side + 1), side)
    names = fill_classes(random, draw_classes(random, unseen), rows * columns)
    items = []
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        edges = [column * entry + place * side for place in range(NUMBER_DIGITS + 1)]
        top = start + row * side
        # A square for the pictogram and one for each digit.
        boxes = [(left, top, left + side, top + side) for left in edges]
        digits = "".join(str(digit) for digit in random.integers(10, size=NUMBER_DIGITS))
        glyph = make_glyph(random, name, boxes[0])
        items.append(replace(glyph, row=row, column=column, number=digits))
        items += [
            Item(digit, digit, box, row=row, column=place, left=name, value=int(digit))
            for place, (digit, box) in enumerate(zip(digits, boxes[1:], strict=True))
        ]
    return finish(random, "list", items, rows, columns, unseen)


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
    "list": make_list,
}
