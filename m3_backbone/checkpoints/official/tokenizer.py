"""The text side of LLaVA's own checkpoints: tokenizer, image token and chat template.

Official code keeps images out of the tokenizer; stock transformers wants a token for them. Where
there is none, `<image>` is added behind the vocabulary.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from m3_backbone.checkpoints.official.sentencepiece import build_tokenizer, read_pieces
from m3_backbone.checkpoints.tokenizer import try_tokenizer
from m3_backbone.foreign import read_object
from m3_backbone.hosts.vicuna import VICUNA_TEMPLATE

IMAGE_TOKEN = "<image>"

IMAGE_ENTRY = {"image_token": IMAGE_TOKEN}
"""Processors find the token by this name."""


def open_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Open the tokenizer of an official checkpoint, ready for a stock LLaVA.

    It has a token for images and pads on the left.

    Raises:
        FileNotFoundError: if the folder holds neither file.
        ValueError: if the file is damaged or its special tokens are unknown.
    """
    if (folder / "tokenizer.json").is_file():
        tokenizer = _open_json(folder)
    elif (folder / "tokenizer.model").is_file():
        tokenizer = _open_sentencepiece(folder)
    else:
        raise FileNotFoundError(f"{folder} has no tokenizer.model and no tokenizer.json")
    if tokenizer.bos_token is None or tokenizer.eos_token is None:
        raise ValueError(f"the tokenizer in {folder} names no token for a text's start or end")
    # Padding is masked; what it is called only has to be in the vocabulary.
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


def wrap_tokenizer(tokenizer: Tokenizer, special: Mapping[str, str]) -> PreTrainedTokenizerFast:
    """Make a tokenizer of transformers out of one that knows `<s>`, `</s>` and `<image>`.

    `special` names further special tokens, such as {"pad_token": "<pad>"}. It pads on the left.
    """
    wrap: Any = PreTrainedTokenizerFast
    fast: PreTrainedTokenizerFast = wrap(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        extra_special_tokens=IMAGE_ENTRY,
        padding_side="left",
        **special,
    )
    return fast


def set_template(tokenizer: PreTrainedTokenizerFast) -> None:
    """Give a tokenizer the template `vicuna_v1`, in place, unless its own one knows images."""
    template = tokenizer.chat_template
    if not isinstance(template, str) or IMAGE_TOKEN not in template:
        tokenizer.chat_template = VICUNA_TEMPLATE


def _open_json(folder: Path) -> PreTrainedTokenizerFast:
    # Not AutoTokenizer: for a Llama it would set the spaces after special tokens anew.
    read: Any = PreTrainedTokenizerFast.from_pretrained
    settings: dict[str, Any] = {"local_files_only": True, "padding_side": "left"}

    def read_with_image_token() -> PreTrainedTokenizerFast:
        opened: PreTrainedTokenizerFast = read(folder, **settings)
        if getattr(opened, "image_token", None) is None:
            opened = read(folder, extra_special_tokens=IMAGE_ENTRY, **settings)
        return opened

    return try_tokenizer(folder, read_with_image_token)


def _open_sentencepiece(folder: Path) -> PreTrainedTokenizerFast:
    tokenizer = build_tokenizer(read_pieces(folder / "tokenizer.model"))
    extra = folder / "added_tokens.json"
    if extra.is_file():
        ids = read_object(extra)
        if any(type(place) is not int for place in ids.values()):
            raise ValueError(f"{extra} must map tokens to ids")
        tokenizer.add_special_tokens(sorted(ids, key=lambda token: ids[token]))
        moved = [token for token, place in ids.items() if tokenizer.token_to_id(token) != place]
        if moved:
            raise ValueError(f"{extra} gives {moved[0]!r} an id that does not follow the others")
    return wrap_tokenizer(tokenizer, {"unk_token": "<unk>"})
