"""Which share is this process's; label --status and compact, on tables that need no model."""

import json

import click
import pytest

from labels.labelling.sharing import Share
from scripts.cli import main
from scripts.stages.model import Opening
from scripts.stages.shares import read_share, take_device


@pytest.fixture
def folder(tmp_path, runner):
    table, out = tmp_path / "table.csv", tmp_path / "run"
    lines = ["sample_id,scale,answer,score", "a,1,x,0", "a,9,y,1", "b,1,x,1", "b,9,x,1"]
    table.write_text("\n".join(lines), encoding="utf-8")
    assert runner.invoke(main, ["import", "--table", str(table), "--out", str(out)]).exit_code == 0
    return out


def test_share_of_a_process(monkeypatch):
    assert read_share(None) == Share()
    assert read_share("2/8") == Share(2, 8)
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    assert read_share(None) == Share(3, 4)
    with pytest.raises(click.UsageError, match="leave --shard out"):
        read_share("2/8")


@pytest.mark.parametrize("shard", ["3", "a/b", "1/", "-1/2", "2/2", "0/0"])
def test_share_must_be_a_pair(shard):
    with pytest.raises(click.BadParameter, match="expected I/N, 0/8 to 7/8, got"):
        read_share(shard)


def test_each_process_of_torchrun_takes_its_own_gpu(monkeypatch):
    opening = Opening("m", "cuda", "bfloat16")
    assert take_device(opening) == opening
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert take_device(opening).device == "cuda:1"
    assert take_device(Opening("m", "cpu", "float32")).device == "cpu"


def test_status_of_a_folder(folder, runner, tmp_path):
    options = ["label", "--status", str(folder), "--json", str(tmp_path / "s.json")]
    result = runner.invoke(main, options)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["parts", "1", "of", "1", "(100.0", "%)"]
    assert lines[2].split()[:4] == ["questions", "2", "of", "2"]
    assert lines[-1].startswith("finished: ")
    assert json.loads((tmp_path / "s.json").read_text(encoding="utf-8"))["missing"] == []


def test_status_of_no_run_is_one_line(tmp_path, runner):
    result = runner.invoke(main, ["label", "--status", str(tmp_path)])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "holds no labelling run" in result.stderr


def test_unfinished_runs_say_what_is_left_and_are_not_compacted(folder, runner):
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"n_parts": 1', '"n_parts": 2'))
    manifest.write_text(manifest.read_text().replace('"finished": true', '"finished": false'))
    result = runner.invoke(main, ["label", "--status", str(folder)])
    assert "2 questions in 1 parts are left; no process has made one lately" in result.stdout
    result = runner.invoke(main, ["compact", "--outcomes", str(folder)])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "is not finished; run m3scale label again before" in result.stderr


def test_compact_says_what_it_did(folder, runner):
    result = runner.invoke(main, ["compact", "--outcomes", str(folder)])
    assert (result.exit_code, result.stdout) == (0, f"1 parts are now 1: {folder}\n")
