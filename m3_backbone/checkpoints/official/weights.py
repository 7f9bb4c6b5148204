"""Tensors of LLaVA's own checkpoints: reading the files, and names in either format."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from m3_backbone.foreign import read_object, third_party

# Stock name (a pattern, because the tower lost a level of its name within transformers 5), official
# name. The first that fits counts.
_NAMES = (
    (r"^model\.multi_modal_projector\.linear_1\.", "model.mm_projector.0."),
    (r"^model\.multi_modal_projector\.linear_2\.", "model.mm_projector.2."),
    (
        r"^model\.vision_tower\.(vision_model\.)?",
        "model.vision_tower.vision_tower.vision_model.",
    ),
    (r"^model\.language_model\.", "model."),
)

TOWER_PREFIX = "model.vision_tower.vision_tower."
NEWLINE_NAME = "model.image_newline"
VOCABULARY_NAMES = ("model.embed_tokens.weight", "lm_head.weight")

# Constants that old releases saved; they are computed anew.
_IGNORED_ENDINGS = ("rotary_emb.inv_freq", "embeddings.position_ids")


def to_official_name(name: str) -> str:
    """Give the name in an official checkpoint of a tensor in a stock LLaVA's state.

    >>> to_official_name("model.multi_modal_projector.linear_1.weight")
    'model.mm_projector.0.weight'
    """
    for pattern, official in _NAMES:
        renamed, count = re.subn(pattern, official, name)
        if count:
            return renamed
    return name


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Read all tensors of a checkpoint.

    They are in `model.safetensors` or `pytorch_model.bin`, or an index and its shards. They come
    as stored, on the CPU. A damaged file or a useless index raises ValueError.
    """
    tensors: dict[str, Tensor] = {}
    for path in _find_files(folder):
        with third_party(f"the weights in {path} are damaged or cut short"):
            if path.suffix == ".safetensors":
                tensors.update(load_file(path))
            else:
                tensors.update(torch.load(path, map_location="cpu", weights_only=True))
    return tensors


def _find_files(folder: Path) -> list[Path]:
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{name}.index.json"
        if index.is_file():
            return _read_index(index)
        if (folder / name).is_file():
            return [folder / name]
    raise FileNotFoundError(
        f"{folder} holds no weights that can be read: expected model.safetensors or "
        "pytorch_model.bin, or an index of shards"
    )


def _read_index(index: Path) -> list[Path]:
    shards = read_object(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise ValueError(f"{index} is no index of shards: expected a weight_map")
    names = set(shards.values())
    # The bare name: an index must not lead out of its folder.
    paths = [index.parent / Path(str(name)).name for name in sorted(names, key=str)]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"{index} names the shard {path.name}, which is not there")
    return paths


def to_stock_tensors(
    tensors: dict[str, Tensor], expected: Mapping[str, Tensor], rows: int, needs_newline: bool
) -> dict[str, Tensor]:
    """Check official tensors against a stock model's and give them its names.

    Args:
        tensors: official name -> tensor; used up, so that no second copy of a model is held.
        expected: the stock model's state, of which only names and shapes are read.
        rows: rows of the official vocabulary [V]; a larger stock one is filled up with zeros.
        needs_newline: whether the newline vector is used; else it may be there or not.

    Returns:
        Stock name -> tensor, complete.

    Raises:
        ValueError: if tensors are missing, unexpected or of another shape; names the first.
    """
    wanted = {to_official_name(name): name for name in expected}
    if not needs_newline and NEWLINE_NAME in wanted:
        tensors.setdefault(NEWLINE_NAME, torch.zeros(expected[NEWLINE_NAME].shape))
    surplus = [name for name in tensors if name not in wanted and not _is_ignored(name)]
    _refuse("missing", [name for name in wanted if name not in tensors])
    _refuse("unexpected", surplus if needs_newline else set(surplus) - {NEWLINE_NAME})
    result = {}
    for official, stock in wanted.items():
        # Taken out one by one, so that what was grown does not stay twice.
        tensor = tensors.pop(official)
        shape = tuple(expected[stock].shape)
        if official in VOCABULARY_NAMES and len(tensor) == rows:
            tensor = grow_rows(tensor, shape[0])
        if tuple(tensor.shape) != shape:
            raise ValueError(
                f"the tensor {official} has the shape {list(tensor.shape)}, but the configuration "
                f"asks for {list(shape)}"
            )
        result[stock] = tensor
    return result


def grow_rows(table: Tensor, rows: int) -> Tensor:
    """Add rows of zeros to a table [V, D] until it has `rows`."""
    if rows <= len(table):
        return table
    return torch.cat([table, table.new_zeros(rows - len(table), *table.shape[1:])])


def _is_ignored(name: str) -> bool:
    return name.endswith(_IGNORED_ENDINGS)


def _refuse(what: str, names: Iterable[str]) -> None:
    wrong = sorted(names)
    if wrong:
        raise ValueError(
            f"not a whole official LLaVA checkpoint: {len(wrong)} {what} tensors, "
            f"such as {', '.join(wrong[:3])}"
        )
