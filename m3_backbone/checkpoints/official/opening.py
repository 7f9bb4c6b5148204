"""Opens checkpoints of LLaVA's own code (`llava_llama`), M3's among them, as stock models.

In memory and from the checkpoint's own files alone: the vision tower is the one stored in it.
`m3scale convert` writes what is opened here.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LlavaForConditionalGeneration,
    LlavaNextForConditionalGeneration,
    PreTrainedTokenizerBase,
)
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from m3_backbone.checkpoints import image_processor
from m3_backbone.checkpoints.official.config import (
    build_stock_config,
    build_vision_config,
    check_official,
    image_side,
    is_anyres,
    is_exported,
    named_tower,
    read_config,
    read_pinpoints,
)
from m3_backbone.checkpoints.official.tokenizer import open_tokenizer, set_template
from m3_backbone.checkpoints.official.tower import add_tower
from m3_backbone.checkpoints.official.weights import read_tensors, to_stock_tensors
from m3_backbone.foreign import read_object, third_party
from m3_backbone.hosts.config import StockModel


def open_official(
    folder: Path, dtype: torch.dtype | None = None, tower: Path | None = None
) -> tuple[StockModel, PreTrainedTokenizerBase, Any]:
    """Open an official checkpoint as stock parts: see `open_official_model` for the arguments.

    Returns:
        The model, its tokenizer with a token for images and a chat template, and its image
        processor, the Pillow one.
    """
    fields = read_config(folder)
    check_official(fields)
    images = open_image_processor(folder, fields, tower)
    tokenizer = open_tokenizer(folder)
    if not is_exported(folder):
        set_template(tokenizer)
    image_token_id: Any = tokenizer.convert_tokens_to_ids(tokenizer.image_token)
    model = open_official_model(folder, image_token_id, dtype, tower)
    return model, tokenizer, images


def open_official_model(
    folder: Path,
    image_token_id: int | None = None,
    dtype: torch.dtype | None = None,
    tower: Path | None = None,
) -> StockModel:
    """Open the model of an official checkpoint without its tokenizer.

    The vocabulary's tables get rows of zeros up to the image token. Nobody reads its embedding, and
    its logit is suppressed (see `hosts.suppressed`), so that the logits of the official vocabulary
    stay as they are.

    Args:
        folder: the checkpoint.
        image_token_id: id that stands for one visual token; None takes the first free one.
        dtype: number format of the model; None keeps the stored one.
        tower: folder of the CLIP model whose tower the checkpoint only names.

    Returns:
        The model on the CPU, in evaluation mode.
    """
    fields = read_config(folder)
    check_official(fields)
    rows = int(fields["vocab_size"])
    image_token_id = rows if image_token_id is None else image_token_id
    config = build_stock_config(fields, build_vision_config(folder, fields, tower), image_token_id)
    stock: Any = (
        LlavaNextForConditionalGeneration if is_anyres(fields) else LlavaForConditionalGeneration
    )
    # Names and shapes without memory: the weights may be many GiB.
    with third_party(f"{folder} holds a model that cannot be built"), torch.device("meta"):
        expected = stock(config).state_dict()
    needs_newline = is_anyres(fields) and fields.get("mm_patch_merge_type") == "spatial_unpad"
    stored = add_tower(read_tensors(folder), tower, named_tower(fields))
    tensors = to_stock_tensors(stored, expected, rows, needs_newline)
    model: StockModel = stock.from_pretrained(
        None, config=config, state_dict=tensors, dtype=dtype or "auto"
    )
    model.generation_config = build_generation(folder, fields, image_token_id)
    return model


def build_generation(
    folder: Path, fields: Mapping[str, Any], image_token_id: int
) -> GenerationConfig:
    """Translate the settings of `generate`; sampling is left out, answers are greedy.

    They name the special tokens, and the image token among those that are never answered. Where a
    stock model was exported, its own tokens may be answered as before.
    """
    path = folder / "generation_config.json"
    saved = read_object(path) if path.is_file() else {}
    names = ("bos_token_id", "eos_token_id", "pad_token_id")
    tokens = {name: saved.get(name, fields.get(name)) for name in names}
    suppressed = set(_read_ids(path, saved.get("suppress_tokens")))
    if image_token_id >= fields["vocab_size"] or not is_exported(folder):
        suppressed.add(image_token_id)
    make: Any = GenerationConfig
    with third_party(f"{path} cannot be used"):
        settings: GenerationConfig = make(**tokens, suppress_tokens=sorted(suppressed) or None)
    return settings


def _read_ids(path: Path, given: Any) -> list[int]:
    ids = given or []
    if not isinstance(ids, list) or any(type(one) is not int for one in ids):
        raise ValueError(f"{path}: suppress_tokens must be a list of token ids, got {given!r:.80}")
    return ids


def open_image_processor(folder: Path, fields: Mapping[str, Any], tower: Path | None = None) -> Any:
    """Make the image processor that official code would use.

    It is a stock Pillow processor: `pad` fills up to a square with CLIP's mean colour, `anyres`
    cuts crops, anything else keeps the image's middle. An exported checkpoint brings its own.
    A tower that lies elsewhere says how large images become.
    """
    if is_exported(folder):
        return image_processor.open_image_processor(folder)
    side = image_side(build_vision_config(folder, fields, tower))
    sizes: Any = {
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
    }
    if is_anyres(fields):
        return LlavaNextImageProcessorPil(image_grid_pinpoints=read_pinpoints(fields), **sizes)
    return LlavaImageProcessorPil(do_pad=fields.get("image_aspect_ratio") == "pad", **sizes)
