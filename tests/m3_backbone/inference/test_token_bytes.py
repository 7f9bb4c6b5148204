"""What tokens add to a text: joined, they are the text, to the byte."""

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from m3_backbone.checkpoints.official.sentencepiece import Piece, build_tokenizer
from m3_backbone.checkpoints.official.tokenizer import wrap_tokenizer
from m3_backbone.inference.answers import read_whole
from m3_backbone.inference.token_bytes import read_bytes

MINI = Path(__file__).parents[3] / "models" / "m3-mini"
UNKNOWN, CONTROL, BYTE = 2, 3, 6


def make_sentencepiece():
    special = [Piece("<unk>", 0, UNKNOWN), Piece("<s>", 0, CONTROL), Piece("</s>", 0, CONTROL)]
    singles = [Piece(f"<0x{byte:02X}>", 0, BYTE) for byte in range(256)]
    words = ["\u2581", "a", "b", "\u00e9", "\u2581a", "\u2581b", "ab"]
    pieces = [Piece(word, -place, 1) for place, word in enumerate(words)]
    tokenizer = build_tokenizer([*special, *singles, *pieces])
    return wrap_tokenizer(tokenizer, {"unk_token": "<unk>"})


@pytest.mark.parametrize("text", ["a b ab", "b \u65e5\u00e9a", "a  b\n\na", "\U0001f642 a"])
@pytest.mark.parametrize("kind", ["sentencepiece", "byte level"])
def test_joined_tokens_are_the_text(kind, text):
    is_mini = kind == "byte level"
    tokenizer = AutoTokenizer.from_pretrained(MINI) if is_mini else make_sentencepiece()
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    whole = read_whole(ids, tokenizer)
    assert whole.strip() == text
    joined = b"".join(read_bytes(one, tokenizer) for one in ids)
    assert joined.lstrip(b" ") == whole.lstrip(" ").encode()
    assert read_bytes(tokenizer.convert_tokens_to_ids("</s>"), tokenizer) == b""


def test_words_have_their_space(tokenizer):
    ids = tokenizer("red cat", add_special_tokens=False)["input_ids"]
    assert [read_bytes(one, tokenizer) for one in ids] == [b" red", b" cat"]
