"""Reads a SentencePiece `tokenizer.model` into a tokenizer of the `tokenizers` library.

Only what Llama's and Vicuna's files hold: BPE pieces with scores and byte pieces. It needs neither
sentencepiece nor protobuf installed, and it fixes where spaces are put in front: at the start and
after every special token, as LLaVA's own code had it when the checkpoints were trained.

Source: the field numbers of sentencepiece_model.proto (github google/sentencepiece).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors

NORMAL, UNKNOWN, CONTROL = 1, 2, 3
BYTE_PAIRS = 2
SPACE = "\u2581"


@dataclass(frozen=True)
class Piece:
    """One entry of the vocabulary; its id is its place in the file.

    Attributes:
        text: the piece, spaces written as `SPACE`.
        score: minus the rank of the merge that makes it.
        kind: what it is, such as `NORMAL` or `CONTROL`.
    """

    text: str
    score: float
    kind: int


def read_pieces(path: Path) -> list[Piece]:
    """Read the pieces, by id, of a `tokenizer.model`.

    Raises:
        ValueError: if the file is damaged or holds no byte-pair encoding.
    """
    pieces = []
    kind = None
    try:
        for field, value in _read_fields(path.read_bytes()):
            # ModelProto: 1 is a piece, 2 the trainer's settings, whose field 3 is the model type.
            if field == 1 and isinstance(value, bytes):
                pieces.append(_read_piece(value))
            elif field == 2 and isinstance(value, bytes):
                kind = dict(_read_fields(value)).get(3)
    except (IndexError, struct.error, ValueError) as error:
        raise ValueError(f"{path} is no SentencePiece model, or damaged") from error
    if kind != BYTE_PAIRS or not pieces:
        raise ValueError(f"{path} holds no byte-pair vocabulary, which a Llama tokenizer has")
    return pieces


def build_tokenizer(pieces: Sequence[Piece]) -> Tokenizer:
    """Make the tokenizer of a vocabulary; it starts every text with the piece `<s>`.

    Raises:
        ValueError: if a piece is there twice, or `<s>` or `<unk>` is missing.
    """
    ids = {piece.text: place for place, piece in enumerate(pieces)}
    if len(ids) != len(pieces) or not {"<s>", "<unk>"} <= set(ids):
        raise ValueError("a Llama vocabulary has <s> and <unk> and every piece once; this has not")
    tokenizer = Tokenizer(
        models.BPE(
            vocab=ids,
            merges=find_merges(pieces),
            unk_token="<unk>",
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(SPACE, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    special = [piece.text for piece in pieces if piece.kind in (UNKNOWN, CONTROL)]
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in special])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", ids["<s>"])]
    )
    return tokenizer


def find_merges(pieces: Sequence[Piece]) -> list[tuple[str, str]]:
    """Recover which two pieces make a third, best first: the file only says how good it is."""
    normal = {piece.text: piece.score for piece in pieces if piece.kind == NORMAL}
    pairs = [
        # Of equal scores the longest left half first.
        (-score, -cut, text[:cut], text[cut:])
        for text, score in normal.items()
        for cut in range(1, len(text))
        if text[:cut] in normal and text[cut:] in normal
    ]
    return [(left, right) for _, _, left, right in sorted(pairs, key=lambda pair: pair[:2])]


def _read_piece(message: bytes) -> Piece:
    fields = dict(_read_fields(message))
    # Fields that a file leaves out have these defaults; the score is a float of four bytes.
    text = fields.get(1, b"")
    score = fields.get(2, b"\0\0\0\0")
    kind = fields.get(3, NORMAL)
    if not isinstance(text, bytes) or not isinstance(score, bytes) or not isinstance(kind, int):
        raise ValueError("a piece is a text, a score and a kind")
    return Piece(text.decode(), float(struct.unpack("<f", score)[0]), kind)


def _read_fields(message: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Walk over the fields of a protobuf message: their number, and an integer or raw bytes.

    Raises:
        ValueError: if a field is cut short.
    """
    place = 0
    while place < len(message):
        key, place = _read_varint(message, place)
        # A key holds the field's number, and in its low 3 bits how the value is stored.
        wire = key & 7
        if wire == 0:
            number, place = _read_varint(message, place)
            yield key >> 3, number
            continue
        if wire == 2:
            length, place = _read_varint(message, place)
        else:
            # Fixed 8 or 4 bytes; groups (3, 4) are not in these files.
            length = {1: 8, 5: 4}.get(wire, -1)
        if length < 0 or place + length > len(message):
            raise ValueError("a field is cut short")
        yield key >> 3, message[place : place + length]
        place += length


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[place]
        # Seven bits a byte, lowest first; the high bit says that more follow.
        number |= (byte & 127) << shift
        place += 1
        shift += 7
        if byte < 128:
            return number, place
