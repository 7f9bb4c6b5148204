"""Identifies a checkpoint by its content, so that tables and routers know where they belong."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch

from m3_backbone.serialization import short_hash

CONTENT_SUFFIXES = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")
"""Files of a checkpoint that change what it answers; its documentation does not."""


def fingerprint_folder(folder: Path) -> str:
    """Hash a checkpoint's files, names and contents: first 16 hex digits of a SHA-256."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix in CONTENT_SUFFIXES)
    return _fingerprint((name, _read_blocks(folder / name)) for name in names)


def fingerprint_model(model: torch.nn.Module) -> str:
    """Hash a model in memory, names, types, shapes and values of its weights: 16 hex digits."""
    state = sorted(model.state_dict().items())
    return _fingerprint(
        (f"{name} {value.dtype} {list(value.shape)}", [_to_bytes(value)]) for name, value in state
    )


def fingerprint_variant(weights: str, variant: str) -> str:
    """Fingerprint an unusual way of using the checkpoint of a fingerprint, such as its pooling."""
    return short_hash(f"{weights} {variant}")


def _fingerprint(parts: Iterable[tuple[str, Iterable[bytes]]]) -> str:
    total = hashlib.sha256()
    for name, blocks in parts:
        content = hashlib.sha256()
        for block in blocks:
            content.update(block)
        # Hash of hashes, with marks between: moving bytes from one file to the next shows.
        total.update(f"{name}\0{content.hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def _read_blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            yield block


def _to_bytes(tensor: torch.Tensor) -> bytes:
    # By way of bytes, because numpy has no bfloat16.
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes()
