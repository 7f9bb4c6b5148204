import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from labels.sources.loading import load_questions
from scripts.benchmarks.ladder import (
    NONE,
    Scored,
    main,
    measure_intervals,
    measure_ladder,
    measure_least,
    score_questions,
)
from scripts.benchmarks.models import open_model
from scripts.stages.model import open_backbone


def test_the_ladder_of_the_built_in_model_rises_and_families_add_up(runner, tmp_path):
    path = tmp_path / "ladder.json"
    arguments = ["--source", "scenes:test", "--source", "scenes-v3:validation", "--images", "6"]
    result = runner.invoke(
        main, [*arguments, "--scale", "1", "--scale", "576", "--json", str(path)]
    )
    assert result.exit_code == 0, result.output
    measured = json.loads(path.read_text())
    known = measured["scenes:test"]
    assert list(known)[0] == "all"
    assert known["all"]["576"] > known["all"]["1"]
    assert measured["model"]["pooling"] == "average" and len(measured["model"]["weights"]) == 16
    for source in ("scenes:test", "scenes-v3:validation"):
        ladder, intervals = measured[source], measured["intervals"][source]
        assert intervals.keys() == ladder.keys()
        for family, row in ladder.items():
            for scale, (low, high) in intervals[family].items():
                assert 0 <= low <= row[scale] <= high <= 1
        assert sum(measured["least"][source].values()) == pytest.approx(1, abs=1e-3)
        assert measured["least"][source]["1"] == ladder["all"]["1"]
        families = [row for name, row in ladder.items() if name != "all"]
        assert sum(row["questions"] for row in families) == ladder["all"]["questions"]


def test_figures_are_shares_of_right_answers():
    questions = load_questions("scenes:test", limit=2)
    scored = score_questions(open_model("mini", "cpu", "float32"), questions, (9,))
    figures = measure_ladder(scored)["all"]
    right = figures["9"] * len(questions)
    assert abs(right - round(right)) < 1e-3


def test_without_answers_right_is_what_the_largest_scale_says(tmp_path):
    Image.new("RGB", (192, 192)).save(tmp_path / "own.png")
    row = {"image": "own.png", "question": "What colour?", "metric": "reference", "answers": []}
    (tmp_path / "own.jsonl").write_text(json.dumps(row))
    questions = load_questions(str(tmp_path / "own.jsonl"))
    model = open_model("mini", "cpu", "float32")
    assert measure_ladder(score_questions(model, questions, (1, 576)))["all"]["576"] == 1
    with pytest.raises(ValueError, match="has no answers: right is what scale 576 says, which"):
        score_questions(model, questions, (1, 9))


@pytest.fixture
def scored():
    """Five questions about three images; the last one is answered nowhere."""
    scores = [[1, 0, 1], [0, 1, 1], [0, 1, 0], [0, 0, 1], [0, 0, 0]]
    families = np.array(["a", "a", "b", "b", "b"])
    images = np.array(["x", "x", "x", "y", "z"])
    return Scored((1, 9, 36), families, images, np.array(scores, float))


def test_the_least_sufficient_scale_is_right_where_every_smaller_one_is_wrong(scored):
    assert measure_least(scored) == {"1": 0.2, "9": 0.4, "36": 0.2, NONE: 0.2}


def test_intervals_are_by_family_and_go_by_images(scored):
    assert measure_ladder(scored)["b"] == {"questions": 3, "1": 0.0, "9": 0.333333, "36": 0.333333}
    intervals = measure_intervals(scored)
    # Its two questions are of one image: whichever is drawn, it is the same one.
    assert intervals["a"] == {"1": (0.5, 0.5), "9": (0.5, 0.5), "36": (1.0, 1.0)}
    assert intervals["b"]["1"] == (0.0, 0.0) and intervals["b"]["36"] == (0.0, 1.0)


def test_pooling_reaches_the_model_and_is_told_with_its_weights(runner, tmp_path, monkeypatch):
    opened = []

    def watch(opening):
        opened.append(open_backbone(opening))
        return opened[-1]

    monkeypatch.setattr("scripts.benchmarks.ladder.open_backbone", watch)
    asked = ["--source", "scenes:calibration", "--images", "1", "--scale", "9", "--scale", "1"]
    told = {}
    for pooling in ("average", "sequential"):
        path = tmp_path / f"{pooling}.json"
        result = runner.invoke(main, [*asked, "--pooling", pooling, "--json", str(path)])
        assert result.exit_code == 0, result.output
        told[pooling] = json.loads(path.read_text())
        assert told[pooling]["model"]["pooling"] == opened[-1].pooling == pooling
        assert list(told[pooling]["scenes:calibration"]["all"]) == ["questions", "1", "9"]
    assert told["average"]["model"]["weights"] == told["sequential"]["model"]["weights"]
    assert told["average"]["model"]["weights"] == opened[0].fingerprint


def test_what_a_file_holds_is_not_measured_again(runner, tmp_path, monkeypatch):
    path = tmp_path / "ladder.json"
    arguments = ["--source", "scenes:calibration", "--images", "1", "--json", str(path)]
    monkeypatch.setattr("sys.argv", ["ladder", *arguments])
    assert runner.invoke(main, arguments).exit_code == 0
    before = path.read_bytes()

    def refuse(opening):
        raise AssertionError(f"{opening} was opened")

    with monkeypatch.context() as patch:
        patch.setattr("scripts.benchmarks.ladder.open_backbone", refuse)
        again = runner.invoke(main, arguments)
    assert again.exit_code == 0 and "to measure again, remove it" in again.stdout
    assert path.read_bytes() == before
    # Other weights, or another command: then it is measured.
    content = json.loads(before)
    for other in (
        {"model": {**content["model"], "weights": "0" * 16}},
        {"meta": {**content["meta"], "command": "python -m scripts.benchmarks.ladder"}},
        {"model": None},
    ):
        path.write_text(json.dumps({**content, **other}))
        again = runner.invoke(main, arguments)
        assert again.exit_code == 0, again.output
        assert json.loads(path.read_text())["model"] == content["model"]


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "scripts.benchmarks.ladder", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "scenes-v3:validation" in shown.stdout


def test_a_scale_that_the_model_lacks_is_refused(runner):
    result = runner.invoke(main, ["--images", "1", "--scale", "7"])
    assert result.exit_code == 2
    assert "7" in result.output
