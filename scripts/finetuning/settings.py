"""What a fine-tuning learns from; what a field means is its help. Nothing heavy is imported."""

from dataclasses import dataclass, field
from pathlib import Path

import click


@dataclass(frozen=True)
class Source:
    """What to train on."""

    data: str = field(
        default="scenes",
        metadata={
            "help": "What to train on: scenes, another draw of them such as scenes-v3, any source "
            "of `label`, or with --images LLaVA's "
            "conversations."
        },
    )
    images: Path | None = field(
        default=None,
        metadata={
            "help": "Folder of the images that the conversations of --data name.",
            "type": click.Path(path_type=Path, exists=True, file_okay=False),
        },
    )
    skip_bad: bool = field(
        default=False,
        metadata={
            "help": "Leave out conversations, and rows of a source, that cannot be used, and count "
            "them."
        },
    )
    split: str = field(default="train", metadata={"help": "Split of --data."})
    turns: int = field(
        default=12, metadata={"help": "Most questions per image and epoch.", "min": 1}
    )
    easy: int = field(
        default=1,
        metadata={
            "help": "Draw this many scenes and keep the one with the fewest items: an easier "
            "start.",
            "min": 1,
        },
    )
    described: int = field(
        default=0, metadata={"help": "Descriptions of each scene before the questions.", "min": 0}
    )
    casual: int = field(
        default=0,
        metadata={
            "help": "Questions about each scene in everyday words, of kinds that the benchmark "
            "does not ask.",
            "min": 0,
        },
    )
    unknown_words: float = field(
        default=0.0,
        metadata={
            "help": "Share of the questions about scenes in which one word is made up, so that "
            "words that were never seen mislead less.",
            "min": 0,
            "max": 1,
        },
    )
    emphasis: str = field(
        default="",
        metadata={
            "help": "Families of questions to ask more often than the draw does, or less, such as "
            "chart=4,gist=0.3; with --dense, scenes that they are asked about."
        },
    )


@dataclass(frozen=True)
class Sizes:
    """How much of it goes into a batch."""

    batch: int = field(
        default=16, metadata={"help": "Images or conversations per batch.", "min": 1}
    )
    cached: int = field(
        default=0,
        metadata={
            "help": "Images to encode once, with a frozen tower; 0 encodes anew each step.",
            "min": 0,
        },
    )
    max_length: int = field(
        default=2048,
        metadata={
            "help": "Most tokens of a conversation at the largest scale, the rest is cut off; or "
            "of the questions about an image together, what is beyond is left out.",
            "min": 2,
        },
    )


def parse_emphasis(text: str) -> dict[str, float]:
    """Read families and their factors.

    Raises:
        click.UsageError: if a part is not a name, an equals sign and a number.

    >>> parse_emphasis("chart=4, gist=0.3")
    {'chart': 4.0, 'gist': 0.3}
    """
    factors = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        family, _, factor = part.partition("=")
        try:
            factors[family.strip()] = float(factor)
        except ValueError:
            raise click.UsageError(
                f"--emphasis expects families and factors such as chart=4,gist=0.3, got {text!r}"
            ) from None
    return factors
