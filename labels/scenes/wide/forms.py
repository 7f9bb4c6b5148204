"""What patterns of questions consist of: forms, and choices that many of them share."""

from typing import NamedTuple

Forms = dict[str, tuple[str, ...]]


class Choices(NamedTuple):
    """Patterns by their form: those of training, and those that are kept from it."""

    known: Forms
    unseen: Forms


COLOUR = "(colour|color|shade|~hue|~tint)"
PICTURE = "(picture|image|photo|~snapshot)"
SYMBOL = "(symbol|sign|thing|~icon)"
THERE = f"(here|there|in this {PICTURE}|in the {PICTURE})"
