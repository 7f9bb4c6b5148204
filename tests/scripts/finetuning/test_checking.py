"""Images are checked before the first step, all of them, once."""

import os

import pytest
from PIL import Image

from labels.sources.llava_conversations import Conversation
from scripts.finetuning import checking
from scripts.finetuning.checking import keep_usable, remember_images


@pytest.fixture
def conversations(tmp_path):
    for number in range(4):
        Image.effect_noise((40, 30), 90).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:300])
    named = [(0, 1), (1, 2), (), (3,), (2,)]
    return [
        Conversation(tuple(tmp_path / f"{i}.png" for i in own), ((0, "a", "b"),), f"entry {place}")
        for place, own in enumerate(named)
    ]


@pytest.fixture
def decoded(monkeypatch):
    names = []
    load = checking.load_image
    monkeypatch.setattr(checking, "load_image", lambda path: names.append(path.name) or load(path))
    return names


def test_the_first_bad_entry_is_named_before_anything_is_trained(conversations, tmp_path):
    message = r"entry 1: .*2\.png is damaged or cut short: .*; --skip-bad leaves them out"
    with pytest.raises(ValueError, match=message):
        keep_usable(conversations, tmp_path / "images.json")


def test_bad_entries_are_left_out_and_named(conversations, decoded, tmp_path):
    bad = []
    kept = keep_usable(conversations, tmp_path / "images.json", bad)
    assert [one.name for one in kept] == ["entry 0", "entry 2", "entry 3"]
    assert [message.split(": ")[0] for message in bad] == ["entry 1", "entry 4"]
    # Each file once, however many entries name it.
    assert sorted(decoded) == ["0.png", "1.png", "2.png", "3.png"]


def test_what_was_good_is_not_decoded_again_unless_it_changed(conversations, decoded, tmp_path):
    cache = tmp_path / "run" / "images.json"
    kept = keep_usable(conversations, cache, [])
    remember_images(kept, cache)
    decoded.clear()
    assert keep_usable(kept, cache) == kept
    assert decoded == []
    # Other content of the same size, at the same time of change as before.
    before = (tmp_path / "3.png").stat()
    (tmp_path / "3.png").write_bytes(bytes(before.st_size))
    os.utime(tmp_path / "3.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ValueError, match=r"entry 3: .*3\.png is not an image"):
        keep_usable(kept, cache)
    assert decoded == ["3.png"]
