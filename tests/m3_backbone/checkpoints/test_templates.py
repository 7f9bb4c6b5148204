"""Where a checkpoint keeps its chat template: any product of places opens as AutoProcessor's."""

import json
import shutil
from itertools import product

import pytest
from transformers import AutoProcessor

from m3_backbone.backbone import M3Backbone
from m3_backbone.checkpoints.templates import find_template
from m3_backbone.hosts.templates import TEMPLATES

PLACES = ("chat_template.jinja", "chat_template.json", "processor_config.json")
IMAGES = (
    "{% for m in messages %}MARK {% for c in m['content'] %}{% if c['type'] == 'image' %}<image> "
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %}"
)
TEXT_ONLY = {
    "none": None,
    "chatml": "{% for m in messages %}{{ m['role'] + '\n' + m['content'] }}{% endfor %}",
    "quiet": "{% for m in messages %}{{ m['content'][-1]['text'] }}{% endfor %}",
    "good": IMAGES.replace("MARK", "tokenizer"),
}
ASKED = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what"}]}]


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """A copy without any template."""
    folder = shutil.copytree(tiny_folder, tmp_path / "copy")
    (folder / "chat_template.jinja").unlink()
    return folder


def put(folder, place, template):
    path = folder / place
    if place.endswith(".jinja"):
        path.write_text(template)
        return
    fields = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**fields, "chat_template": template}))


@pytest.mark.parametrize("chosen", list(product([False, True], repeat=3)))
@pytest.mark.parametrize("kept", TEXT_ONLY)
def test_a_template_is_found_where_autoprocessor_finds_it(folder, chosen, kept):
    if TEXT_ONLY[kept] is not None:
        put(folder, "tokenizer_config.json", TEXT_ONLY[kept])
    for place, there in zip(PLACES, chosen, strict=True):
        if there:
            put(folder, place, IMAGES.replace("MARK", place))
    processor = AutoProcessor.from_pretrained(folder, backend="pil")
    actual = find_template(folder, processor.tokenizer)
    if any(chosen):
        assert actual == processor.chat_template
        written = M3Backbone.from_pretrained(folder).prompt("what")
        assert written == processor.apply_chat_template(ASKED)
    else:
        assert actual == (TEXT_ONLY["good"] if kept == "good" else None)


def test_without_a_template_one_is_named(folder, tmp_path):
    with pytest.raises(ValueError, match="brings no chat template for images: name one with"):
        M3Backbone.from_pretrained(folder)
    plain = M3Backbone.from_pretrained(folder, template="llava-1.5")
    assert plain.prompt("what") == "USER: <image>\nwhat ASSISTANT:"
    own = tmp_path / "own.jinja"
    own.write_text(IMAGES)
    assert (
        M3Backbone.from_pretrained(folder, template=str(own)).prompt("what") == "MARK <image> what"
    )
    polite = M3Backbone.from_pretrained(folder, template="vicuna_v1")
    assert polite.prompt("what").endswith("USER: <image>\nwhat ASSISTANT:")
    # Other prompts give other answers, so a table must not be taken up with another template.
    assert plain.fingerprint != polite.fingerprint
    with pytest.raises(ValueError, match="no chat template 'x': expected llava-1.5, vicuna_v1, or"):
        M3Backbone.from_pretrained(folder, template="x")


def test_templates_by_name_take_one_image():
    assert all("<image>" in template for template in TEMPLATES.values())
