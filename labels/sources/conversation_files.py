"""Reads the files that hold LLaVA's conversations: JSON, JSON lines, and YAML mixtures of both.

What this is not: a reader of the entries, see `labels.sources.llava_conversations`.
"""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from m3_backbone.serialization import parse_json

Entry = tuple[str, Any]
"""What messages call an entry, and what the file holds there."""

MIXTURES = (".yaml", ".yml")
PART_KEYS = {"json_path", "sampling_strategy"}
STRATEGY = re.compile(r"(first|end|random):([1-9][0-9]{0,11})(%?)")
RANDOM_SEED = 0


def read_entries(path: Path) -> list[Entry]:
    """Read the entries of a file.

    Args:
        path: a JSON list, a file with one JSON object a line, or a .yaml that lists such files.

    Returns:
        The entries, at least one, in order.

    Raises:
        ValueError: if the file holds no such entries.
    """
    if path.suffix in MIXTURES:
        return [entry for part in _read_mixture(path) for entry in _take_part(part, path)]
    entries = _read_list(path, _read_text(path))
    if not entries:
        raise ValueError(f"{path} must hold a list of conversations with at least one entry")
    return entries


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(
            f"no conversations at {path}: expected a file of JSON, JSON lines or YAML"
        )
    try:
        return path.read_bytes().decode("utf-8-sig")  # with or without a byte order mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error}") from error


def _read_list(path: Path, text: str) -> list[Entry]:
    try:
        value = parse_json(text)
    except ValueError as error:
        # What begins with an object and goes on behind it has an object on every line.
        if not text.lstrip().startswith("{"):
            raise ValueError(f"{path} is not JSON: {error}") from error
        return _read_lines(path, text)
    if isinstance(value, dict) and "conversations" in value:
        value = [value]
    if not isinstance(value, list):
        raise ValueError(f"{path} must hold a list of conversations, or one of them a line")
    return [(f"entry {place} of {path}", entry) for place, entry in enumerate(value)]


def _read_lines(path: Path, text: str) -> list[Entry]:
    entries = []
    # At line feeds alone: other marks that Unicode calls ends of lines may stand in texts.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            entries.append((f"line {number} of {path}", parse_json(line)))
        except ValueError as error:
            raise ValueError(f"line {number} of {path} is not JSON: {error}") from error
    return entries


class _SingleKeys(yaml.BaseLoader):  # type: ignore[misc]
    """Refuses a key that comes twice, of which YAML would take the last alone."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            keys = [str(key.value) for key, _ in node.value]
            double = next(key for key in keys if keys.count(key) > 1)
            raise yaml.YAMLError(f"the key {double!r} comes twice{node.start_mark}")
        return mapping


def _read_mixture(path: Path) -> list[dict[str, str]]:
    """Read LLaVA-NeXT's list of files: `datasets`, each with `json_path` and how it is sampled.

    Raises:
        ValueError: if the file is no such list.

    Source: LLaVA-NeXT's code, `train.py`, `LazySupervisedDataset`.
    """
    try:
        # Every scalar as text: nothing here is a number, a date or an object.
        value = yaml.load(_read_text(path), Loader=_SingleKeys)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    parts = value.get("datasets") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(parts, list) or not parts:
        raise ValueError(f"{path} must hold 'datasets', a list of json_path and sampling_strategy")
    for place, part in enumerate(parts):
        if not isinstance(part, dict) or not {"json_path"} <= set(part) <= PART_KEYS:
            raise ValueError(
                f"data set {place} of {path}: expected json_path and sampling_strategy, "
                f"got {part!r:.80}"
            )
        if not all(isinstance(cell, str) for cell in part.values()):
            raise ValueError(f"data set {place} of {path}: expected texts, got {part!r:.80}")
    return parts


def _take_part(part: dict[str, str], mixture: Path) -> list[Entry]:
    # An absolute path stays as it is: joining drops what stands before it.
    path = mixture.parent / part["json_path"]
    if path.suffix in MIXTURES:
        raise ValueError(f"{mixture}: a mixture cannot hold another one, {path}")
    entries = read_entries(path)
    strategy = part.get("sampling_strategy", "all")
    if strategy == "all":
        return entries
    known = STRATEGY.fullmatch(strategy)
    if known is None:
        raise ValueError(
            f"{mixture}: unknown sampling_strategy {strategy!r:.80} of {path}: expected all, "
            "first:N, end:N or random:N, N a count or a share such as 10%"
        )
    way, number, percent = known.groups()
    count = math.ceil(int(number) * len(entries) / 100) if percent else int(number)
    if way == "first":
        return entries[:count]
    if way == "end":
        return entries[-count:]
    # The same ones each time, so that a run can be taken up again.
    drawn = np.random.default_rng(RANDOM_SEED).permutation(len(entries))[:count]
    return [entries[place] for place in drawn]
