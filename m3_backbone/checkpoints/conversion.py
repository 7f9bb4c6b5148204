"""Writes checkpoints in the format of stock transformers, or from one format to the other."""

import filecmp
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import LlavaNextProcessor, LlavaProcessor, PreTrainedTokenizerBase

from m3_backbone.checkpoints.loading import find_folder, read_checkpoint
from m3_backbone.checkpoints.official.config import is_official, read_config
from m3_backbone.checkpoints.official.export import save_official
from m3_backbone.checkpoints.source import CheckpointSource
from m3_backbone.checkpoints.writing import writing_weights
from m3_backbone.files import check_output, replacing
from m3_backbone.hosts.config import StockModel

LONG_NAMED = ("clip_vision_model", "siglip_vision_model")
"""Towers whose tensors transformers 4 named `vision_model.` and transformers 5 does not."""


def save_stock(
    model: StockModel, tokenizer: PreTrainedTokenizerBase, image_processor: Any, folder: Path
) -> None:
    """Write a LLaVA or LLaVA-NeXT so that stock transformers, or stock vLLM, can open it.

    The tokenizer has a token for images and a chat template. Equal parts give equal bytes.
    """
    config: Any = model.config
    join: Any = LlavaNextProcessor if config.model_type == "llava_next" else LlavaProcessor
    processor = join(
        image_processor,
        tokenizer,
        patch_size=config.vision_config.patch_size,
        vision_feature_select_strategy=config.vision_feature_select_strategy,
        chat_template=tokenizer.chat_template,
        # CLIP's class token, which the processor counts before it is dropped.
        num_additional_image_tokens=1,
    )
    tensors = model.state_dict()
    if config.vision_config.model_type in LONG_NAMED:
        tensors = _name_for_all(tensors)
    model.save_pretrained(folder, state_dict=tensors)
    processor.save_pretrained(folder)


def _name_for_all(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Name a tower's tensors as transformers 4 did: its successor reads both names, vLLM these."""
    bare = re.compile(r"(?<=\bvision_tower\.)(?!vision_model\.)")
    return {bare.sub("vision_model.", name): tensor for name, tensor in tensors.items()}


def convert_checkpoint(source: str | Path | CheckpointSource, target: Path, kind: str) -> bool:
    """Write a checkpoint in another format.

    Args:
        source: a folder, a name on the Hub, or m3-mini; or these with what is to be added.
        target: the folder to write; made under another name and renamed.
        kind: `stock` or `official`.

    Returns:
        True if the target was there already with the very same files.

    Raises:
        ValueError: if the source is in that format already, or the target holds something else.
    """
    source = source if isinstance(source, CheckpointSource) else CheckpointSource(source)
    folder = find_folder(source.name)
    if is_official(read_config(folder)) == (kind == "official"):
        raise ValueError(f"{folder} is in the {kind} format already: there is nothing to convert")
    if target.exists() and (not target.is_dir() or target.resolve() == folder.resolve()):
        raise ValueError(f"{target} is no folder to write to: name a new one")
    # A target that holds something is compared below; any other must be one that can be written.
    check_output(target, owned=lambda _: ())
    opened = read_checkpoint(source)
    save = save_official if kind == "official" else save_stock
    with replacing(target) as partial:
        partial.mkdir()
        with writing_weights():
            save(opened.model, opened.tokenizer, opened.image_processor, partial)
        for path in partial.iterdir():
            # safetensors makes private files.
            path.chmod(0o644)
        there = target.exists() and any(target.iterdir())
        if there and not have_same_files(partial, target):
            raise ValueError(f"{target} holds other files: remove it or name a new folder")
        if there:
            shutil.rmtree(partial)
    return there


def have_same_files(first: Path, second: Path) -> bool:
    """Tell whether two folders hold the same files, byte by byte."""
    names = sorted(path.name for path in first.iterdir())
    if names != sorted(path.name for path in second.iterdir()):
        return False
    same, _, _ = filecmp.cmpfiles(first, second, names, shallow=False)
    return len(same) == len(names)
