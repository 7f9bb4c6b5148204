import pytest

from m3_backbone.checkpoints.card import LONGEST, read_trained_on
from m3_backbone.checkpoints.loading import embedded_path


def test_the_embedded_model_says_what_it_was_trained_on():
    assert "drawn" in read_trained_on(embedded_path())


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ("---\ntrained_on: maps,\n  and more maps\n---\n# x", "maps, and more maps"),
        ('---\ntrained_on: "a\\u001b[31mb"\n---\n', "a[31mb"),
        (f"---\ntrained_on: {'x' * 900}\n---\n", "x" * LONGEST),
        ("---\nlicense: mit\n---\ntrained_on: no header\n", ""),
        ("---\ntrained_on: [a, list]\n---\n", ""),
        ("---\ntrained_on: never closed\n", ""),
        ("---\n: {\n---\n", ""),
        ("---\n- a list\n---\n", ""),
        ("no header\n---\ntrained_on: x\n---\n", ""),
        (b"---\ntrained_on: \xff\n---\n", ""),
    ],
)
def test_a_card_says_it_in_its_header_or_nothing(tmp_path, card, said):
    (tmp_path / "README.md").write_bytes(card if isinstance(card, bytes) else card.encode())
    assert read_trained_on(tmp_path) == said


def test_no_card_says_nothing(tmp_path):
    assert read_trained_on(tmp_path) == ""
