"""The bytes that a token adds to a text: of one that is a part of a letter too."""

import re

from transformers import PreTrainedTokenizerBase

from m3_backbone.inference.answers import read_whole

FALLBACK = re.compile("<0x([0-9A-F]{2})>")
"""How SentencePiece writes a token that is one byte."""

SPACE = "\u0120"
"""How byte-level tokenizers write a space."""

SHOWN = (*range(33, 127), *range(161, 173), *range(174, 256))
HIDDEN = sorted(set(range(256)) - set(SHOWN))
BYTE_LETTERS = {chr(byte): byte for byte in SHOWN} | {
    chr(256 + place): byte for place, byte in enumerate(HIDDEN)
}
"""Letter that stands for a byte in byte-level tokenizers. Source: GPT-2, `bytes_to_unicode`."""


def read_bytes(token: int, tokenizer: PreTrainedTokenizerBase) -> bytes:
    """Give what a token adds behind others, a space in front included; a special one adds nothing.

    Args:
        token: its id.
        tokenizer: knows it.
    """
    alone = read_whole([token], tokenizer)
    piece = str(tokenizer.convert_ids_to_tokens(token))
    if alone and (byte := FALLBACK.fullmatch(piece)):
        return bytes.fromhex(byte[1])
    is_byte_level = tokenizer.convert_tokens_to_string([SPACE]) == " "
    if alone and is_byte_level and BYTE_LETTERS.keys() >= set(piece):
        return bytes(BYTE_LETTERS[letter] for letter in piece)
    # Behind itself: tokenizers drop the space in front of a text.
    return read_whole([token, token], tokenizer)[len(alone) :].encode()
