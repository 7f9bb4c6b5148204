"""Words, pictograms, colours and split names of the built-in benchmark; data only, no drawing."""

IMAGE_SIDE = 192
KINDS = ("grid", "scene", "menu", "chart", "page", "list")
OUT_OF_DISTRIBUTION = "ood"

REPHRASED = "rephrased"
"""Questions of a split in words that are held out of training."""

# Pictograms are solid DejaVu glyphs that stay distinct at ten pixels.
GLYPHS = {
    "star": "\u2605",
    "heart": "\u2665",
    "moon": "\u263e",
    "cloud": "\u2601",
    "umbrella": "\u2602",
    "phone": "\u260e",
    "plane": "\u2708",
    "letter": "\u2709",
    "note": "\u266a",
    "anchor": "\u2693",
    "flag": "\u2691",
    "plus": "\u271a",
    "triangle": "\u25b2",
    "square": "\u25a0",
    "circle": "\u25cf",
    "horse": "\u265e",
}

# Not in training: they are clutter on the out-of-distribution split.
UNSEEN_GLYPHS = {
    "crown": "\u265b",
    "gear": "\u2699",
    "flower": "\u273f",
    "tick": "\u2714",
    "pawn": "\u265f",
    "clover": "\u2618",
}

COLOURS = {
    "red": (214, 30, 38),
    "green": (20, 140, 50),
    "blue": (35, 75, 235),
    "orange": (245, 130, 20),
    "purple": (150, 40, 200),
    "brown": (120, 72, 30),
}

BACKGROUNDS = {
    "white": (250, 250, 250),
    "gray": (200, 202, 206),
    "yellow": (250, 238, 150),
    "pink": (252, 205, 216),
    "cyan": (178, 236, 240),
    "black": (28, 28, 32),
}

WORDS = tuple(
    "tea milk rice soup cake fish corn salt bread lemon apple honey sugar water juice "
    "grape ham pie nut oil fig bean leek mint pasta olive beef yam kiwi wafer".split()
)

PLACES = (
    "top left",
    "top",
    "top right",
    "left",
    "middle",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
FONTS = ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf")
UNSEEN_FONTS = ("DejaVuSerif.ttf", "DejaVuSansMono-Oblique.ttf")
