"""The card of a checkpoint, its README.md: what the model was trained on, in the header's words."""

from pathlib import Path

import yaml

CARD = "README.md"

FIELD = "trained_on"
"""Field of the header; cards of the Hub name data sets, which a user need not know."""

LONGEST = 200
"""Characters of it that are shown."""


def read_trained_on(folder: Path) -> str:
    """Read in one line what a model was trained on; "" if its card does not say."""
    path = folder / CARD
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        _, header, _ = text.split("---\n", 2) if text.startswith("---\n") else ("", "", "")
        fields = yaml.load(header, Loader=yaml.BaseLoader)
    # A card is written for people: one that cannot be read says nothing.
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return ""
    said = fields.get(FIELD) if isinstance(fields, dict) else None
    line = " ".join(said.split()) if isinstance(said, str) else ""
    return "".join(letter for letter in line if letter.isprintable())[:LONGEST]
