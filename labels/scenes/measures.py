"""How large things are and where they start: on the raster of patches, or free of it."""

import numpy as np

from labels.scenes.draws import Draw
from labels.scenes.vocabulary import IMAGE_SIDE

Random = np.random.Generator
Box = tuple[float, float, float, float]

# On the raster everything has one of few sizes: a small model, trained for an hour on two cores, is
# to learn from how much is on the canvas and not from how it is shifted.
RASTER = 8  # pixels

GLYPH_SIDES = (8, 12, 16, 24, 32, 48)
LARGEST_CELL = 64
LETTER_WIDTHS = (8, 16)
BAR_START = IMAGE_SIDE // 2
HIGHEST_VALUE = 9

# Side of a digit [pixels] -> how many lines of a list there may be.
LIST_ROWS = {8: (6, 12, 24), 16: (3, 6, 12), 32: (1, 2, 3, 6)}

NUMBER_DIGITS = 4

# Free sizes are those of the raster times one of these, as far as there is room: of three cells a
# side and more, none is larger than a cell. A pictogram with much room around it has as much of it
# as the smaller one says: up to 134 pixels.
SMALLEST_FACTOR = 0.7

LARGEST_FACTOR = 1.4
SMALLEST_GLYPH = 8  # pixels
SMALLEST_UNIT = 6  # pixels


def pick_number(random: Random, values: tuple[int, ...]) -> int:
    """Draw one integer uniformly from a tuple."""
    return values[int(random.integers(len(values)))]


def snap(value: float, step: int) -> int:
    """Round down to a multiple of `step` pixels."""
    return int(value // step) * step


def draw_size(random: Random, low: float, high: float) -> int:
    """Draw a whole number of pixels, log-uniformly; `low` where `high` is less."""
    if high <= low:
        return int(low)
    # The 1 makes the upper end as likely as the others.
    return min(int(np.exp(random.uniform(np.log(low), np.log(high + 1)))), int(high))


def draw_offset(random: Random, draw: Draw, room: float) -> int:
    """Draw where something starts that has `room` pixels to move in."""
    return snap(random.uniform(0, max(room, 0)), 1 if draw.free else RASTER)


def draw_indent(random: Random, draw: Draw, width: int) -> int:
    """Draw the left edge of a text of `width` pixels: 0 on the raster."""
    return draw_offset(random, draw, IMAGE_SIDE - width + 1) if draw.free else 0


def draw_side(random: Random, draw: Draw, space: float) -> int:
    """Draw the side of a pictogram: one of the two largest that fit into `space` pixels, or any."""
    if draw.free:
        low = min(max(space * SMALLEST_FACTOR, SMALLEST_GLYPH), space)
        return draw_size(random, low, min(space, LARGEST_CELL))
    # Ascending, so that the last ones are the largest.
    fitting = [side for side in GLYPH_SIDES if side <= space]
    return pick_number(random, tuple(fitting[-2:] if space >= 2 * RASTER else fitting[-1:]))


def place_square(random: Random, draw: Draw, box: Box, side: int) -> Box:
    """Put a square of `side` pixels inside a box."""
    left = box[0] + draw_offset(random, draw, box[2] - box[0] - side)
    top = box[1] + draw_offset(random, draw, box[3] - box[1] - side)
    return (left, top, left + side, top + side)


def size_cell(random: Random, draw: Draw, side: int) -> int:
    """Choose the side of a cell of a grid of `side` cells a side, in pixels."""
    full = IMAGE_SIDE // side
    cell = min(full, LARGEST_CELL)
    if not draw.free:
        return cell
    low = max(cell * SMALLEST_FACTOR, SMALLEST_GLYPH)
    return draw_size(random, low, min(cell * LARGEST_FACTOR, full))


def size_lines(random: Random, draw: Draw, rows: int, letters: int) -> tuple[int, int]:
    """Choose the top of the first line and the width of a letter; a line is two letters high.

    Where a draw wants it so, lines start at multiples of their height: what a pooled token covers
    then depends on their size and not on chance.

    Args:
        random: source of all choices.
        draw: what to draw.
        rows: lines on the page.
        letters: letters that must fit side by side.

    Returns:
        Top of the first line and width of a letter, in pixels.
    """
    if draw.free:
        # Half a line is left to move in.
        high = min(LETTER_WIDTHS[-1] * LARGEST_FACTOR, IMAGE_SIDE / (2 * rows + 1))
        letter = draw_size(
            random, LETTER_WIDTHS[0] * SMALLEST_FACTOR + 1, min(high, IMAGE_SIDE / letters)
        )
    else:
        fitting = [
            w for w in LETTER_WIDTHS if 2 * w * rows <= IMAGE_SIDE and w * letters <= IMAGE_SIDE
        ]
        letter = pick_number(random, tuple(fitting))
    return start_lines(random, draw, rows, 2 * letter), letter


def start_lines(random: Random, draw: Draw, rows: int, height: int) -> int:
    """Choose the top of the first of `rows` lines of `height` pixels."""
    room = IMAGE_SIDE - height * rows
    if draw.free or not draw.line_raster:
        return draw_offset(random, draw, room)
    # The 1 lets the last start be drawn, since uniform leaves its upper end out.
    return snap(random.uniform(0, room + 1), height)


def size_list(random: Random, draw: Draw) -> tuple[int, int]:
    """Choose the side of a digit of a list in pixels, and the number of its lines."""
    side = int(random.choice(list(draw.list_sides), p=list(draw.list_sides.values())))
    rows = pick_number(random, LIST_ROWS[side])
    if draw.free:
        # An entry is two digits wider than its number; a line and a digit are left to move in.
        rows = min(rows, IMAGE_SIDE // SMALLEST_GLYPH - 1)
        room = min(IMAGE_SIDE / (NUMBER_DIGITS + 3), IMAGE_SIDE / (rows + 1))
        high = min(side * LARGEST_FACTOR, room)
        side = draw_size(random, max(side * SMALLEST_FACTOR, SMALLEST_GLYPH), high)
    return side, rows


def size_bars(random: Random, draw: Draw, letter: int, word: int) -> tuple[int, int, int]:
    """Choose where the words and the bars of a chart start, and how long a bar of value 1 is.

    Args:
        random: source of all choices.
        draw: what to draw.
        letter: width of a letter [pixels].
        word: letters of the longest word.

    Returns:
        Left edge of the words, left edge of the bars and length of value 1, in pixels.
    """
    if not draw.free:
        return 0, BAR_START, RASTER
    words = letter * word
    longest = (IMAGE_SIDE - words) // HIGHEST_VALUE
    unit = draw_size(random, min(SMALLEST_UNIT, longest), longest)
    room = IMAGE_SIDE - words - unit * HIGHEST_VALUE
    bars = words + draw_offset(random, draw, room + 1)
    left = draw_offset(random, draw, IMAGE_SIDE - bars - unit * HIGHEST_VALUE + 1)
    return left, left + bars, unit
