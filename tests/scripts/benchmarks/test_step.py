"""The two ways to one gradient are the same gradient, and the command measures both."""

import json
import subprocess

import pytest

from scripts.benchmarks.models import build_model
from scripts.benchmarks.settings import StepSettings
from scripts.benchmarks.step import main
from scripts.benchmarks.step_timing import measure_memory, measure_times


def test_both_kinds_have_one_gradient():
    measured = measure_times(StepSettings(batch=1, prompt=4, answer=2), repeats=1)
    assert measured["largest_difference"] < 1e-5 < measured["largest_gradient"]
    assert set(measured["median_seconds"]) == {"shared", "naive"}
    assert measured["speedup"] > 0


def test_the_peak_lies_above_the_start():
    actual = measure_memory(StepSettings(batch=1, prompt=4, answer=2), "naive")
    assert actual["peak"] >= actual["start"] > 2**20


@pytest.mark.parametrize(("size", "millions"), [("300m", 308), ("7b", 7063)])
def test_sizes_are_what_their_names_say(size, millions):
    model = build_model(StepSettings(size, device="meta"))
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(millions * 1e6, rel=0.01)


@pytest.mark.slow
def test_the_command_measures_memory_in_processes_of_their_own(runner, tmp_path):
    path = tmp_path / "step.json"
    done = runner.invoke(main, ["--repeats", "1", "--batch", "1", "--json", str(path)])
    assert done.exit_code == 0, done.output
    actual = json.loads(path.read_text())
    assert set(actual["memory_bytes"]) == {"shared", "naive"}
    assert actual["meta"]["command"].startswith("python -m scripts.benchmarks.step")
    assert "times as fast" in done.output


def test_a_process_that_fails_is_one_line(runner, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\nMemoryError: no room\n")
    monkeypatch.setattr(subprocess, "run", lambda *command, **options: failed)
    done = runner.invoke(main, [])
    assert done.exit_code == 2
    assert "the shared step failed: MemoryError: no room; try a smaller --batch" in done.output
    assert len(done.output.strip().splitlines()) == 1
