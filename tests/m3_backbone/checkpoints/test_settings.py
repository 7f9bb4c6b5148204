"""Checkpoints whose settings were edited: refused in one line, or opened and of use."""

import copy
import json
import shutil

import pytest
from PIL import Image

from m3_backbone.backbone import M3Backbone
from m3_backbone.checkpoints.loading import embedded_path
from m3_backbone.checkpoints.settings import check_settings

NASTY = (0, -1, 1.5, "x", None, [], {}, True, 10**9, 10**12, float("nan"), [[[]]])
FILES = ("config.json", "generation_config.json", "tokenizer_config.json", "processor_config.json")


def name_fields(value, place=()):
    for key in value:
        yield (*place, key)
        if isinstance(value[key], dict):
            yield from name_fields(value[key], (*place, key))


def change(value, place, new):
    changed = copy.deepcopy(value)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = new
    return changed


def answer(folder):
    backbone = M3Backbone.from_pretrained(folder)
    [pyramid] = backbone.encode([Image.new("RGB", (50, 40), "teal")])
    [answer] = backbone.generate([pyramid], ["How many?"], backbone.scales[-1], max_new_tokens=2)
    return answer.text


def check_file(folder, name, stride):
    """Try every `stride`-th edit of a file: nothing but one line may be raised."""
    original = (folder / name).read_text()
    fields = json.loads(original)
    edits = [(place, new) for place in name_fields(fields) for new in NASTY]
    refused = 0
    for place, new in edits[::stride]:
        (folder / name).write_text(json.dumps(change(fields, place, new)))
        try:
            answer(folder)
        except (ValueError, OSError) as error:
            refused += 1
            assert "\n" not in str(error), (name, place, new)
    (folder / name).write_text(original)
    assert answer(folder) is not None
    return refused, len(edits[::stride])


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "copy")


@pytest.mark.parametrize(("name", "stride"), [(FILES[0], 41), (FILES[2], 37), (FILES[3], 43)])
def test_a_sample_of_edits(folder, name, stride):
    refused, tried = check_file(folder, name, stride)
    assert 0 < refused < tried


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_edit(tmp_path, name):
    folder = shutil.copytree(embedded_path(), tmp_path / "copy")
    refused, tried = check_file(folder, name, 1)
    assert 0 < refused < tried


@pytest.mark.parametrize(
    ("name", "place", "new", "message"),
    [
        ("config.json", ("text_config", "num_hidden_layers"), 10**12, "from 1 to 1000, got"),
        ("config.json", ("vision_config", "patch_size"), 0, r"vision_config\.patch_size must be"),
        ("config.json", ("text_config", "hidden_size"), 1.5, r"hidden_size must be a whole number"),
        ("config.json", ("text_config", "vocab_size"), True, r"vocab_size must be a whole number"),
        ("config.json", ("image_token_index",), 10**30, "image_token_index must be a number of 64"),
        ("config.json", ("text_config", "rope_theta"), 0, "rope_theta must be above 0, got 0"),
        ("processor_config.json", ("size",), {"height": 10**6}, r"size\.height must be .* pixels"),
    ],
)
def test_what_cannot_be_meant_is_named(folder, name, place, new, message):
    check_settings(folder)
    fields = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(change(fields, place, new)))
    with pytest.raises(ValueError, match=f"{name}: .*{message}"):
        check_settings(folder)


def test_more_values_than_the_weights_hold_are_refused_before_they_take_memory(folder):
    path = folder / "config.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps(change(fields, ("text_config", "vocab_size"), 2 * 10**9)))
    with pytest.raises(ValueError, match=r"not those of its config\.json: \d+ bytes cannot hold"):
        M3Backbone.from_pretrained(folder)


@pytest.mark.parametrize("text", ["null", "{}", "[]", "", '{"version": "1.0"}'])
def test_a_tokenizer_that_is_none_is_one_line(folder, text):
    (folder / "tokenizer.json").write_text(text)
    with pytest.raises(ValueError, match="lacks a tokenizer that can be opened: ") as caught:
        M3Backbone.from_pretrained(folder)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_whose_library_panics_is_one_line(folder):
    path = folder / "tokenizer.json"
    fields = json.loads(path.read_text())
    fields["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}],
        "pair": [],
        "special_tokens": {},
    }
    path.write_text(json.dumps(fields))
    with pytest.raises(ValueError, match="lacks a tokenizer that can be opened: ") as caught:
        M3Backbone.from_pretrained(folder)
    assert "\n" not in str(caught.value)
