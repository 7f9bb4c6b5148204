"""`label` and `ask` with several images, a video, and other ways of pooling."""

import json

import pytest
from click.testing import CliRunner
from PIL import Image

from labels.outcomes.manifest import read_manifest
from labels.outcomes.table import read_questions
from labels.questions import join_fingerprints
from m3_backbone.pooling import POOLING_METHODS
from scripts.ask import main as ask
from scripts.cli import main

SHORT = ("--max-new-tokens", 1)


def invoke(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exc_info)
    return result


def refuse(*arguments):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stdout) == (2, ""), (result.output, result.exc_info)
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.fixture(scope="module")
def pair(tmp_path_factory, write_source):
    """A question about two images of noise, which lie beside it."""
    folder = tmp_path_factory.mktemp("pair")
    write_source(folder, 2, seed=0)
    line = {"question": "what ?", "answers": ["w1"], "image": ["0.png", "1.png"]}
    (folder / "pair.jsonl").write_text(json.dumps(line), encoding="utf-8")
    return folder


def test_label_adds_the_tokens_of_both_images(pair, tiny_model, tmp_path):
    options = ("--model", tiny_model, "--out", tmp_path / "run", "--json", tmp_path / "t.json")
    invoke("label", "--source", pair / "pair.jsonl", *options, "--scale", 1, "--scale", 36, *SHORT)
    table = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert (table["n_questions"], table["n_images"]) == (1, 1)
    assert [row["tokens"] for row in table["fixed"]] == [2, 72]
    # Which pictures they are is kept, so that no split shares one with another.
    [question] = read_questions(tmp_path / "run")
    assert len(set(question.images)) == 2
    assert question.image_id == join_fingerprints(question.images)


def test_folders_with_an_image_in_common_are_refused(pair, tiny_model, tmp_path):
    alone = {"question": "what ?", "answers": ["w1"], "image": "1.png"}
    (pair / "alone.jsonl").write_text(json.dumps(alone), encoding="utf-8")
    for name in ("pair", "alone"):
        options = ("--model", tiny_model, "--out", tmp_path / name, "--scale", 1, "--scale", 9)
        invoke("label", "--source", pair / f"{name}.jsonl", *options, *SHORT)
    for train, later in (("pair", "alone"), ("alone", "pair")):
        splits = ("--outcomes", tmp_path / train, "--calibration", tmp_path / later)
        command = ("train", *splits, "--out", tmp_path / "router")
        assert "train and calibration share 1 images" in refuse(*command)
        assert "calibration split has no image of its own" in refuse(*command, "--drop-shared")


def test_pooling_is_part_of_a_run(pair, tiny_model, tmp_path):
    command = ("label", "--source", pair / "pair.jsonl", "--model", tiny_model, "--scale", 9)
    command = (*command, "--out", tmp_path / "run", *SHORT)
    invoke(*command, "--pooling", "spatial")
    assert read_manifest(tmp_path / "run").settings["pooling"] == "spatial"
    assert "pooling is 'spatial' there but 'average' now" in refuse(*command)


def test_every_way_of_pooling_can_be_chosen():
    options = {option.name: option for option in ask.params}
    assert tuple(options["pooling"].type.choices) == POOLING_METHODS


def test_ask_about_images_and_a_video(pair, tiny_model, tmp_path):
    known = ("--model", tiny_model, "--scale", 9, *SHORT)
    two = invoke("ask", "--image", pair / "0.png", "--image", pair / "1.png", *known, "what ?")
    assert "scale      9 (18 visual tokens)" in two.stdout
    frames = [Image.new("RGB", (48, 48), (40 * shade, 0, 0)) for shade in range(5)]
    frames[0].save(tmp_path / "clip.gif", save_all=True, append_images=frames[1:])
    clip = ("ask", "--video", tmp_path / "clip.gif", *known)
    assert "(27 visual tokens)" in invoke(*clip, "--frames", 3, "what ?").stdout
    assert "(45 visual tokens)" in invoke(*clip, "--pooling", "sequential", "what ?").stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give --image FILE, once or more, or --video FILE"),
        (("--image", "a.png", "--video", "b.gif"), "give --image FILE, once or more, or --video"),
        (("--video", "gone.gif"), "no video at gone.gif"),
        (("--video", "clip.mp4"), "take the frames out (ffmpeg -i VIDEO FOLDER/%05d.png)"),
        (("--image", "a.png", "--frames", 3), "--frames is of a --video: leave it out"),
        (("--video", "clip.mp4", "--frames", 0), "0 is not in the range x>=1"),
        (("--image", "a.png", "--pooling", "middle"), "'middle' is not one of"),
    ],
)
def test_ask_refuses(monkeypatch, tmp_path, tiny_model, options, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    assert message in refuse("ask", "--model", tiny_model, "--scale", 9, *options, "what ?")
