"""`m3scale audit --rerun` and `label --losses` on a tiny model, end to end."""

import json

from scripts.cli import main


def invoke(runner, *arguments):
    return runner.invoke(main, [str(argument) for argument in arguments])


def test_sample_is_asked_again_and_losses_are_ranked(tmp_path, runner, tiny_model, write_source):
    source, out = write_source(tmp_path / "data", 5, seed=0), tmp_path / "run"
    label = ("label", "--source", source, "--model", tiny_model, "--out", out, "--losses")
    assert invoke(runner, *label, "--max-new-tokens", 2).exit_code == 0
    options = ("--rerun", 3, "--model", tiny_model, "--json", tmp_path / "a.json")
    result = invoke(runner, "audit", "--outcomes", out, *options)
    assert result.exit_code == 0, result.output
    flips = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["flips"]
    assert flips == {"n": 6, "answers": [0] * 5, "verdicts": [0] * 5}  # float32: batches do nothing
    assert "loss-ranking tokens" in invoke(runner, "oracle", "--outcomes", out).stdout
    drawn = ("--repeats", 2, "--sample-temperature", 0.7, "--max-new-tokens", 2)
    warm = ("label", "--source", source, "--model", tiny_model, "--out", tmp_path / "warm", *drawn)
    assert invoke(runner, *warm).exit_code == 0
    result = invoke(runner, "audit", "--outcomes", tmp_path / "warm", *options)
    assert result.exit_code == 0, result.output
    flips = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["flips"]
    assert flips["answers"] == [0] * 5  # what is compared was never drawn
    other = invoke(runner, "audit", "--outcomes", out, "--rerun", 1)
    assert (other.exit_code, other.stderr.count("\n")) == (2, 1)
    assert "was labelled by" in other.stderr
    source.write_text(source.read_text(encoding="utf-8").replace("what ?", "why ?"))
    changed = invoke(runner, "audit", "--outcomes", out, *options)
    assert "are not those of" in changed.stderr
