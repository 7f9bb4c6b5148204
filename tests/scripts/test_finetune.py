"""`m3scale finetune`: trains, resumes, refuses what does not go together."""

import pytest
from click.testing import CliRunner
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from scripts.cli import main


@pytest.fixture
def finetune(tiny_model, write_source, tmp_path):
    data = str(write_source(tmp_path / "data", 3, 0))

    def run(*extra, out="tuned"):
        options = ["--data", data, "--out", str(tmp_path / out), "--batch", "2", "--quiet"]
        return CliRunner().invoke(main, ["finetune", "--model", tiny_model, *options, *extra])

    run.folder = tmp_path
    return run


def test_a_trained_checkpoint_opens_and_has_moved(finetune, tiny_model):
    done = finetune("--steps", "2", "--language-rate", "1e-2", "--optimizer", "muon")
    assert done.exit_code == 0, done.output
    assert done.output.count("wrote") == 1
    AutoModelForImageTextToText.from_pretrained(finetune.folder / "tuned")
    before = load_file(f"{tiny_model}/model.safetensors")
    after = load_file(finetune.folder / "tuned" / "model.safetensors")
    assert any(not before[name].equal(after[name]) for name in before)
    assert not (finetune.folder / "tuned.unfinished").exists()
    assert "is finished" in finetune("--steps", "2").output


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
