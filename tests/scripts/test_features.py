"""Outcomes go out as logs of lmms-eval and come back; with features they train the same router."""

import json

import pytest

from labels.outcomes.parts import FEATURES, part_path
from labels.outcomes.table import read_outcomes, read_questions
from scripts.cli import main

SPLITS = {"router-train": 10, "calibration": 5, "test": 5}


def invoke(*arguments):
    from click.testing import CliRunner

    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.output, result.exc_info)
    return result


def refuse(runner, *arguments):
    result = runner.invoke(main, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), (result.output, result.exc_info)
    return result.stderr


def write_logs(folder, labelled):
    """Write one log a scale, as lmms-eval 0.7 does; give the options that import them."""
    table, words = read_outcomes(labelled), []
    questions = {question.sample_id: question for question in read_questions(labelled)}
    folder.mkdir(parents=True)
    for column, scale in enumerate(table.scales):
        rows = [
            {
                "doc_id": row,
                "target": str(list(questions[sample].answers)),
                "filtered_resps": table.answers[row, column],
                "doc_hash": "74234e98",
                "input": f"{questions[sample].question}\nAnswer in a word.",
                "exact_match": table.scores[row, column],
                "submission": {"id": sample},
                "named": {"sample": sample, "score": table.scores[row, column]},
            }
            for row, sample in enumerate(table.sample_ids.tolist())
        ]
        (folder / f"{scale}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        words += ["--samples", f"{scale}={folder / str(scale)}.jsonl"]
    return [*words, "--column", "sample_id=sample"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory, tiny_model, write_source):
    """A run that was labelled, and one that was imported from its logs."""
    own, other = tmp_path_factory.mktemp("own"), tmp_path_factory.mktemp("other")
    for seed, (split, count) in enumerate(SPLITS.items()):
        source = write_source(own / "sources" / split, count, seed)
        labelled, imported = own / "outcomes" / split, other / "outcomes" / split
        model = ("--source", source, "--model", tiny_model, "--quiet")
        invoke("label", *model, "--out", labelled, "--max-new-tokens", 1)
        logs = write_logs(other / "logs" / split, labelled)
        assert "image unknown" in invoke("import", *logs, "--out", imported).stdout
        result = invoke("features", "--outcomes", imported, *model)
        assert result.stdout == f"features added: {imported}\n"
    return own, other


def test_features_and_images_are_those_of_label(runs):
    own, other = runs
    for split in SPLITS:
        folders = own / "outcomes" / split, other / "outcomes" / split
        first, second = (part_path(folder, 0, FEATURES).read_bytes() for folder in folders)
        assert first == second
        ours, theirs = map(read_outcomes, folders)
        assert ours.image_ids.tolist() == theirs.image_ids.tolist()
        assert ours.groups.tolist() == theirs.groups.tolist()
        assert ours.scores.tolist() == theirs.scores.tolist()
        assert "unknown" not in invoke("audit", "--outcomes", folders[1]).stdout


def test_the_same_router_is_trained(runs):
    for run in runs:
        invoke("train", "--run", run, "--kind", "linear", "--no-tune")
    first, second = (run / "router" for run in runs)
    for name in ("router.npz", "calibration.npz", "features.npz", "gate.npz", "policy.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.mark.slow
def test_it_answers_and_is_reported(runs, tiny_model, tmp_path):
    _, other = runs
    invoke("train", "--run", other, "--kind", "linear", "--no-tune")
    image = next((runs[0] / "sources" / "test").glob("*.png"))
    words = ("--model", tiny_model, "--router", other / "router", "--image", image, "what ?")
    assert "scale" in invoke("ask", *words, "--budget", 72).stdout
    out = tmp_path / "report"
    invoke("report", "--run", other, "--out", out, "--seeds", 1)
    assert json.loads((out / "results.json").read_text())["router"]


def test_refusals_come_before_the_model_is_opened(runs, runner, tmp_path, write_source):
    own, other = runs
    source = write_source(tmp_path / "few", 1, 9)
    for words, message in (
        (("--outcomes", other / "outcomes" / "test"), "give --source"),
        (("--outcomes", own / "outcomes" / "test", "--source", source), "was labelled with its"),
        (("--outcomes", tmp_path / "no", "--source", source), "holds no labelling run"),
        (
            ("--outcomes", other / "outcomes" / "test", "--source", source),
            "8 of 10 samples are not",
        ),
        (
            ("--outcomes", other / "outcomes" / "test", "--source", source, "--preset", "pope"),
            "answer",  # the preset's name of the column, which this source has not
        ),
    ):
        assert message in refuse(runner, "features", *words, "--model", tmp_path / "no-model")
