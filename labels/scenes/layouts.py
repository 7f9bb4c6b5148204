"""Makes the six kinds of scene (grid, scene, menu, chart, page, list) from a random generator.

Within each kind the number of items is drawn about log-uniformly, so that what a question asks
about may be as small as a patch or as large as the image.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from labels.scenes.draws import Draw
from labels.scenes.items import Item, Scene
from labels.scenes.measures import (
    HIGHEST_VALUE,
    NUMBER_DIGITS,
    RASTER,
    Box,
    Random,
    draw_indent,
    draw_offset,
    draw_side,
    pick_number,
    place_square,
    size_bars,
    size_cell,
    size_lines,
    size_list,
    snap,
    start_lines,
)
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

ROWS = (1, 2, 3, 4, 6, 8, 12)
CHART_ROWS = (3, 4, 6, 9, 12)
LONGEST_WORD = 5
MOST_ITEMS = 30
SMALLEST_CUT = 32 * 16


class Layout(NamedTuple):
    """What lies where, before background and font are chosen."""

    items: list[Item]
    rows: int
    columns: int


def pick(random: Random, values: tuple[str, ...] | list[str]) -> str:
    """Draw one string uniformly."""
    return values[int(random.integers(len(values)))]


def pick_many(random: Random, values: tuple[str, ...], count: int) -> list[str]:
    """Draw `count` different strings."""
    return [values[int(i)] for i in random.permutation(len(values))[:count]]


def draw_classes(random: Random, unseen: bool) -> list[str]:
    """Choose which pictograms an image may show; some always stay absent."""
    classes = pick_many(random, tuple(GLYPHS), int(random.integers(5, 13)))
    return classes + pick_many(random, tuple(UNSEEN_GLYPHS), 2) if unseen else classes


def fill_classes(random: Random, draw: Draw, classes: list[str], count: int) -> list[str]:
    """Draw `count` pictograms: half of the classes once, some a few times.

    The other classes fill the rest. Only a pictogram that occurs once can be asked about by name,
    even among two hundred, and one that is to be counted must not be too frequent.
    """
    unique = classes[: max(1, len(classes) // 2)]
    few = classes[len(unique) : len(unique) + int(len(classes) * draw.repeated)]
    others = classes[len(unique) + len(few) :] or unique
    # Some a few times, then the others until there are enough, and all shuffled.
    names = unique + [
        name for name in few for _ in range(random.integers(2, draw.most_counted + 1))
    ]
    # Cut to `count`: in a small grid the unique ones come first.
    names = (names + [pick(random, others) for _ in range(count)])[:count]
    return [names[int(i)] for i in random.permutation(count)]


def make_glyph(random: Random, name: str, box: Box) -> Item:
    """Put a pictogram of a random colour into a box."""
    if name in UNSEEN_GLYPHS:
        return Item("unseen", UNSEEN_GLYPHS[name], box, colour=pick(random, tuple(COLOURS)))
    return Item(name, GLYPHS[name], box, colour=pick(random, tuple(COLOURS)))


def make_grid(random: Random, draw: Draw, unseen: bool) -> Layout:
    """Lay out pictograms in a square grid of 1 to 24 a side."""
    side = int(random.choice(list(draw.grid_sides), p=list(draw.grid_sides.values())))
    cell = size_cell(random, draw, side)
    room = IMAGE_SIDE - cell * side  # pixels that the grid leaves free
    start = (draw_offset(random, draw, room), draw_offset(random, draw, room))
    names = fill_classes(random, draw, draw_classes(random, unseen), side * side)
    size = draw_side(random, draw, cell)
    items = []
    for index, name in enumerate(names):
        row, column = divmod(index, side)
        corner = (start[0] + column * cell, start[1] + row * cell)
        box = place_square(random, draw, (*corner, corner[0] + cell, corner[1] + cell), size)
        glyph = make_glyph(random, name, box)
        # Row-major: the neighbours of a cell are the entries beside it.
        left = names[index - 1] if column > 0 else ""
        right = names[index + 1] if column < side - 1 else ""
        items.append(Item(glyph.content, glyph.text, box, glyph.colour, row, column, left, right))
    return Layout(items, side, side)


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


def make_free(random: Random, draw: Draw, unseen: bool) -> Layout:
    """Scatter 1 to 30 pictograms of mixed sizes; rows and columns are the ninths of the canvas."""
    count = round(float(np.exp(random.uniform(0, np.log(MOST_ITEMS)))))  # log-uniform
    names = fill_classes(random, draw, draw_classes(random, unseen), count)
    items = []
    for name, outer in zip(names, split_canvas(random, count), strict=True):
        space = min(outer[2] - outer[0], outer[3] - outer[1])
        box = place_square(random, draw, outer, draw_side(random, draw, space))
        glyph = make_glyph(random, name, box)
        # The ninth of the canvas in which the centre lies.
        row = min(int((box[1] + box[3]) / 2 / IMAGE_SIDE * 3), 2)
        column = min(int((box[0] + box[2]) / 2 / IMAGE_SIDE * 3), 2)
        items.append(Item(glyph.content, glyph.text, box, glyph.colour, row, column))
    return Layout(items, 3, 3)


def make_menu(random: Random, draw: Draw, unseen: bool) -> Layout:
    """Write 1 to 12 lines of an item and its price of 1 to 9, in one or two columns."""
    rows = pick_number(random, ROWS)
    columns = 2 if rows >= 3 and random.random() < 0.5 else 1
    words = pick_many(random, WORDS, rows * columns)
    # A word, a gap and a price; of free columns the first has another gap behind it.
    entry = LONGEST_WORD + (3 if draw.free else 2)
    letters = columns * entry
    start, letter = size_lines(random, draw, rows, letters)
    indent = draw_indent(random, draw, letters * letter)
    slot = entry * letter if draw.free else IMAGE_SIDE // columns
    price_left = (LONGEST_WORD + 1) * letter
    items = []
    for index, word in enumerate(words):
        column, row = divmod(index, rows)  # a column is filled before the next
        left = indent + column * slot
        top = start + 2 * letter * row
        price = int(random.integers(1, HIGHEST_VALUE + 1))
        box = (left, top, left + letter * len(word), top + 2 * letter)
        items.append(Item(word, word, box, row=row, column=column, value=price))
        # The price is an item of its own, at the same place behind every word.
        edge = left + price_left
        box = (edge, top, edge + letter, top + 2 * letter)
        items.append(Item(str(price), str(price), box, row=row, column=2, left=word, value=price))
    return Layout(items, rows, columns)


def make_chart(random: Random, draw: Draw, unseen: bool) -> Layout:
    """Draw 3 to 12 labelled horizontal bars with a value of 1 to 9."""
    rows = pick_number(random, CHART_ROWS)
    words = pick_many(random, WORDS, rows)
    start, letter = size_lines(random, draw, rows, 2 * LONGEST_WORD)
    words_left, bars, unit = size_bars(random, draw, letter, LONGEST_WORD)
    items = []
    for row, word in enumerate(words):
        level = int(random.integers(1, HIGHEST_VALUE + 1))
        top = start + 2 * letter * row
        box = (words_left, top, words_left + letter * len(word), top + 2 * letter)
        items.append(Item(word, word, box, row=row, value=level))
        bar = (
            bars,
            top + letter // 2,
            bars + level * unit,
            top + 2 * letter - letter // 2,
        )
        colour = pick(random, tuple(COLOURS))
        items.append(Item("bar", "", bar, colour, row, left=word, value=level))
    return Layout(items, rows, 1)


def make_page(random: Random, draw: Draw, unseen: bool) -> Layout:
    """Write 1 to 12 lines of one to four words."""
    rows = pick_number(random, ROWS)
    columns = int(random.integers(1, 5))
    letters = columns * (LONGEST_WORD + 1) - 1
    start, letter = size_lines(random, draw, rows, letters)
    indent = draw_indent(random, draw, letters * letter)
    slot = (LONGEST_WORD + 1) * letter if draw.free else IMAGE_SIDE // columns
    items = []
    for row in range(rows):
        top = start + 2 * letter * row
        for column in range(columns):
            word = pick(random, WORDS)
            left = indent + column * slot
            box = (left, top, left + letter * len(word), top + 2 * letter)
            items.append(Item(word, word, box, row=row, column=column))
    return Layout(items, rows, columns)


def make_list(random: Random, draw: Draw, unseen: bool) -> Layout:
    """Write lines of pictograms, each with a number of four digits, in one, two or four columns.

    The digits touch each other and the lines do too, so pooling mixes them: reading a number needs
    every patch, unlike the one word or colour of other kinds.
    """
    side, rows = size_list(random, draw)
    entry = (NUMBER_DIGITS + 2) * side  # width of pictogram, number and a gap
    columns = (IMAGE_SIDE - (side if draw.free else 0)) // entry
    start = start_lines(random, draw, rows, side)
    indent = draw_indent(random, draw, columns * entry)
    names = fill_classes(random, draw, draw_classes(random, unseen), rows * columns)
    items = []
    for index, name in enumerate(names):
        row, column = divmod(index, columns)
        edges = [indent + column * entry + place * side for place in range(NUMBER_DIGITS + 1)]
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
    return Layout(items, rows, columns)


MAKERS: dict[str, Callable[[Random, Draw, bool], Layout]] = {
    "grid": make_grid,
    "scene": make_free,
    "menu": make_menu,
    "chart": make_chart,
    "page": make_page,
    "list": make_list,
}


def lay_out(random: Random, draw: Draw, kind: str, unseen: bool) -> Scene:
    """Make a scene of a kind, with things and fonts that are not in training if `unseen`."""
    items, rows, columns = MAKERS[kind](random, draw, unseen)
    background = pick(random, tuple(BACKGROUNDS))
    font = pick(random, UNSEEN_FONTS if unseen else FONTS)
    return Scene(
        kind,
        background,
        tuple(items),
        rows,
        columns,
        font,
        textured=unseen,
        most_counted=draw.most_counted,
    )
