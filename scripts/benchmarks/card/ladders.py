"""Reads the ladders that a card is made from: what `scripts.benchmarks.ladder` wrote, each a file.

They lie apart from the model, whose folder is known by the content of its JSON files.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Interval

from m3_backbone.checkpoints.fingerprint import fingerprint_folder
from m3_backbone.schemas import parse_saved, read_saved

AGAIN = "measure it again by `make card`"
NOW, BEFORE = "average", "before"
POOLINGS = {NOW: NOW, "sequential": "sequential", "spatial": "spatial", BEFORE: NOW}
"""Name of each file -> how tokens became fewer."""

Share = Annotated[float, Interval(ge=0, le=1)]


@dataclass(frozen=True)
class Model:
    """Which weights were asked, and how their tokens became fewer."""

    weights: str
    pooling: str


@dataclass(frozen=True)
class Meta:
    """By what it was measured."""

    command: str
    code_version: str
    hardware: str


@dataclass(frozen=True)
class Ladders:
    """What a model gets right, source by source.

    Attributes:
        sources: source -> family -> number of questions, and scale -> share of right answers.
        least: source -> scale, or "none" -> share of the questions that it is the least for.
        intervals: source -> family -> scale -> 95 % interval.
        model: what was asked.
        meta: by what.
    """

    sources: dict[str, dict[str, dict[str, Annotated[float, Ge(0)]]]]
    least: dict[str, dict[str, Share]]
    intervals: dict[str, dict[str, dict[str, tuple[Share, Share]]]]
    model: Model
    meta: Meta

    def row(self, source: str, family: str = "all") -> Mapping[str, float]:
        """Give number of questions and shares of a family; nothing where it was not asked."""
        return self.sources.get(source, {}).get(family, {})


def read_ladders(folder: Path, model: Path) -> dict[str, Ladders]:
    """Read all ladders of a card.

    Args:
        folder: where they lie.
        model: the folder of the model that the card is of.

    Returns:
        Name, a key of `POOLINGS` -> what it holds; each has all questions of the first source of
        `NOW`.

    Raises:
        FileNotFoundError: if one is missing.
        ValueError: if one is damaged, or of other weights or another pooling than its name says.
    """
    found = {}
    weights = fingerprint_folder(model)
    for name, pooling in POOLINGS.items():
        path = folder / f"{name}.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: `make card BEFORE=COMMIT` measures it")
        found[name] = ladders = _read(path)
        if ladders.model.pooling != pooling:
            raise ValueError(f"{path} is of pooling {ladders.model.pooling!r}, not {pooling}")
        if (ladders.model.weights == weights) == (name == BEFORE):
            raise ValueError(
                f"{path} is of weights {ladders.model.weights}, {model} holds {weights}: {AGAIN}"
            )
    known = first_source(found[NOW])
    scales = list_scales(found[NOW].row(known))
    for name, ladders in found.items():
        if not scales or list_scales(ladders.row(known)) != scales:
            raise ValueError(f"{folder / name}.json has not all scales of {known}: {AGAIN}")
    return found


def first_source(ladders: Ladders) -> str:
    """Name the source that was asked first: the known ground."""
    return next(iter(ladders.sources))


def list_scales(row: Mapping[str, float]) -> list[str]:
    """List the scales of a row, as its keys are."""
    return [key for key in row if key.isdecimal()]


def _read(path: Path) -> Ladders:
    content = read_saved(dict[str, Any], path, AGAIN)
    # What is beside the sources; they have no fixed names.
    beside = {
        name: content.pop(name)
        for name in ("least", "intervals", "model", "meta")
        if name in content
    }
    if not content:
        raise ValueError(f"{path} cannot be used: it has no source; {AGAIN}")
    # As text: a mapping would be sorted by its keys, and the first source is the known ground.
    text = json.dumps({"sources": content, **beside}).encode()
    return parse_saved(Ladders, text, str(path), AGAIN)
