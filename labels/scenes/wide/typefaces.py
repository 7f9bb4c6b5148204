"""The fonts of the wide draw: files of installed packages, each known by its hash.

The same files give the same pictures on every machine, so another file is refused.
"""

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from PIL import ImageFont

from m3_backbone.serialization import sha256

MASTER_PIXELS = 96
HASH_DIGITS = 16
MATPLOTLIB = "matplotlib/mpl-data/fonts/ttf"


class FontFile(NamedTuple):
    """A font file of a package; `digest` is the start of its SHA-256."""

    package: str
    path: str
    digest: str


FAMILIES = {
    "dejavu-sans": FontFile("matplotlib", f"{MATPLOTLIB}/DejaVuSans.ttf", "3fdf69cabf06049e"),
    "dejavu-serif": FontFile("matplotlib", f"{MATPLOTLIB}/DejaVuSerif.ttf", "107244956e9962b9"),
    "dejavu-mono": FontFile("matplotlib", f"{MATPLOTLIB}/DejaVuSansMono.ttf", "602ec86b8948cfcd"),
    "stix": FontFile("matplotlib", f"{MATPLOTLIB}/STIXGeneral.ttf", "167378031e2dddc6"),
    "computer-modern": FontFile("matplotlib", f"{MATPLOTLIB}/cmr10.ttf", "4dd9761b058c009d"),
    "computer-modern-sans": FontFile("matplotlib", f"{MATPLOTLIB}/cmss10.ttf", "7df91a83d05b2e47"),
    "computer-modern-typewriter": FontFile(
        "matplotlib", f"{MATPLOTLIB}/cmtt10.ttf", "6211f09ae9359999"
    ),
    "hanken-grotesk": FontFile(
        "font-hanken-grotesk",
        "font_hanken_grotesk/files/HankenGrotesk-Regular.otf",
        "7081af94a8df60b1",
    ),
    "lato": FontFile("font-lato", "font_lato/files/Lato-Regular.ttf", "e82542aed8293f49"),
    "manrope": FontFile(
        "font-manrope", "font_manrope/files/Manrope-Regular.ttf", "1e390629ba046af3"
    ),
    "source-sans": FontFile(
        "font-source-sans-pro",
        "font_source_sans_pro/files/SourceSansPro-Regular.ttf",
        "b77f3a700edd0fc0",
    ),
    "source-serif": FontFile(
        "font-source-serif-pro",
        "font_source_serif_pro/files/SourceSerifPro-Regular.ttf",
        "b4e0771f06d8f657",
    ),
    "caladea": FontFile(
        "font-caladea", "font_caladea/files/Caladea-Regular.ttf", "d2f6cad33f191e65"
    ),
    "red-hat-display": FontFile(
        "font-rhd", "font_rhd/files/RedHatDisplay-Regular.ttf", "b3c6289677cb9510"
    ),
}

HELD_OUT = ("caladea", "red-hat-display")
"""A family with serifs and one without, which training never shows."""

KNOWN = tuple(name for name in FAMILIES if name not in HELD_OUT)


@lru_cache(maxsize=len(FAMILIES))
def find_file(family: str) -> Path:
    """Find the file of a family and check that it is the one that the draw was made with.

    Raises:
        ValueError: if its package is not installed or holds another file.
    """
    font = FAMILIES[family]
    advice = "install what the wide draw needs: pip install -e '.[scenes]'"
    try:
        path = Path(str(distribution(font.package).locate_file(font.path)))
        content = path.read_bytes()
    except (PackageNotFoundError, OSError) as error:
        raise ValueError(
            f"the font {font.path} of the package {font.package} is missing; {advice}"
        ) from error
    digest = sha256(content)[:HASH_DIGITS]
    if digest != font.digest:
        raise ValueError(
            f"the font {path} is not the one of the wide draw (SHA-256 {digest}..., expected "
            f"{font.digest}...); {advice}"
        )
    return path


def check_fonts() -> None:
    """Refuse a machine that lacks a font, before anything is drawn."""
    for family in FAMILIES:
        find_file(family)


@lru_cache(maxsize=len(FAMILIES))
def open_font(family: str) -> ImageFont.FreeTypeFont:
    """Open a family at `MASTER_PIXELS`, the one size that everything is scaled down from."""
    # The basic layout is in every build of Pillow; the other one depends on what is installed.
    return ImageFont.truetype(
        str(find_file(family)), MASTER_PIXELS, layout_engine=ImageFont.Layout.BASIC
    )
