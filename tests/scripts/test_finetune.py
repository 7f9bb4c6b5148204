"""`m3scale finetune`: trains, resumes, refuses what does not go together."""

import io
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from transformers import (
    AutoModelForImageTextToText,
    AutoTokenizer,
    LlavaConfig,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
)
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)

from m3_backbone.checkpoints.conversion import save_stock
from scripts.cli import main
from scripts.finetune import IDENTITY, LATER, name_purpose


@pytest.fixture
def finetune(tiny_model, write_source, tmp_path):
    data = str(write_source(tmp_path / "data", 3, 0))

    def run(*extra, out="tuned"):
        options = ["--data", data, "--out", str(tmp_path / out), "--batch", "2", "--quiet"]
        return CliRunner().invoke(main, ["finetune", "--model", tiny_model, *options, *extra])

    run.folder = tmp_path
    return run


def test_a_trained_checkpoint_opens_and_has_moved(finetune, tiny_model):
    options = ("--steps", "2", "--language-rate", "1e-2", "--optimizer", "muon")
    done = finetune(*options)
    assert done.exit_code == 0, done.output
    assert done.output.count("wrote") == 1
    AutoModelForImageTextToText.from_pretrained(finetune.folder / "tuned")
    before = load_file(f"{tiny_model}/model.safetensors")
    after = load_file(finetune.folder / "tuned" / "model.safetensors")
    assert any(not before[name].equal(after[name]) for name in before)
    assert not (finetune.folder / "tuned.unfinished").exists()
    assert "is finished" in finetune(*options, "--workers", "1", "--compile").output
    other = finetune("--steps", "3")
    assert other.exit_code == 2
    assert "holds files, and not what this command trains" in other.output


def test_features_encoded_once_train_too(finetune):
    done = finetune("--steps", "2", "--tower-rate", "0", "--cached", "3", "--scales", "9, 1")
    assert done.exit_code == 0, done.output
    assert "loss at 9" in done.output
    assert "loss at 576" not in done.output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scales", "9,many"), "--scales expects whole numbers such as 9,36, got '9,many'"),
        (("--scales", "10"), "10"),
        (("--cached", "4"), "give --tower-rate 0 too"),
        (("--dense-weight", "1"), "needs --data scenes"),
        (("--ground-weight", "1"), "need a --dense-weight above 0"),
        (("--adapter",), "--adapter writes a LoRA: give --lora-rank too"),
        (("--lora-rank", "2", "--language-rate", "0"), "--language-rate, which is 0"),
        (("--images", "."), "expected an object with a list of 'conversations'"),
        (("--unknown-words", "1.5"), "1.5 is not in the range 0<=x<=1"),
        (("--data", "scenes", "--skip-bad"), "--data scenes does not use --skip-bad"),
        (("--easy", "2"), "does not use --easy: leave it out"),
        (("--data", "scenes", "--max-length", "9"), "does not use --max-length"),
        (("--max-length", "2"), "is short enough: sample '0-what' has "),
        (("--emphasis", "chart=2"), "does not use --emphasis: leave it out"),
        (("--casual", "2"), "does not use --casual: leave it out"),
        (("--data", "scenes", "--emphasis", "chart"), "such as chart=4,gist=0.3, got 'chart'"),
        (("--data", "scenes", "--emphasis", "song=2"), "unknown family 'song'; expected one of"),
        (("--data", "scenes", "--emphasis", "chart=nan"), "factor of chart of at least 0, got nan"),
        (("--data", "scenes", "--split", "nope"), "--data scenes does not use --split"),
        (("--images", ".", "--turns", "3"), "--images does not use --turns"),
        (
            ("--dense", "--data", "scenes", "--emphasis", "song=2"),
            "unknown family 'song'; expected one of",
        ),
        (("--dense", "--turns", "3"), "--dense does not use --turns"),
        (("--dense", "--scales", "9"), "--dense does not use --scales"),
        (("--dense", "--cached", "9"), "--dense does not use --cached"),
        (("--dense", "--lora-rank", "2"), "--dense does not use --lora-rank"),
        (("--dense", "--language-rate", "1"), "--dense does not use --language-rate"),
        (("--dense", "--data", "scenes", "--tower-rate", "0"), "--tower-rate, which is 0: raise"),
        (("--dense",), "--dense needs --data scenes or another draw of them"),
        (("--dense-weight", "nan"), "expected a finite number"),
        (("--dense-weight", "-1"), "--dense-weight"),
        (("--device", "meta"), "device 'meta' cannot be used here"),
        (("--device", "hpu"), "device 'hpu' cannot be used here"),
        (("--template", "nope"), "no chat template 'nope'"),
        (("--vision-tower", "."), "brings its own vision tower"),
        (("--from-scratch",), "either --model NAME or --from-scratch"),
        (
            ("--tower-rate", "0", "--projector-rate", "0", "--language-rate", "0"),
            "nothing to train",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line_and_leaves_nothing(finetune, options, message):
    done = finetune("--steps", "1", *options)
    assert done.exit_code == 2
    assert message in done.output
    assert len(done.output.strip().splitlines()) == 1
    assert not list(finetune.folder.glob("tuned*"))


def test_rows_without_answers_are_left_out_where_that_is_asked_for(finetune):
    path = finetune.folder / "data" / "other.jsonl"
    row = {"image": "0.png", "question": "what ?"}
    rows = [{**row, "sample_id": "x", "answers": ["red"]}, {**row, "sample_id": "y", "answers": []}]
    path.write_text("\n".join(map(json.dumps, rows)))
    refused = finetune("--data", str(path), "--steps", "1", "--batch", "1")
    assert refused.exit_code == 2
    assert "1 of 2 rows cannot be used, which --skip-bad would leave out" in refused.output
    done = finetune("--data", str(path), "--steps", "1", "--batch", "1", "--skip-bad")
    assert done.exit_code == 0, done.output
    assert "left out: " in done.output and "skipped: 1" in done.output


def test_a_path_called_as_the_benchmark_is_refused(finetune, monkeypatch):
    monkeypatch.chdir(finetune.folder)
    (finetune.folder / "scenes").mkdir()
    done = finetune("--data", "scenes", "--steps", "1")
    assert done.exit_code == 2
    assert "--data scenes is the built-in benchmark and also a path here" in done.output


def test_a_row_that_cannot_be_trained_on_is_named_before_the_model_opens(finetune):
    path = finetune.folder / "data" / "other.jsonl"
    row = {"sample_id": "x", "image": "0.png", "question": "what ?", "metric": "reference"}
    path.write_text(json.dumps({**row, "answers": []}))
    done = finetune("--data", str(path), "--model", "nothing/like-this")
    assert done.exit_code == 2
    assert "sample 'x' has the metric reference, so there is no answer to learn" in done.output
    assert len(done.output.strip().splitlines()) == 1


def test_a_question_that_is_too_long_is_left_out_and_the_rest_is_trained(finetune):
    path = finetune.folder / "data" / "questions.jsonl"
    long = {"sample_id": "long", "image": "0.png", "question": "what " * 99, "answers": ["w1"]}
    path.write_text(path.read_text() + "\n" + json.dumps(long))
    done = finetune("--steps", "3", "--max-length", "64")
    assert done.exit_code == 0, done.output
    assert re.search(r"left out: sample 'long' has \d+ tokens with its answer", done.output)
    assert "dropped" not in done.output


@pytest.mark.parametrize("option", ["--template", "--vision-tower"])
def test_a_killed_run_goes_on_with_no_other_template_or_tower(option):
    opened = {"--template": "template", "--vision-tower": "vision_tower"}[option]
    given = {**dict.fromkeys(IDENTITY, 1), **dict.fromkeys(LATER)}
    plain = name_purpose(given)
    # As it was named before these options counted.
    assert plain == " ".join(f"{name}=1" for name in IDENTITY)
    assert name_purpose({**given, opened: "vicuna"}) == f"{plain} {opened}=vicuna"
    assert name_purpose({**given, opened: "llama"}) == f"{plain} {opened}=llama"


def test_a_missing_font_of_the_wide_draw_is_one_line_before_the_model_loads(finetune, monkeypatch):
    def absent(family):
        raise ValueError(f"the font of {family} is missing")

    monkeypatch.setattr("labels.scenes.wide.typefaces.find_file", absent)
    done = finetune("--steps", "1", "--data", "scenes-v3", "--model", "nothing/like-this")
    assert done.exit_code == 2
    assert "is missing" in done.output
    assert len(done.output.strip().splitlines()) == 1


def write_unfinished(folder, content):
    path = folder / "tuned.unfinished" / "unfinished.pt"
    path.parent.mkdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    return path


WHOLE = {"format_version": 1, "identity": "", "step": 0, "modules": {}, "optimizers": []}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot be read, delete it to train from the start: "),
        (b"PK\x03\x04 cut", "cannot be read, delete it to train from the start: "),
        (pickle.dumps({"step": Path("x")}), "cannot be read, delete it to train from the start: "),
        ([1, 2], "expected identity, modules, optimizers, step"),
        ({**WHOLE, "format_version": 99}, "it is of another version of m3scale"),
        (WHOLE, "belongs to another run"),
    ],
)
def test_an_unfinished_run_that_is_damaged_is_one_line_and_stays(finetune, content, message):
    path = write_unfinished(finetune.folder, content)
    before = path.read_bytes()
    done = finetune("--steps", "1")
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_run_that_is_cut_short_is_one_line(finetune):
    buffer = io.BytesIO()
    torch.save({**WHOLE, "modules": {"weight": torch.zeros(1000)}}, buffer)
    path = write_unfinished(finetune.folder, buffer.getvalue()[:2000])
    done = finetune("--steps", "1")
    assert done.exit_code == 2
    assert f"{path} cannot be read, delete it to train from the start: " in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture
def talks(tmp_path):
    """Two conversations with images, one without, one too long to learn from."""
    asked = {"from": "human", "value": "what ?"}
    texts = {"from": "gpt", "value": "w20 w21"}
    shown = {**asked, "value": "<image>\nwhere ?"}
    entries = [
        {"image": "0.png", "conversations": [shown, texts, asked, texts]},
        {"image": ["1.png"], "conversations": [shown, texts]},
        {"conversations": [asked, texts]},
        {"conversations": [{**asked, "value": "what " * 700}, texts]},
    ]
    path = tmp_path / "mix.json"
    path.write_text(json.dumps(entries))
    return ["--data", str(path), "--images", str(tmp_path / "data"), "--max-length", "640"]


def test_conversations_are_trained_with_everything_on(finetune, talks):
    options = ("--accumulate", "2", "--checkpointing", "--bf16", "--lora-rank", "2", "--steps", "2")
    done = finetune(*talks, *options, "--scales-per-step", "1", "--language-rate", "1e-2")
    assert done.exit_code == 0, done.output
    assert "dropped: 2" in done.output
    AutoModelForImageTextToText.from_pretrained(finetune.folder / "tuned")
    assert not (finetune.folder / "tuned" / "adapter").exists()
    lines = (finetune.folder / "tuned" / "log.jsonl").read_text().splitlines()
    actual = [json.loads(line) for line in lines]
    assert [line["dropped"] for line in actual] == [1, 2]
    assert all(len(line["losses"]) == 1 for line in actual)
    # A step is an epoch: four turns with two words and an end each.
    assert [line["answer_tokens"] for line in actual] == [12, 12]


def test_what_learns_nothing_writes_nothing(finetune, talks):
    done = finetune(*talks, "--steps", "2", "--max-length", "2")
    assert done.exit_code == 2
    assert "no conversation has an answer within --max-length 2 tokens" in done.output
    assert not list(finetune.folder.glob("tuned*"))


def test_bad_conversations_are_left_out_where_that_is_asked_for(finetune, talks):
    (finetune.folder / "data" / "1.png").write_bytes(b"no image any more")
    done = finetune(*talks, "--steps", "1")
    assert done.exit_code == 2
    assert re.search(r"entry 1 of .*1\.png is not an image", done.output)
    assert len(done.output.strip().splitlines()) == 1
    assert not list(finetune.folder.glob("tuned*"))
    done = finetune(*talks, "--steps", "1", "--skip-bad")
    assert done.exit_code == 0, done.output
    assert "skipped: 1" in done.output
    assert re.search(r"left out: entry 1 of .*1\.png is not an image", done.output)
    assert (finetune.folder / "tuned" / "config.json").is_file()


def test_an_adapter_is_written_alone(finetune, talks):
    options = ("--lora-rank", "2", "--adapter", "--steps", "1", "--tower-rate", "0")
    done = finetune(*talks, *options)
    assert done.exit_code == 0, done.output
    folder = finetune.folder / "tuned"
    assert (folder / "adapter" / "adapter_model.safetensors").is_file()
    others = load_file(folder / "trained.safetensors")
    assert {name.split(".")[1] for name in others} == {"multi_modal_projector"}
    assert not (folder / "model.safetensors").exists()
    assert "is finished" in finetune(*talks, *options).output


def test_an_official_checkpoint_is_trained_and_becomes_a_stock_one(
    finetune, talks, official_folder
):
    options = ("--steps", "1", "--batch", "1", "--scales", "1", "--max-length", "1500")
    done = finetune(*talks, *options, "--model", str(official_folder))
    assert done.exit_code == 0, done.output
    opened = AutoModelForImageTextToText.from_pretrained(finetune.folder / "tuned")
    assert opened.config.matryoshka_vis_token_scale


@pytest.fixture
def tiny_next(tiny_model, tmp_path):
    """A tiny LLaVA-NeXT with the parts of the tiny LLaVA, of crops of 96x96 pixels."""
    parts = LlavaConfig.from_pretrained(tiny_model)
    grids = [[96, 192], [192, 96]]
    config = LlavaNextConfig(
        vision_config=parts.vision_config,
        text_config=parts.text_config,
        image_token_id=parts.image_token_id,
        image_grid_pinpoints=grids,
    )
    size = {"height": 96, "width": 96}
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": 96}, crop_size=size, image_grid_pinpoints=grids
    )
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    folder = tmp_path / "next"
    save_stock(LlavaNextForConditionalGeneration(config), tokenizer, images, folder)
    return str(folder)


def test_llava_next_is_trained_on_conversations(finetune, talks, tiny_next):
    options = ("--model", tiny_next, "--steps", "1", "--scales", "1,9")
    done = finetune(*talks, *options)
    assert done.exit_code == 0, done.output
    opened = AutoModelForImageTextToText.from_pretrained(finetune.folder / "tuned")
    before = AutoModelForImageTextToText.from_pretrained(tiny_next)
    assert opened.config.model_type == "llava_next"
    assert not opened.lm_head.weight.equal(before.lm_head.weight)


@pytest.mark.slow
def test_processes_with_and_without_images_train_together(tiny_model, talks, finetune):
    out = finetune.folder / "together"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    options = ["--model", tiny_model, "--out", str(out), "--batch", "1", "--steps", "2", "--quiet"]
    done = subprocess.run(
        [*command, "-m", "scripts.cli", "finetune", *options, *talks],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Two steps of two processes are the four conversations; the log tells what the first one saw.
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 2
    assert done.stdout.count("wrote") == 1
