"""Which checkpoint is meant, and what a user adds to it."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class CheckpointSource:
    """A checkpoint, and the parts that it does not bring itself.

    Attributes:
        name: a folder, `m3-mini` for the embedded model, or a name on the Hub.
        vision_tower: the same for a CLIP model, whose tower an official checkpoint only names.
        template: a chat template, one of `TEMPLATES` or a file in jinja.
        layers: whether the layers of the language model are read; what lies before them is enough
            where another engine answers.
    """

    name: str | Path
    vision_tower: str | Path | None = None
    template: str | None = None
    layers: bool = True
