"""Draws a scene with Pillow and numpy; the same scene and seed give the same pixels."""

from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from labels.scenes.items import Item, Scene
from labels.scenes.vocabulary import BACKGROUNDS, COLOURS, IMAGE_SIDE

MASTER_PIXELS = 96

# Width of a letter of DejaVu Sans Mono in units of its size.
LETTER_ADVANCE = 0.602


@lru_cache(maxsize=64)
def find_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Open a DejaVu font that matplotlib installs, at `size` pixels."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / name), size)


@lru_cache(maxsize=1024)
def trim_text(text: str, font: str, size: int) -> Image.Image:
    """Render `text` as an alpha mask cut to its ink."""
    opened = find_font(font, size)
    left, top, right, bottom = (round(edge) for edge in opened.getbbox(text))
    mask = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(mask).text((-left, -top), text, font=opened, fill=255)
    return mask


@lru_cache(maxsize=20000)
def fit_mask(text: str, font: str, width: int, height: int) -> NDArray[np.float32]:
    """Render `text` as large as fits a box of [height, width] pixels, centred; alpha in [0, 1]."""
    # Rendered once at a large size and resized, which keeps the shape the same at every size.
    master = trim_text(text, font, MASTER_PIXELS)
    # The tighter side decides, so that the glyph keeps its proportions.
    scale = min(width / master.width, height / master.height)
    size = (max(round(master.width * scale), 1), max(round(master.height * scale), 1))
    canvas = Image.new("L", (width, height))
    small = master.resize(size, Image.Resampling.BOX if scale < 0.5 else Image.Resampling.BILINEAR)
    canvas.paste(small, ((width - size[0]) // 2, (height - size[1]) // 2))
    return np.asarray(canvas, dtype=np.float32) / 255.0


@lru_cache(maxsize=20000)
def text_mask(text: str, font: str, height: int) -> NDArray[np.float32]:
    """Write a word, each letter in a cell half as wide as high [height, letters * height / 2]."""
    cell = height // 2
    opened = find_font(font, round(cell / LETTER_ADVANCE))
    canvas = Image.new("L", (cell * len(text), height))
    pen = ImageDraw.Draw(canvas)
    for place, letter in enumerate(text):
        pen.text(((place + 0.5) * cell, round(height * 0.78)), letter, 255, opened, anchor="ms")
    return np.asarray(canvas, dtype=np.float32) / 255.0


def paint_item(canvas: NDArray[np.float32], item: Item, scene: Scene) -> None:
    """Blend one item into the canvas [192, 192, 3] in place."""
    left, top, right, bottom = (int(round(edge)) for edge in item.box)
    width, height = max(right - left, 1), max(bottom - top, 1)
    ink = np.array(item_ink(item, scene), dtype=np.float32)
    # A mask [h, w] of alpha: a full box, a pictogram, a digit that fills its square, or a word.
    if item.content == "bar":
        mask = np.ones((height, width), dtype=np.float32)
    elif len(item.text) == 1 and not item.text.isascii():
        mask = fit_mask(item.text, "DejaVuSans.ttf", width, height)
    elif len(item.text) == 1 and width == height:
        mask = fit_mask(item.text, scene.font, width, height)
    else:
        mask = text_mask(item.text, scene.font, height)
    area = canvas[top : top + mask.shape[0], left : left + mask.shape[1]]  # [h, w, 3], a view
    alpha = mask[: area.shape[0], : area.shape[1], None]  # [h, w, 1], cut at the canvas' edge
    # In place, through the view; ink [3] is spread over [h, w, 3].
    area += alpha * (ink - area)


def item_ink(item: Item, scene: Scene) -> tuple[int, int, int]:
    """Return the colour an item is drawn in; plain text contrasts with the background."""
    if item.colour:
        return COLOURS[item.colour]
    return (240, 240, 240) if scene.background == "black" else (25, 25, 30)


def draw_scene(scene: Scene, random: np.random.Generator) -> Image.Image:
    """Draw `scene` as an RGB image of 192 x 192 pixels with slight noise from `random`."""
    base = np.array(BACKGROUNDS[scene.background], dtype=np.float32)
    canvas = np.empty((IMAGE_SIDE, IMAGE_SIDE, 3), dtype=np.float32)
    # The background colour varies a little from scene to scene.
    canvas[:] = base + random.uniform(-5, 5, size=3).astype(np.float32)
    if scene.textured:
        ramp = np.linspace(-14, 14, IMAGE_SIDE, dtype=np.float32)  # [192], down
        stripes = 8 * np.sign(np.sin(np.arange(IMAGE_SIDE, dtype=np.float32) / 5))  # [192], across
        # [192, 1] + [1, 192], then the same for all three channels
        canvas += (ramp[:, None] + stripes[None, :])[..., None]
    for item in scene.items:
        paint_item(canvas, item, scene)
    # Noise last, so that it lies over the items too.
    canvas += 3 * random.standard_normal(canvas.shape, dtype=np.float32)
    return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8), "RGB")
