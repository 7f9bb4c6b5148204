"""Draws a scene of the wide draw: any font, any backdrop, and the faults that pictures have."""

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from labels.scenes.drawing import fit_mask as fit_pictogram
from labels.scenes.drawing import item_ink
from labels.scenes.items import Item, Scene
from labels.scenes.measures import HIGHEST_VALUE
from labels.scenes.vocabulary import BACKGROUNDS, IMAGE_SIDE, WORDS
from labels.scenes.wide.backdrops import lay_backdrop
from labels.scenes.wide.dressing import LETTER_SIZE
from labels.scenes.wide.typefaces import MASTER_PIXELS, open_font

Random = np.random.Generator
Mask = NDArray[np.float32]

# Where the letters of a word stand, in units of the height of the line.
BASELINE = 0.76

# How much of its box a digit fills, so that neighbours do not run into each other.
DIGIT_SIZE = 0.88

TRACK_STRENGTH = 0.22

# Faults: how often and how strong. Brighter or darker, and gray would be taken for white.
BRIGHTNESS = (0.93, 1.08)

BLUR_SHARE = 0.25
BLUR_RADII = (0.3, 0.7)  # pixels
JPEG_SHARE = 0.4
KNOWN_QUALITIES = (60, 96)
UNSEEN_QUALITIES = (25, 50)
NOISE = (0.0, 6.0)  # grey levels


@lru_cache(maxsize=4096)
def master_word(text: str, font: str) -> Image.Image:
    """Write a word at the size of the master, its baseline in the same place for all words."""
    opened = open_font(font)
    height = round(MASTER_PIXELS / LETTER_SIZE)
    canvas = Image.new("L", (max(round(opened.getlength(text)), 1), height))
    pen = ImageDraw.Draw(canvas)
    pen.text((0, round(BASELINE * height)), text, 255, opened, anchor="ls")
    return canvas


@lru_cache(maxsize=512)
def master_digit(text: str, font: str) -> Image.Image:
    """Draw a digit cut to its ink."""
    opened = open_font(font)
    left, top, right, bottom = (round(edge) for edge in opened.getbbox(text))
    canvas = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(canvas).text((-left, -top), text, 255, opened)
    return canvas


def as_alpha(image: Image.Image) -> Mask:
    """Turn grey levels into alpha in [0, 1]."""
    return np.asarray(image, dtype=np.float32) / 255.0


@lru_cache(maxsize=30000)
def word_mask(text: str, font: str, width: int, height: int) -> Mask:
    """Write a word into a box [height, width]; alpha in [0, 1]."""
    return as_alpha(master_word(text, font).resize((width, height), Image.Resampling.HAMMING))


@lru_cache(maxsize=30000)
def digit_mask(text: str, font: str, width: int, height: int) -> Mask:
    """Draw a digit as large as fits into a box [height, width], centred; alpha in [0, 1]."""
    master = master_digit(text, font)
    # The tighter side decides, so that the digit keeps its proportions.
    scale = DIGIT_SIZE * min(width / master.width, height / master.height)
    size = (max(round(master.width * scale), 1), max(round(master.height * scale), 1))
    canvas = Image.new("L", (width, height))
    small = master.resize(size, Image.Resampling.HAMMING)
    canvas.paste(small, ((width - size[0]) // 2, (height - size[1]) // 2))
    return as_alpha(canvas)


def item_mask(item: Item, scene: Scene, width: int, height: int) -> Mask:
    """Choose how an item is drawn: a full box, a pictogram, a word, or a digit."""
    if item.content == "bar":
        return np.ones((height, width), dtype=np.float32)
    if not item.text.isascii():
        return fit_pictogram(item.text, "DejaVuSans.ttf", width, height)
    draw = word_mask if item.content in WORDS else digit_mask
    return draw(item.text, scene.font, width, height)


def paint_track(canvas: Mask, item: Item, ink: NDArray[np.float32]) -> None:
    """Draw what a bar is measured on: a strip as long as the highest value, cut at every one.

    Bars of any length per value could not be read without it.
    """
    left, top, right, bottom = (round(edge) for edge in item.box)
    unit = (right - left) // item.value
    strip = canvas[top:bottom, left : left + unit * HIGHEST_VALUE]  # a view
    strip += TRACK_STRENGTH * (ink - strip)


def cut_track(canvas: Mask, item: Item, ground: NDArray[np.float32]) -> None:
    """Cut a bar and its track at every value."""
    left, top, right, bottom = (round(edge) for edge in item.box)
    unit = (right - left) // item.value
    canvas[top:bottom, left + unit - 1 : left + unit * HIGHEST_VALUE : unit] = ground


def paint_item(canvas: Mask, item: Item, scene: Scene) -> None:
    """Blend one item into the canvas [192, 192, 3] in place."""
    left, top, right, bottom = (round(edge) for edge in item.box)
    ink = np.array(item_ink(item, scene), dtype=np.float32)
    if item.content == "bar":
        paint_track(canvas, item, ink)
    mask = item_mask(item, scene, max(right - left, 1), max(bottom - top, 1))
    area = canvas[top : top + mask.shape[0], left : left + mask.shape[1]]  # [h, w, 3], a view
    alpha = mask[: area.shape[0], : area.shape[1], None]  # [h, w, 1], cut at the canvas' edge
    # In place, through the view; ink [3] is spread over [h, w, 3].
    area += alpha * (ink - area)
    if item.content == "bar":
        cut_track(canvas, item, np.array(BACKGROUNDS[scene.background], dtype=np.float32))


def paint_scene(scene: Scene, random: Random, split: str) -> Image.Image:
    """Draw a wide scene as an RGB image of 192 x 192 pixels."""
    canvas = np.empty((IMAGE_SIDE, IMAGE_SIDE, 3), dtype=np.float32)
    canvas[:] = BACKGROUNDS[scene.background]
    canvas += random.uniform(-5, 5, size=3).astype(np.float32)
    lay_backdrop(canvas, random, scene.backdrop)
    for item in scene.items:
        paint_item(canvas, item, scene)
    return spoil_image(canvas, random, split)


def spoil_image(canvas: Mask, random: Random, split: str) -> Image.Image:
    """Give a picture a brightness, noise, and sometimes blur and the marks of JPEG."""
    canvas *= np.float32(random.uniform(*BRIGHTNESS))
    noise = np.float32(random.uniform(*NOISE))
    canvas += noise * random.standard_normal(canvas.shape, dtype=np.float32)
    image = Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8), "RGB")
    if random.random() < BLUR_SHARE:
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(*BLUR_RADII)))
    unseen = split == "jpeg"
    if unseen or random.random() < JPEG_SHARE:
        quality = int(random.integers(*(UNSEEN_QUALITIES if unseen else KNOWN_QUALITIES)))
        image = save_jpeg(image, quality)
    return image


def save_jpeg(image: Image.Image, quality: int) -> Image.Image:
    """Send an image through JPEG of a quality."""
    written = io.BytesIO()
    image.save(written, "JPEG", quality=quality)
    return Image.open(written).convert("RGB")
