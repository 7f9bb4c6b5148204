"""Converts a checkpoint into a folder that is whole or not there."""

import filecmp
import os
import shutil
from pathlib import Path

from m3_backbone.loading import find_folder, read_checkpoint
from m3_backbone.official_config import is_official, read_config
from m3_backbone.official_export import save_official
from m3_backbone.saving import save_stock


def convert_checkpoint(source: str, target: Path, kind: str) -> bool:
    """Write a checkpoint in another format.

    Args:
        source: a folder, a name on the Hub, or m3-mini.
        target: the folder to write; made under another name and renamed.
        kind: `stock` or `official`.

    Returns:
        True if the target was there already with the very same files.

    Raises:
        ValueError: if the source is in that format already, or the target holds something else.
    """
    folder = find_folder(source)
    if is_official(read_config(folder)) == (kind == "official"):
        raise ValueError(f"{folder} is in the {kind} format already: there is nothing to convert")
    if target.exists() and (not target.is_dir() or target.resolve() == folder.resolve()):
        raise ValueError(f"{target} is no folder to write to: name a new one")
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    opened = read_checkpoint(folder)
    save = save_official if kind == "official" else save_stock
    partial.mkdir(parents=True)
    save(opened.model, opened.tokenizer, opened.image_processor, partial)
    for path in partial.iterdir():
        # safetensors makes private files.
        path.chmod(0o644)
    if not target.exists() or not any(target.iterdir()):
        os.replace(partial, target)
        return False
    alike = have_same_files(partial, target)
    shutil.rmtree(partial)
    if not alike:
        raise ValueError(f"{target} holds other files: remove it or name a new folder")
    return True


def have_same_files(first: Path, second: Path) -> bool:
    """Tell whether two folders hold the same files, byte by byte."""
    names = sorted(path.name for path in first.iterdir())
    if names != sorted(path.name for path in second.iterdir()):
        return False
    same, _, _ = filecmp.cmpfiles(first, second, names, shallow=False)
    return len(same) == len(names)
