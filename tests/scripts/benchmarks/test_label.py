"""Label and the plain loop say the same, and the commands measure both."""

import json

import pytest

from scripts.benchmarks.growth import main as growth
from scripts.benchmarks.growth import measure_growth
from scripts.benchmarks.label import main

TINY = ["--size", "tiny", "--images", "2", "--plain-images", "1", "--repeats", "1"]


def test_label_is_measured_beside_the_plain_loop(runner, tmp_path):
    path = tmp_path / "label.json"
    options = ["--each", "2", "--max-new-tokens", "2", "--json", str(path)]
    done = runner.invoke(main, [*TINY, *options])
    assert done.exit_code == 0, done.output
    actual = json.loads(path.read_text())
    assert actual["each"]["2"]["flops_per_question"] > 0
    assert list(actual["each"]["2"]["ways"]) == ["plain", "label"]
    ours = actual["each"]["2"]["ways"]["label"]
    assert ours["equal_answers"] == 1
    assert ours["speedup"] > 0
    assert ours["utilisation"] > 0
    assert "of matrix rate" in done.output
    assert actual["meta"]["command"].startswith("python -m scripts.benchmarks.label")


@pytest.mark.slow
def test_sharing_the_beginning_is_measured(runner):
    done = runner.invoke(main, [*TINY, "--prefix", "--each", "1", "--each", "3"])
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.output.splitlines()[2:]] == ["1", "3"]


def test_memory_and_speed_are_told_by_quarters(runner, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda handle: None)
    path = tmp_path / "growth.json"
    done = runner.invoke(growth, ["--questions", "640", "--json", str(path)])
    assert done.exit_code == 0, done.output
    quarters = json.loads(path.read_text())["quarters"]
    assert [row["questions so far"] for row in quarters] == [160, 320, 480, 640]
    figures = ("resident MiB", "questions/s", "CPU ms/question")
    assert all(row[name] > 0 for row in quarters for name in figures)


@pytest.mark.parametrize(("count", "expected"), [(20, [5, 10, 15, 20]), (215, [50, 100, 150, 215])])
def test_there_are_four_quarters_of_few_questions_too(monkeypatch, count, expected):
    monkeypatch.setattr("os.fsync", lambda handle: None)
    assert [row["questions so far"] for row in measure_growth(count, None)] == expected
