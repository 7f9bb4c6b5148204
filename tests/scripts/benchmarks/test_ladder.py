import json
import subprocess
import sys

from labels.sources.loading import load_questions
from scripts.benchmarks.ladder import main, measure_ladder
from scripts.benchmarks.models import open_model


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
    for ladder in (known, measured["scenes-v3:validation"]):
        families = [row for name, row in ladder.items() if name != "all"]
        assert sum(row["questions"] for row in families) == ladder["all"]["questions"]


def test_figures_are_shares_of_right_answers():
    questions = load_questions("scenes:test", limit=2)
    figures = measure_ladder(open_model("mini", "cpu", "float32"), questions, (9,))["all"]
    right = figures["9"] * len(questions)
    assert abs(right - round(right)) < 1e-3


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "scripts.benchmarks.ladder", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "scenes-v3:validation" in shown.stdout


def test_a_scale_that_the_model_lacks_is_refused(runner):
    result = runner.invoke(main, ["--images", "1", "--scale", "7"])
    assert result.exit_code == 2
    assert "7" in result.output
