import pytest

from m3_backbone.checkpoints.official.sentencepiece import (
    Piece,
    build_tokenizer,
    find_merges,
    read_pieces,
)


def test_pieces_come_back(tmp_path, write_sentencepiece, vicuna_pieces):
    path = tmp_path / "tokenizer.model"
    write_sentencepiece(path, vicuna_pieces)
    assert read_pieces(path) == [Piece(*piece) for piece in vicuna_pieces]


def test_merges_are_those_that_make_a_piece_best_first():
    pieces = [Piece(text, -rank, 1) for rank, text in enumerate(["ab", "abc", "a", "b", "c", "bc"])]
    best_first = [("a", "b"), ("ab", "c"), ("a", "bc"), ("b", "c")]
    # Of two ways to one piece the one with the longer beginning counts first.
    assert find_merges(pieces) == best_first


def test_spaces_stand_at_the_start_and_after_special_tokens(vicuna_pieces):
    tokenizer = build_tokenizer([Piece(*piece) for piece in vicuna_pieces])
    tokenizer.add_special_tokens(["<image>"])
    tokens = tokenizer.encode("USER <image>\ncat</s>USER").tokens
    space = "\u2581"
    assert tokens == [
        *("<s>", f"{space}USER", space, "<image>", space, "<0x0A>", "cat", "</s>", f"{space}USER")
    ]
    assert tokenizer.decode(tokenizer.encode("cat USER.").ids) == "cat USER."


@pytest.mark.parametrize("cut", [1, 5, 900])
def test_a_damaged_file_is_refused(tmp_path, write_sentencepiece, vicuna_pieces, cut):
    path = tmp_path / "tokenizer.model"
    write_sentencepiece(path, vicuna_pieces)
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(ValueError, match=r"no SentencePiece model, or damaged|no byte-pair"):
        read_pieces(path)


def test_other_vocabularies_are_refused(tmp_path, write_sentencepiece, vicuna_pieces):
    path = tmp_path / "tokenizer.model"
    write_sentencepiece(path, vicuna_pieces, model_type=1)
    with pytest.raises(ValueError, match="holds no byte-pair vocabulary"):
        read_pieces(path)
    with pytest.raises(ValueError, match="has <s> and <unk> and every piece once"):
        build_tokenizer([Piece("a", 0.0, 1)])
