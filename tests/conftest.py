"""What tests of every package share."""

import shutil
import struct
from pathlib import Path

import pytest
from click.testing import CliRunner


@pytest.fixture
def runner():
    return CliRunner()


def write_varint(number):
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def write_field(number, content):
    if isinstance(content, int):
        return write_varint(number << 3) + write_varint(content)
    return write_varint(number << 3 | 2) + write_varint(len(content)) + content


def write_piece(text, score, kind):
    return write_field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + write_field(3, kind)


@pytest.fixture(scope="session")
def write_sentencepiece():
    """Write a `tokenizer.model` from (text, score, kind) pieces."""

    def write(path, pieces, model_type=2):
        content = b"".join(write_field(1, write_piece(*piece)) for piece in pieces)
        path.write_bytes(content + write_field(2, write_field(3, model_type)))

    return write


@pytest.fixture(scope="session")
def vicuna_pieces():
    """A vocabulary of 300 pieces built like Vicuna's: special, bytes, merges, characters."""
    special = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    single = [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    merges = ["US", "ER", "USER", "\u2581USER", "ca", "cat", "\u2581cat"]
    merged = [(text, -float(rank), 1) for rank, text in enumerate(merges)]
    letters = [(letter, -100.0, 1) for letter in "\u2581USERAINTabcdefghiklmnoprstuvwxyz."]
    return [*special, *single, *merged, *letters]


@pytest.fixture(scope="session")
def official_folder(tmp_path_factory, write_sentencepiece, vicuna_pieces):
    """A tiny LLaVA-1.5 as official code stores it: tensors, settings and tokenizer.model."""
    source = Path(__file__).resolve().parent / "golden" / "llava15"
    folder = tmp_path_factory.mktemp("official")
    for name in ("config.json", "vision_config.json", "model.safetensors"):
        shutil.copyfile(source / name, folder / name)
    write_sentencepiece(folder / "tokenizer.model", vicuna_pieces)
    return folder
