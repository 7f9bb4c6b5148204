"""`m3scale label` on sources that hold bad rows, or lie where the run is to be written."""

import json
import os
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner
from PIL import Image

from labels.labelling.sharing import hold
from labels.outcomes.manifest import read_manifest, write_manifest
from labels.outcomes.table import read_outcomes, read_table
from scripts.cli import main
from scripts.stages.label import read_request
from scripts.stages.splits import read_splits

SHORT = ("--max-new-tokens", 1, "--scale", 1)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    Image.new("RGB", (16, 16), "red").save(tmp_path / "red.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_model(monkeypatch):
    def open_backbone(*_):
        raise AssertionError("the model was opened")

    monkeypatch.setattr("scripts.label.open_backbone", open_backbone)


def call(*arguments):
    return CliRunner().invoke(main, ["label", *map(str, arguments)])


def refuse(*arguments):
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, ""), (result.output, result.exc_info)
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr


def write_rows(path, good, bad):
    rows = [{"image": "red.png", "question": "What?", "answers": "x"}] * good
    rows += [{"image": f"gone-{k}.png", "question": "What?", "answers": "x"} for k in range(bad)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.mark.parametrize(("bad", "listed"), [(1, False), (10, False), (14, True)])
def test_bad_rows_are_told_all_at_once_before_the_model_is_opened(no_model, here, bad, listed):
    write_rows(here / "q.jsonl", 2, bad)
    message = refuse("--source", "q.jsonl", "--out", "o")
    assert f"{bad} of {bad + 2} rows cannot be used, which --skip-bad would leave out" in message
    assert message.count("there is no image file") == min(bad, 10)
    assert ("and 4 more, all in o/bad_rows.txt" in message) == listed
    if listed:
        _, *lines = (here / "o" / "bad_rows.txt").read_text().splitlines()
        assert [line.endswith(f"gone-{k}.png") for k, line in enumerate(lines)] == [True] * bad


def test_bad_rows_are_left_out_counted_and_no_others_on_resuming(tiny_model, here):
    asked = ("--source", "q.jsonl", "--out", "o", "--model", tiny_model, *SHORT, "--skip-bad")
    write_rows(here / "q.jsonl", 3, 2)
    result = call(*asked)
    assert result.exit_code == 0, result.output
    assert "2 rows could not be used and were left out: o/bad_rows.txt" in result.stdout
    assert len(read_outcomes(here / "o").sample_ids) == 3
    assert read_manifest(here / "o").settings["skipped"] == 2
    assert len((here / "o" / "bad_rows.txt").read_text().splitlines()) == 1 + 2
    assert call(*asked).exit_code == 0
    write_rows(here / "q.jsonl", 3, 1)
    assert "skipped is 2 there but 1 now" in refuse(*asked)
    write_rows(here / "q.jsonl", 3, 0)
    assert "skipped is 2 there but 0 now" in refuse(*asked)


def test_a_run_with_bad_rows_is_resumed_under_another_spelling_of_its_path(tiny_model, here):
    asked = ("--out", "o", "--model", tiny_model, *SHORT, "--skip-bad")
    path = write_rows(here / "q.jsonl", 3, 2)
    assert call("--source", "q.jsonl", *asked).exit_code == 0
    manifest = read_manifest(here / "o")
    # As an older version wrote it, and before its end.
    older = {**manifest.settings, "skipped_rows": "0123456789abcdef"}
    for settings in (manifest.settings, older):
        write_manifest(here / "o", replace(manifest, settings=settings, finished=False))
        shutil.rmtree(here / "o" / "parts")
        result = call("--source", path, *asked)
        assert result.exit_code == 0, result.output
        assert read_manifest(here / "o") == replace(manifest, settings=settings)


def test_rows_that_are_all_bad_are_no_run(no_model, here):
    write_rows(here / "q.jsonl", 0, 2)
    assert "2 of 2 rows cannot be used" in refuse("--source", "q.jsonl", "--out", "o", "--skip-bad")


@pytest.mark.parametrize("name", ["questions.parquet", "request.json"])
def test_a_run_does_not_overwrite_its_source(no_model, here, name):
    rows = [{"image": "red.png", "question": "What?", "answers": "x", "secret": 1}]
    if name.endswith("parquet"):
        import pandas as pd

        pd.DataFrame(rows).to_parquet(here / name)
    else:
        (here / name).write_text(json.dumps(rows))
    before = (here / name).read_bytes()
    assert f" holds a {name} that no run wrote" in refuse("--source", name, "--out", ".")
    assert f"{name} is an input" in refuse("--source", name, "--out", name)
    # Not even where there is a run already.
    (here / "manifest.json").write_text("{}")
    assert f"{name} is an input" in refuse("--source", name, "--out", ".")
    (here / "manifest.json").unlink()
    assert (here / name).read_bytes() == before
    assert sorted(path.name for path in here.iterdir()) == sorted(["red.png", name])


def test_a_list_of_bad_rows_overwrites_none_but_its_own(no_model, here):
    write_rows(here / "q.jsonl", 1, 11)
    (here / "o").mkdir()
    (here / "o" / "bad_rows.txt").write_text("mine")
    assert "holds a bad_rows.txt that no run wrote" in refuse("--source", "q.jsonl", "--out", "o")
    assert (here / "o" / "bad_rows.txt").read_text() == "mine"
    (here / "o" / "bad_rows.txt").unlink()
    for _ in range(2):
        assert "all in o/bad_rows.txt" in refuse("--source", "q.jsonl", "--out", "o")


@pytest.mark.parametrize(
    "given",
    [
        ("--metric", "nope"),
        ("--metric", "exact"),
        ("--column", "foo=bar"),
        ("--split", "ood"),
        ("--image-folder", "."),
        ("--frames", 2),
        ("--field", "data"),
        ("--answers", "red.png"),
        ("--skip-bad",),
    ],
)
def test_what_the_benchmark_would_ignore_is_an_error(no_model, given):
    message = refuse("--source", "scenes:test", "--out", "o", *given)
    assert f"scenes:test takes no {given[0]}" in message


def test_vllm_refuses_states_before_the_model_is_opened(no_model, here):
    write_rows(here / "q.jsonl", 2, 0)
    asked = ("--source", "q.jsonl", "--out", "o", "--engine", "vllm", "--extra", "state")
    assert "state goes with the built-in engine" in refuse(*asked)
    assert not (here / "o").exists()


def test_workers_without_ray_are_told_what_to_install(no_model, here, monkeypatch):
    monkeypatch.setattr("scripts.stages.label.find_spec", lambda name: None)
    write_rows(here / "q.jsonl", 2, 0)
    for asked in (("--workers", 2), ("--ray", "auto")):
        message = refuse("--source", "q.jsonl", "--out", "o", *asked)
        assert "needs Ray: pip install m3scale[ray]" in message
    assert not (here / "o").exists()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--workers", 0), "0 is not in the range x>=1"),
        (("--gpus-per-worker", 1), "--gpus-per-worker goes with --workers"),
        (("--workers", 2, "--gpus-per-worker", "nan"), "expected a finite number, got nan"),
        (("--workers", 2, "--shard", "0/2"), "leave --shard and torchrun out"),
    ],
)
def test_workers_that_cannot_be_are_refused(no_model, here, asked, message):
    write_rows(here / "q.jsonl", 2, 0)
    assert message in refuse("--source", "q.jsonl", "--out", "o", *asked)


def test_a_folder_that_is_being_labelled_is_refused_before_the_model_is_opened(no_model, here):
    write_rows(here / "q.jsonl", 2, 0)
    with hold(here / "o"):
        message = refuse("--source", "q.jsonl", "--out", "o")
    assert "another process labels into o: wait for it, or share the work by --workers" in message
    assert not (here / "o").exists()


def test_questions_are_asked_again_in_the_words_of_a_file(tiny_model, here, write_source):
    source = write_source(here / "own", 3, seed=0)
    words = here / "words.jsonl"
    words.write_text(json.dumps({"question": "what ?", "paraphrases": ["which ?", "where ?"]}))
    asked = ("--source", source, "--out", "o", "--model", tiny_model, *SHORT)
    again = (*asked, "--repeats", 3, "--paraphrases", words)
    result = call(*again)
    assert result.exit_code == 0, result.output
    assert "asked 3 times" in result.stdout and "changed" in result.stdout
    repeats = read_outcomes(here / "o").repeats
    assert repeats.shape == (6, 3, 1)
    # Routers learn the questions as they stand.
    [split] = read_splits([here / "o"])
    assert split.data.repeats.tolist() == repeats.tolist()
    assert split.data.scores.tolist() == repeats[:, 0].tolist()
    # As it stands is as it stands; a finished run is left, and another way to repeat is refused.
    assert call(*again).exit_code == 0
    assert "repeats is 3 there but 1 now" in refuse(*asked)
    assert "jitter is 2 there but 1 now" in refuse(*again, "--jitter", 1)
    words.write_text(json.dumps({"question": "where ?", "paraphrases": ["what ?"]}))
    assert "wordings is" in refuse(*again)


def test_answers_of_repeats_are_drawn_and_shares_draw_the_same(tiny_model, here, write_source):
    asked = ("--source", write_source(here / "own", 34, seed=0), "--model", tiny_model)
    asked += ("--max-new-tokens", 3, "--scale", 1, "--scale", 9, "--quiet")
    drawn = (*asked, "--repeats", 2, "--jitter", 0, "--sample-temperature", 2)
    assert call(*drawn, "--out", "whole").exit_code == 0
    for share in ("1/2", "0/2"):
        assert call(*drawn, "--out", "shared", "--shard", share).exit_code == 0
    tables = [read_table(here / name).drop(columns="wall_ms") for name in ("whole", "shared")]
    assert tables[0].equals(tables[1])
    first, again = (tables[0][tables[0]["repeat"] == k]["answer"].tolist() for k in (0, 1))
    # With random weights nearly every draw is another answer.
    assert sum(one != other for one, other in zip(first, again, strict=True)) > len(first) / 2
    assert call(*asked, "--out", "plain").exit_code == 0
    assert read_table(here / "plain")["answer"].tolist() == first
    assert "is 2.0 there but 1.0 now" in refuse(*drawn[:-1], 1, "--out", "whole")


def test_paraphrases_without_repeats_are_refused(no_model, here, write_source):
    source = write_source(here / "own", 1, seed=0)
    words = here / "words.jsonl"
    words.write_text(json.dumps({"question": "what ?", "paraphrases": ["which ?"]}))
    given = ("--source", source, "--out", "o", "--paraphrases", words)
    assert "--paraphrases needs --repeats, at least 2" in refuse(*given)


def test_an_option_that_would_change_nothing_is_refused(no_model, here):
    write_rows(here / "q.jsonl", 1, 0)
    asked = ("--source", "q.jsonl", "--out", "o", "--jitter", 9)
    assert "--jitter goes with --repeats, at least 2" in refuse(*asked)
    assert not (here / "o").exists()


@pytest.mark.skipif(os.name != "posix", reason="names of files are text")
def test_a_source_whose_name_is_no_text_is_labelled_and_named_as_well_as_can_be(tiny_model, here):
    try:
        source = write_rows(here / os.fsdecode(b"q\xff.jsonl"), 1, 0)
    except OSError:
        pytest.skip("the file system wants text")
    result = call("--source", source, "--out", "o", "--model", tiny_model, *SHORT)
    assert result.exit_code == 0, result.output
    assert read_manifest(here / "o").source == str(here / "q?.jsonl")
    assert read_request(here / "o").source == str(here / "q?.jsonl")
    assert len(read_outcomes(here / "o").sample_ids) == 1
