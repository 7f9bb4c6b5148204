"""`m3scale convert`: there and back, usable by transformers alone, whole or not there."""

import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from transformers import AutoProcessor, pipeline

from labels.scenes.benchmark import load_scenes
from m3_backbone.backbone import M3Backbone
from m3_backbone.checkpoints import conversion
from scripts.cli import main


@pytest.fixture(scope="module")
def picture():
    pixels = np.random.default_rng(1).integers(0, 256, (40, 70, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def convert(runner):
    def run(*arguments):
        return runner.invoke(main, ["convert", *map(str, arguments)])

    return run


@pytest.fixture(scope="module")
def converted(official_folder, tmp_path_factory):
    target = tmp_path_factory.mktemp("converted") / "stock"
    assert not conversion.convert_checkpoint(str(official_folder), target, "stock")
    return target


def ask(folder, picture, scales=(1, 144)):
    backbone = M3Backbone.from_pretrained(folder)
    [pyramid] = backbone.encode([picture])
    answers = backbone.generate([pyramid] * len(scales), ["what ?"] * len(scales), list(scales))
    # Where its weights lie in memory moves a sum's last digit.
    return [(answer.token_ids, round(answer.mean_logprob, 4)) for answer in answers]


def test_a_converted_folder_answers_alike(official_folder, converted, picture):
    assert ask(converted, picture) == ask(official_folder, picture)


def test_again_is_compared_byte_by_byte(convert, official_folder, converted):
    done = convert(official_folder, converted)
    assert done.exit_code == 0, done.output
    assert "is there already" in done.output
    assert not converted.with_name("stock.partial").exists()
    other = converted.with_name("other")
    other.mkdir()
    (other / "note.txt").write_text("mine")
    done = convert(official_folder, other)
    assert done.exit_code == 2
    assert "holds other files" in done.stderr
    assert [path.name for path in other.iterdir()] == ["note.txt"]


def test_a_failing_run_leaves_nothing_at_the_target(official_folder, tmp_path, monkeypatch):
    def fail(model, tokenizer, image_processor, folder):
        (folder / "config.json").write_text("half")
        raise OSError("disk full")

    target = tmp_path / "stock"
    with monkeypatch.context() as patch:
        patch.setattr(conversion, "save_stock", fail)
        with pytest.raises(OSError, match="disk full"):
            conversion.convert_checkpoint(str(official_folder), target, "stock")
    assert not target.exists()
    # What is left under the other name does not stand in the way.
    assert not conversion.convert_checkpoint(str(official_folder), target, "stock")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stock"]


def test_transformers_alone_answers(official_folder, converted, picture):
    processor = AutoProcessor.from_pretrained(converted, backend="pil")
    own = M3Backbone.from_pretrained(official_folder)
    talk = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "what"}]}]
    prompt = processor.apply_chat_template(talk, add_generation_prompt=True)
    assert prompt == own.prompt("what")
    actual = processor(images=[picture], text=prompt, return_tensors="pt")
    pixels = own.image_processor(images=[picture], return_tensors="pt")["pixel_values"]
    assert torch.equal(actual["pixel_values"], pixels)
    assert int((actual["input_ids"] == 300).sum()) == 576
    [answer] = own.generate(own.encode([picture]), ["what"], 576, max_new_tokens=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answering = pipeline("image-text-to-text", model=str(converted), device="cpu")
        talk[0]["content"][0]["image"] = picture
        [reply] = answering(text=talk, return_tensors=True, generate_kwargs={"max_new_tokens": 4})
    ids = reply["generated_token_ids"]
    assert tuple(map(int, ids[-answer.output_tokens :])) == answer.token_ids


def test_there_and_back(convert, tiny_model, tmp_path, picture):
    assert convert(tiny_model, tmp_path / "official", "--to", "official").exit_code == 0
    assert convert(tmp_path / "official", tmp_path / "stock").exit_code == 0
    answers = ask(tiny_model, picture)
    assert ask(tmp_path / "official", picture) == answers
    assert ask(tmp_path / "stock", picture) == answers


def test_the_tower_has_the_names_that_stock_vllm_reads(converted):
    """transformers opens the folder, under either name: test_transformers_alone_answers."""
    with safe_open(converted / "model.safetensors", framework="pt") as tensors:
        tower = [name for name in tensors.keys() if "vision_tower." in name]
    assert len(tower) > 10
    assert all("vision_tower.vision_model." in name for name in tower)


def test_m3_mini_there_and_back(convert, tmp_path):
    """What the embedded model really says of scenes, at every scale."""
    assert convert("m3-mini", tmp_path / "official", "--to", "official").exit_code == 0
    assert convert(tmp_path / "official", tmp_path / "stock").exit_code == 0
    scenes = load_scenes("test", 8)
    groups = scenes.by_image()
    asked = [[question.question for question in group] for group in groups]
    reply = []
    for folder in ("m3-mini", tmp_path / "official", tmp_path / "stock"):
        backbone = M3Backbone.from_pretrained(folder)
        pyramids = backbone.encode([scenes.image(group[0].image_id) for group in groups])
        rows = [
            row
            for scale in backbone.scales
            for row in backbone.answer_images(pyramids, asked, scale)
        ]
        reply.append([answer.text for row in rows for answer in row])
    assert len(reply[0]) > 200
    assert len(set(reply[0])) > 10
    assert reply[0] == reply[1] == reply[2]


def test_the_added_row_is_left_out_again(converted, official_folder, tmp_path, picture):
    assert not conversion.convert_checkpoint(str(converted), tmp_path / "again", "official")
    first, again = (conversion.read_config(path) for path in (official_folder, tmp_path / "again"))
    same = set(first) & set(again)
    assert {name: again[name] for name in same} == {
        **{name: first[name] for name in same},
        "use_cache": True,
        "mm_vision_tower": first["mm_vision_tower"],
    }
    assert ask(tmp_path / "again", picture) == ask(converted, picture)


def test_nothing_to_convert(convert, tiny_model, official_folder, tmp_path):
    for source, kind in ((tiny_model, "stock"), (official_folder, "official")):
        done = convert(source, tmp_path / "new", "--to", kind)
        assert done.exit_code == 2
        assert f"is in the {kind} format already" in done.stderr
    (tmp_path / "file").write_text("")
    assert "is no folder to write to" in convert(official_folder, tmp_path / "file").stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
