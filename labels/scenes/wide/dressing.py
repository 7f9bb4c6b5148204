"""Gives a scene of the wide draw its font, its letters' places and what lies behind it."""

from dataclasses import replace

import numpy as np

from labels.scenes.items import Item, Scene
from labels.scenes.layouts import pick
from labels.scenes.vocabulary import WORDS
from labels.scenes.wide.backdrops import BACKDROPS, HIDING, UNSEEN_BACKDROPS
from labels.scenes.wide.typefaces import HELD_OUT, KNOWN, MASTER_PIXELS, open_font

# Size of a font in units of the height of a line, so that tails of letters stay within the line.
LETTER_SIZE = 0.8


def dress_scene(scene: Scene, random: np.random.Generator, split: str) -> Scene:
    """Choose font and backdrop of a scene and set its words in the font."""
    font = pick(random, HELD_OUT if split == "fonts" else KNOWN)
    backdrop = pick(random, UNSEEN_BACKDROPS if split == "backgrounds" else BACKDROPS)
    items = tuple(set_word(item, font) for item in scene.items)
    return replace(
        scene, items=items, font=font, backdrop=backdrop, nameable=backdrop not in HIDING
    )


def set_word(item: Item, font: str) -> Item:
    """Make the box of a word as wide as the word is in a font, and say where its letters end."""
    if item.content not in WORDS:
        return item
    left, top, right, bottom = item.box
    opened = open_font(font)
    size = LETTER_SIZE * (bottom - top) / MASTER_PIXELS
    ends = np.array([opened.getlength(item.text[: k + 1]) for k in range(len(item.text))]) * size
    # What is wider than its place is made narrower.
    ends *= min(1.0, (right - left) / ends[-1])
    box = (left, top, left + max(round(float(ends[-1])), 1), bottom)
    return replace(item, box=box, edges=tuple(float(left + end) for end in ends))
