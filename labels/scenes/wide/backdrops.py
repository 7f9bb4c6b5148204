"""What lies behind the things of a wide scene: one colour, gradients, textures, photographs.

Each backdrop is a pattern in [-1, 1] or a photograph, mixed so faintly into the scene's background
colour that things stay legible on it.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
import sklearn.datasets
from numpy.typing import NDArray
from PIL import Image

from labels.scenes.vocabulary import IMAGE_SIDE

Random = np.random.Generator
Pattern = NDArray[np.float32]

# Strengths of patterns and shares of photographs.
PATTERN_LEVELS = (8.0, 26.0)  # grey levels

PHOTO_SHARES = (0.2, 0.4)
SMALLEST_CROP = 0.5


def coordinates() -> tuple[Pattern, Pattern]:
    """Give the row [192, 1] and the column [1, 192] of every pixel."""
    line = np.arange(IMAGE_SIDE, dtype=np.float32)
    return line[:, None], line[None, :]


def gradient(random: Random) -> Pattern:
    """Go evenly from dark to light in any direction."""
    y, x = coordinates()
    angle = random.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * (x / IMAGE_SIDE - 0.5) + np.sin(angle) * (y / IMAGE_SIDE - 0.5)
    return np.asarray(ramp * 1.4, dtype=np.float32)


def vignette(random: Random) -> Pattern:
    """Darken away from a point near the middle."""
    y, x = coordinates()
    row, column = random.uniform(0.3, 0.7, size=2) * IMAGE_SIDE
    distance = np.hypot(y - row, x - column) / IMAGE_SIDE
    return np.asarray(0.6 - 1.6 * distance).clip(-1, 1, dtype=np.float32)


def stripes(random: Random) -> Pattern:
    """Draw soft parallel stripes in any direction."""
    y, x = coordinates()
    angle = random.uniform(0, np.pi)
    pace = 2 * np.pi / random.uniform(8, 40)
    return np.asarray(np.sin(pace * (np.cos(angle) * x + np.sin(angle) * y)), dtype=np.float32)


def checks(random: Random) -> Pattern:
    """Draw a chequered pattern."""
    y, x = coordinates()
    side = int(random.integers(6, 25))
    return np.asarray(((y // side + x // side) % 2) * 2 - 1, dtype=np.float32)


def dots(random: Random) -> Pattern:
    """Draw a regular pattern of soft dots."""
    y, x = coordinates()
    pace = 2 * np.pi / random.uniform(8, 24)
    waves = np.sin(pace * x) * np.sin(pace * y)
    return np.asarray(waves > 0.5, dtype=np.float32) * 2 - 1


def clouds(random: Random) -> Pattern:
    """Draw smooth random spots, as of paper or stone."""
    side = int(random.integers(4, 25))
    coarse = Image.fromarray(random.uniform(-1, 1, size=(side, side)).astype(np.float32))
    smooth = coarse.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BICUBIC)
    return np.asarray(smooth, dtype=np.float32).clip(-1, 1)


def grain(random: Random) -> Pattern:
    """Draw coarse noise."""
    noise = random.standard_normal((IMAGE_SIDE, IMAGE_SIDE), dtype=np.float32)
    return np.asarray(noise.clip(-2, 2) / 2, dtype=np.float32)


def weave(random: Random) -> Pattern:
    """Draw crossing threads."""
    y, x = coordinates()
    pace = 2 * np.pi / random.uniform(5, 14)
    return np.asarray((np.sin(pace * x) + np.sin(pace * y)) / 2, dtype=np.float32)


def rings(random: Random) -> Pattern:
    """Draw rings around a point."""
    y, x = coordinates()
    row, column = random.uniform(0, IMAGE_SIDE, size=2)
    pace = 2 * np.pi / random.uniform(8, 30)
    return np.asarray(np.sin(pace * np.hypot(y - row, x - column)), dtype=np.float32)


PATTERNS: dict[str, Callable[[Random], Pattern]] = {
    "gradient": gradient,
    "vignette": vignette,
    "stripes": stripes,
    "checks": checks,
    "dots": dots,
    "clouds": clouds,
    "grain": grain,
    "weave": weave,
    "rings": rings,
}


def sample_photo(name: str) -> Path:
    """Find a photograph that matplotlib or scikit-learn installs."""
    if name == "grace_hopper.jpg":
        return Path(matplotlib.get_data_path()) / "sample_data" / name
    return Path(sklearn.datasets.__file__).parent / "images" / name


PHOTOS = {"temple": "china.jpg", "portrait": "grace_hopper.jpg", "flower": "flower.jpg"}

PLAIN = "plain"

# A plain background is as frequent as all others together.
BACKDROPS = (
    *(PLAIN,) * 8,
    "gradient",
    "vignette",
    "stripes",
    "checks",
    "clouds",
    "grain",
    "temple",
    "portrait",
)

UNSEEN_BACKDROPS = ("dots", "weave", "rings", "flower")

HIDING = tuple(PHOTOS)
"""Behind these the background has no colour that could be told."""


@lru_cache(maxsize=len(PHOTOS))
def open_photo(name: str) -> Image.Image:
    """Open a photograph in RGB."""
    with Image.open(sample_photo(PHOTOS[name])) as image:
        return image.convert("RGB")


def crop_photo(random: Random, name: str) -> NDArray[np.float32]:
    """Cut a square of any size and place out of a photograph [192, 192, 3]."""
    photo = open_photo(name)
    side = random.uniform(SMALLEST_CROP, 1.0) * min(photo.size)
    left = random.uniform(0, photo.width - side)
    top = random.uniform(0, photo.height - side)
    box = (left, top, left + side, top + side)
    cut = photo.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.BILINEAR, box, reducing_gap=2)
    return np.asarray(cut, dtype=np.float32)


def lay_backdrop(canvas: NDArray[np.float32], random: Random, backdrop: str) -> None:
    """Mix a backdrop into a canvas of one colour [192, 192, 3] in place."""
    if backdrop in PHOTOS:
        share = np.float32(random.uniform(*PHOTO_SHARES))
        canvas += share * (crop_photo(random, backdrop) - canvas)
    elif backdrop != PLAIN:
        level = np.float32(random.uniform(*PATTERN_LEVELS))
        canvas += level * PATTERNS[backdrop](random)[..., None]
